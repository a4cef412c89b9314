"""Moments as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from battery_watch.options.times import parse_duration, parse_past_time, parse_time

NOW = datetime(2026, 11, 22, 13, 0, 5, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("30m", "2026-11-22T13:30:05+00:00"),
        ("2h", "2026-11-22T15:00:05+00:00"),
        ("3d", "2026-11-25T13:00:05+00:00"),
        (" 1d12h30m ", "2026-11-24T01:30:05+00:00"),
        ("2026-11-22T15:00Z", "2026-11-22T15:00:00+00:00"),
        ("2026-11-22T15:00:30.9+01:00", "2026-11-22T14:00:30+00:00"),
        ("2026-11-22 15:00-05:00", "2026-11-22T20:00:00+00:00"),
    ],
)
def test_a_moment_is_read(text: str, meant: str) -> None:
    """Relative or absolute, in whole seconds."""
    assert parse_time(text, NOW).isoformat() == meant


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no time"),
        ("2", "is no time"),
        ("-2h", "is no time"),
        ("2 hours", "is no time"),
        ("30m2h", "is no time"),
        ("tomorrow", "write 30m, 2h, 3d"),
        ("2026-11-22T15:00", "has no time zone"),
        ("2026-11-22", "has no time zone"),
        ("2026-13-22T15:00Z", "is no time"),
        ("9999-12-31T23:59:00-12:00", "beyond the calendar"),
        ("9" * 400 + "d", "is no time"),
        ("\u0662h", "is no time"),
    ],
)
def test_what_is_no_moment_is_told_how_to_be_one(text: str, said: str) -> None:
    """In the message."""
    with pytest.raises(ValueError, match=said):
        parse_time(text, NOW)


@pytest.mark.parametrize(
    ("text", "meant"),
    [("24h", "2026-11-21T13:00:05+00:00"), ("1d30m", "2026-11-21T12:30:05+00:00"), ("2026-11-22T15:00Z",) * 2],
)
def test_so_long_ago(text: str, meant: str) -> None:
    """An absolute time is what it is."""
    assert parse_past_time(text, NOW) == datetime.fromisoformat(meant)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-22T15:00", "9999d99999h" * 2])
def test_no_time_ago(text: str) -> None:
    """Said as for a time to come."""
    with pytest.raises(ValueError, match=r"time|calendar"):
        parse_past_time(text, NOW)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30.0), ("10m", 600.0), ("2h", 7200.0), (" 1h1m1s ", 3661.0), ("90m", 5400.0)]
)
def test_a_length_of_time_is_read(text: str, seconds: float) -> None:
    """In hours, minutes and seconds."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "30", "-30s", "1.5h", "30s1m", "2d", "for ever"])
def test_what_is_no_length_of_time_is_said(text: str) -> None:
    """With how to write one."""
    with pytest.raises(ValueError, match="is no length of time: write 30s, 10m"):
        parse_duration(text)
