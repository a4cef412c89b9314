"""Times and durations as people write them: ISO 8601 with a zone, or relative to now."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_FROM_NOW = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?", re.ASCII)
_LASTING = re.compile(r"(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,7})s)?", re.ASCII)


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic in the stubs of click 8.3 only
    """A duration on the command line, in seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See `click.ParamType`."""
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class TimeInPast(click.ParamType):  # type: ignore[type-arg]  # generic in the stubs of click 8.3 only
    """A time in the past on the command line: 2h for two hours ago, or ISO 8601 with a zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """See `click.ParamType`."""
        if isinstance(value, datetime):
            return value
        try:
            return parse_past_time(str(value), datetime.now(UTC))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def parse_time(text: str, now: datetime) -> datetime:
    """The time that is meant, in UTC and whole seconds; a duration counts from now. Raises ValueError that says how to
    write one.

    >>> now = datetime(2026, 11, 22, 13, tzinfo=UTC)
    >>> parse_time("1h30m", now).isoformat(), parse_time("2026-11-22T16:00+01:00", now).isoformat()
    ('2026-11-22T14:30:00+00:00', '2026-11-22T15:00:00+00:00')
    """
    return _parse(text.strip(), now, 1)


def parse_past_time(text: str, now: datetime) -> datetime:
    """The same, but a duration counts back from now.

    >>> parse_past_time("24h", datetime(2026, 11, 22, 13, tzinfo=UTC)).isoformat()
    '2026-11-21T13:00:00+00:00'
    """
    return _parse(text.strip(), now, -1)


def _parse(text: str, now: datetime, sign: int) -> datetime:
    found = _FROM_NOW.fullmatch(text)
    try:
        if text and found is not None:
            days, hours, minutes = (sign * int(part or 0) for part in found.groups())
            return (now.astimezone(UTC) + timedelta(days=days, hours=hours, minutes=minutes)).replace(microsecond=0)
        read = datetime.fromisoformat(text)
        if read.tzinfo is None:
            raise ValueError(f"{text!r} has no time zone: write it like {now:%Y-%m-%d}T15:00Z or T15:00+01:00")
        return read.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        raise ValueError(f"{text!r} is beyond the calendar") from None
    except ValueError as error:
        if "time zone" in str(error):
            raise
        raise ValueError(f"{text!r} is no time: write 30m, 2h, 3d, 1h30m, or {now:%Y-%m-%d}T15:00Z") from None


def parse_duration(text: str) -> float:
    """A duration in seconds. Raises ValueError that says how to write one.

    >>> parse_duration("30s"), parse_duration("1h30m")
    (30.0, 5400.0)
    """
    found = _LASTING.fullmatch(text.strip())
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found is not None else (0, 0, 0)
    total = 3600.0 * hours + 60.0 * minutes + seconds
    if not total:
        raise ValueError(f"{text!r} is no length of time: write 30s, 10m, 2h, 1h30m")
    return total
