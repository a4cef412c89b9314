"""Samples that come too late for their window."""

from __future__ import annotations

from health_rig import Watched, reach, sample

from reporting.health.late import LATE_QUIET_S
from window.samples import Kind


def test_a_run_of_late_samples_is_one_notice_with_its_interval(watched: Watched) -> None:
    """When a sample in time follows, or after a quiet minute; with the command that scores them."""
    late = [sample(1e4 + k, ts=k * 10.0, kind=Kind.LATE) for k in (3, 1, 2)]
    watched.feed(*late)
    assert watched.told == []
    watched.feed(sample(1e4 + 5))
    (first,) = watched.said
    assert (first.type, first.at, first.count, first.since, first.until) == ("health.late", 1e4 + 5, 3, 10.0, 30.0)
    assert first.command == "battery-watch replay --table device4 --since 1970-01-01T00:00:10Z"
    watched.feed(sample(1e4 + 6, ts=0.0, kind=Kind.LATE)).until(1e4 + 6 + LATE_QUIET_S)
    assert watched.told[1:] == [("late", "d", "opened", 1e4 + 6 + LATE_QUIET_S)]
    assert watched.said[1].count == 1


def test_runs_of_late_samples_of_one_second_are_one(watched: Watched) -> None:
    """An old sample written twice, with one in time in between: told apart, the two would have the same times, and
    their messages the same id."""
    late = sample(1e4, ts=0.0, kind=Kind.LATE)
    watched.feed(late, sample(1e4), late, sample(1e4), sample(1e4 + 1))
    assert [(notice.type, notice.at, notice.count) for notice in watched.said] == [("health.late", 1e4 + 1, 2)]


def test_a_run_ends_before_late_records_are_reported() -> None:
    """A minute after the first of them: what comes then may be told after it only."""
    rows = [(0.0, Kind.LATE, "a"), *[(float(t), Kind.SAMPLE, "b") for t in range(10, 100, 10)]]
    assert reach(Watched(), *rows) == 1 + int(LATE_QUIET_S / 10) - 1
