from __future__ import annotations

from dataclasses import replace

import pytest

from demo import outage as module
from demo.outage import RESTART_S, TIMEOUT_S, Crash, Outage, planned
from demo.script import FaultKind, write


class Twin:
    """A worker that only writes down what is done to it."""

    def __init__(self) -> None:
        self.pid = 1
        self.heard: dict[str, float] = {}
        self.did: list[str] = []

    def kill(self) -> None:
        self.did.append("kill")

    def start(self) -> None:
        self.did.append("start")
        self.pid, self.heard = 2, {}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("live_s", "kind"),
    [(30, FaultKind.OVER_CURRENT), (60, FaultKind.COOLING_FAILURE), (900, FaultKind.COOLING_FAILURE)],
)
def test_the_kill_is_planned_at_the_first_sample_of_a_live_fault(live_s: int, kind: FaultKind) -> None:
    """That of the cooling failure where one fits, and never in the upload: nobody has told of it then."""
    plan = planned(write(1, live_s))
    assert plan.fault.part == "live"
    assert plan.fault.kind is kind
    assert plan.at_s == plan.fault.start_s


def test_the_worker_is_killed_once_and_the_next_one_followed_until_it_watches(clock: Clock) -> None:
    """Every step is told, with the time since the kill."""
    worker, said = Twin(), list[str]()
    plan = planned(write(1, 60))
    crash = Crash(worker, plan, said.append)  # type: ignore[arg-type]
    crash.strike(plan.at_s - 1)
    crash.look()
    assert worker.did == []
    crash.strike(plan.at_s)
    crash.strike(plan.at_s + 1)
    crash.look()
    assert worker.did == ["kill"]
    assert crash.outage.says == "killed, nobody watches"
    clock.now += RESTART_S
    crash.look()
    worker.heard["standing by"] = 103.0
    crash.look()
    crash.look()
    assert crash.outage.says == "killed, a new worker stands by"
    worker.heard |= {"owner": 114.0, "watching": 114.5}
    crash.look()
    crash.look()
    assert worker.did == ["kill", "start"]
    assert not crash.outage.going_on
    assert crash.outage.recovery_s == 14.5
    for text, expected in zip(
        said,
        ("process 1) is killed", "process 2) starts", "15 s", "14.0 s after the kill", "14.5 s after"),
        strict=True,
    ):
        assert expected in text


def test_a_worker_that_does_not_come_back_ends_the_wait(clock: Clock) -> None:
    """The run goes on to its verdict, which it fails."""
    worker = Twin()
    plan = planned(write(1, 60))
    crash = Crash(worker, plan, lambda _: None)  # type: ignore[arg-type]
    crash.strike(plan.at_s)
    clock.now += TIMEOUT_S - 1.0
    crash.look()
    crash.look()
    assert crash.outage.going_on
    clock.now += 2.0
    crash.look()
    assert not crash.outage.going_on
    assert crash.outage.says == "nobody took over"


def test_only_what_was_put_before_the_recovery_and_told_after_the_take_over_was_delayed() -> None:
    """Without a take-over nothing was."""
    plan = planned(write(1, 60))
    over = Outage(plan.fault, plan.at_s, killed_s=100.0, started_s=102.0, owned_s=114.0, back_s=115.0)
    assert over.delayed(99.9, 114.0)
    assert over.delayed(114.9, 115.2)
    assert not over.delayed(99.5, 113.9)
    assert not over.delayed(115.0, 115.1)
    assert replace(over, back_s=None).delayed(99.9, 114.1)
    assert not plan.delayed(99.9, 114.0)
