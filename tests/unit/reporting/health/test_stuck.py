"""Readings that repeat while current flows."""

from __future__ import annotations

import pytest
from health_rig import Row, Watched, sample

from reporting.health.stuck import STUCK_S, STUCK_SAMPLES


def frozen(begin: float, n: int, *, step: float = 3.0, current: float = 2.0) -> list[Row]:
    return [sample(begin + k * step, current) for k in range(n)]


def test_readings_that_repeat_while_current_flows_are_reported_and_so_is_their_end(watched: Watched) -> None:
    """Thirty samples and a minute, both; whoever is told once is not told again."""
    watched.feed(*frozen(0, STUCK_SAMPLES - 1))
    assert watched.told == []
    watched.feed(*frozen((STUCK_SAMPLES - 1) * 3.0, 50))
    assert watched.told == [("stuck", "d", "opened", (STUCK_SAMPLES - 1) * 3.0)]
    watched.feed(sample(1000, 2.1))
    assert watched.told[1:] == [("stuck", "d", "closed", 1000)]


@pytest.mark.parametrize(
    "rows",
    [
        frozen(0, 300, step=0.1),
        frozen(0, STUCK_SAMPLES - 1, step=10.0),
        frozen(0, 300, current=0.0),
        [sample(k * 3.0, 2.0 + k % 2 / 100) for k in range(300)],
    ],
    ids=["less than a minute", "too few", "no current", "they change"],
)
def test_what_is_no_stuck_sensor(watched: Watched, rows: list[Row]) -> None:
    """A device at rest repeats itself, and a fast one may for a while."""
    assert STUCK_S == 60.0
    assert watched.feed(*rows).told == []
