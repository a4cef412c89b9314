"""What one turn of the loop may take, and how its lanes share it (rule 26)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from worker_twins import background

from consumer.stream.source import SourceHealth
from consumer.worker.turn_budget import PROCESS_CPU_S, PROCESS_S, TURN_CPU_S, TURN_S, TurnBudget
from consumer.worker.worker import Worker


@pytest.mark.parametrize(
    ("cpu_s", "elapsed_s", "goes_on"),
    [
        (0.0, 0.0, True),
        (0.9 * PROCESS_CPU_S, 0.9 * PROCESS_S, True),
        (PROCESS_CPU_S, 0.0, False),
        (0.0, PROCESS_S, False),  # the machine is busy, or another thread has the interpreter
    ],
)
def test_rule_26_a_turn_ends_by_processor_time_and_by_the_clock(cpu_s: float, elapsed_s: float, goes_on: bool) -> None:
    """Both count from its own beginning, and leave room for the piece of work that has begun and for a commit."""
    processor, monotonic = [50.0], [900.0]
    budget = TurnBudget(lambda: processor[0], lambda: monotonic[0])
    processor[0] += cpu_s
    monotonic[0] += elapsed_s
    assert budget() is goes_on
    assert PROCESS_CPU_S <= TURN_CPU_S / 2
    assert PROCESS_S <= TURN_S / 2


class Lanes:
    """Lanes that only count down the pieces of work they have, and a source that is asked how long it may wait."""

    one_lane = False

    def __init__(self, *work: int) -> None:
        self.work = [*work]
        self.stepped: list[list[int]] = []
        self.waited: list[float] = []
        self.owned = [self._owned(place) for place in range(len(work))]
        self.table = self.owned[0]
        self.reading = self.owned

    def __iter__(self) -> Any:
        return iter(self.owned)

    def settle(self) -> None:
        """No device changes lanes."""

    def _owned(self, place: int) -> Any:
        lane = SimpleNamespace(
            name=str(place),
            watching=True,
            unfinished=False,
            mute=lambda mutes: None,
            offer=lambda bundle: None,
            gaps_to_read=list,
            charts=SimpleNamespace(drain=list),
        )

        def turn(source: Any, now: float, budget: Any, *, process: bool) -> None:
            if not process:
                return
            lane.unfinished = False
            while self.work[place]:
                self.work[place] -= 1
                self.stepped[-1].append(place)
                if self.work[place] and not budget():
                    lane.unfinished = True
                    return

        return SimpleNamespace(lane=lane, turn=turn)

    def worker(self, pieces: int) -> Worker:
        """A worker whose turns have room for so many pieces of work after the first."""

        def poll(timeout_s: float) -> list[Any]:
            self.waited.append(timeout_s)
            self.stepped.append([])
            return []

        def budget() -> Any:
            left = iter([True] * pieces)
            return lambda: next(left, False)

        lanes: Any = self
        source: Any = SimpleNamespace(poll=poll, health=SourceHealth)
        charting: Any = SimpleNamespace(draw=lambda requests: None)
        return Worker(lanes, source, background(lanes, charting), clock=lambda: 100.0, budget=budget)


def test_rule_26_lanes_share_a_turn_and_the_next_begins_with_those_that_had_none() -> None:
    """A lane with a backlog does not keep another from its few records."""
    lanes = Lanes(1000, 1, 2)
    worker = lanes.worker(pieces=10)
    for _ in range(3):
        worker.turn(0.1)
    assert [turn.count(0) for turn in lanes.stepped[:1]] == [11]
    assert lanes.stepped[1][:3] == [1, 2, 2]
    assert lanes.work[1:] == [0, 0]
    assert all(0 in turn for turn in lanes.stepped[1:])


def test_rule_26_two_backlogs_take_turns() -> None:
    """Neither waits for the end of the other."""
    lanes = Lanes(1000, 1000)
    worker = lanes.worker(pieces=10)
    for _ in range(6):
        worker.turn(0.1)
    assert abs(lanes.work[0] - lanes.work[1]) <= 11


def test_rule_26_while_work_is_left_no_turn_waits_for_an_event() -> None:
    """And once nothing is left, it waits as long as it may."""
    lanes = Lanes(25, 0)
    worker = lanes.worker(pieces=10)
    for _ in range(6):
        worker.turn(0.1)
    assert lanes.work == [0, 0]
    assert lanes.waited[0] == 0.1
    assert lanes.waited[1:3] == [0.0, 0.0]
    assert lanes.waited[-1] == 0.1
    assert not worker.unfinished
