"""How the worker is: lag, fault, and what the log says of it."""

from __future__ import annotations

from math import inf
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumer.stream.source import SourceHealth
from consumer.worker.status import READER_STUCK_S, SINK_DOWN_S, Status, StatusLog, fault, lag_s, unwell

NOW = 1000.0


def owned(watermark: float = NOW, *, trouble: tuple[float, str] | None = None, lagging: bool = False) -> Any:
    return SimpleNamespace(watermark=watermark, trouble=trouble, lane=SimpleNamespace(lagging=lagging))


class Lanes(list[Any]):
    """Lanes that all read shards."""

    @property
    def reading(self) -> list[Any]:
        """See `consumer.worker.lanes.Lanes`."""
        return self


def why(*lanes: Any, source: SourceHealth = SourceHealth()) -> str:  # noqa: B008
    given: Any = Lanes(lanes)
    return fault(source) or unwell(given, source, NOW)


def test_the_lag_is_that_of_the_lane_that_is_furthest_behind() -> None:
    """None before its first record, and where there is no lane at all."""
    assert lag_s([owned(990.0), owned(940.0)], NOW) == 60.0
    assert lag_s([owned(990.0), owned(-inf)], NOW) is None
    assert lag_s([], NOW) is None


def test_a_lag_is_never_negative() -> None:
    """A device's fast clock may carry the watermark a little ahead."""
    assert lag_s([owned(NOW + 3.0)], NOW) == 0.0


def test_a_worker_in_order_has_no_fault() -> None:
    """Nor one whose sink has failed a moment ago: it is being tried again."""
    assert why(owned(), owned(trouble=(NOW - SINK_DOWN_S, "throttled"))) == ""


@pytest.mark.parametrize(
    ("lane", "source", "said"),
    [
        (owned(trouble=(NOW - 31.0, "S3: denied")), SourceHealth(), "commits have been failing for 31 s: S3: denied"),
        (owned(), SourceHealth(trouble="access denied"), "access denied"),
        (owned(), SourceHealth(idle_s=READER_STUCK_S + 1.0), "a reader has been in one call for 101 s"),
        (
            owned(lagging=True),
            SourceHealth(),
            "a shard cannot be read, and a lane waits for it. Run battery-watch doctor",
        ),
    ],
)
def test_a_fault_says_what_is_wrong(lane: Any, source: SourceHealth, said: str) -> None:
    """In words for the person who is called."""
    assert why(owned(), lane, source=source) == said


def test_of_several_faults_the_first_is_said() -> None:
    """What keeps results from being delivered comes before what keeps records from coming."""
    lane = owned(trouble=(NOW - 60.0, "SNS"), lagging=True)
    assert why(lane, source=SourceHealth(trouble="access denied")).startswith("commits have been failing")
    assert why(owned(lagging=True), source=SourceHealth(trouble="access denied")) == "access denied"


def test_rule_34_only_readers_that_are_dead_are_a_fault_that_a_restart_mends() -> None:
    """A sink, a stream or a shard that is down makes a worker unwell: a restart would wait for the same."""
    given: Any = Lanes([owned(trouble=(NOW - 60.0, "SNS"), lagging=True)])
    assert fault(SourceHealth(trouble="access denied")) == ""
    assert unwell(given, SourceHealth(), NOW).startswith("commits have been failing")
    assert fault(SourceHealth(alive=False)) == "a reader has died"
    assert fault(SourceHealth(idle_s=READER_STUCK_S + 1.0)) != ""
    given = Lanes([owned()])
    assert unwell(given, SourceHealth(idle_s=READER_STUCK_S + 1.0), NOW) == ""


def test_the_log_says_each_change_once() -> None:
    """When the worker begins to watch, gets unwell, and is well again."""
    status_log = StatusLog()
    states: list[tuple[Any, str]] = [
        ("standing by", ""),
        ("recovering", ""),
        ("watching", ""),
        ("watching", "S3"),
        ("watching", "S3 still"),
        ("watching", ""),
    ]
    with capture_logs() as said:
        for state, reason in states:
            status_log.observe(Status(NOW, state, fault=reason))
        status_log.close()
    assert [(line["event"], line.get("fault")) for line in said] == [
        ("watching", None),
        ("unwell", "S3"),
        ("well again", None),
    ]
