"""A worker over twins of all its parts."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from worker_twins import background

from consumer.stream.source import SourceHealth
from consumer.worker.liveness import LivenessFile
from consumer.worker.status import StatusLog
from consumer.worker.worker import Worker


class World:
    """Everything around the loop. ``done``: what happened, in order; ``fail``: what a turn or a finish raises;
    ``spent_s``: what the steps of a stop may take together."""

    def __init__(self, path: Path) -> None:
        self.done: list[str] = []
        self.events: list[Any] = []
        self.fail: dict[str, BaseException] = {}
        self.stop = threading.Event()
        self.turns = 3
        self.spent_s = 0.0  # what the steps of a stop may take together
        self.path = path
        self.lane = SimpleNamespace(
            name="table",
            watching=False,
            lagging=False,
            idle=False,
            unfinished=False,
            report=lambda notices, now: None,
            watermark=95.0,
            devices=["d"],
            ledger=SimpleNamespace(days={}, imbalance=lambda: 0),
            charts=SimpleNamespace(drain=lambda: ["chart"], final=lambda goes_on: self.done.append("final charts")),
            gaps_to_read=list,
            recovery=SimpleNamespace(),
            mute=lambda mutes: None,
            offer=lambda bundle: None,
            take_items=lambda gap, decoded: self.done.append(f"items {gap}"),
        )
        self.owned = SimpleNamespace(
            lane=self.lane,
            turn=self._turn,
            settled=True,
            holds=False,
            begin_last=self._finish,
            end_last=lambda source, now, timeout_s: self._spend("wait", timeout_s),
            stop=lambda: self.done.append("stop"),
            trouble=None,
            watermark=95.0,
            tally=Counter,
        )
        self.lanes = Routes(self)
        self.health = SourceHealth()
        self.source = SimpleNamespace(
            health=lambda: self.health,
            begin=lambda: self.done.append("read"),
            poll=lambda timeout_s: [self.events.pop(0)] if self.events else [],
            quiesce=lambda timeout_s: self._spend("stop reading", timeout_s),
            close=lambda timeout_s: self._spend("close the source", timeout_s),
        )
        self.charting = SimpleNamespace(
            draw=lambda requests: None, finish=lambda timeout_s: self._spend("finish charts", timeout_s)
        )

    def worker(self, **more: Any) -> Worker:
        lanes: Any = self.lanes
        source: Any = self.source
        charting: Any = self.charting
        observers = [LivenessFile(self.path, lambda: 100.0), StatusLog()]
        return Worker(lanes, source, background(lanes, charting, **more), observers, clock=lambda: 100.0)

    def _turn(self, source: Any, now: float, budget: Any, *, process: bool) -> None:
        self.done.append("turn" if process else "turn without processing")
        self.turns -= 1
        if self.turns == 0:
            self.stop.set()
        if "turn" in self.fail:
            raise self.fail["turn"]

    def _finish(self, source: Any, now: float, timeout_s: float) -> None:
        self._spend("finish", timeout_s)
        if "finish" in self.fail:
            raise self.fail["finish"]

    def _spend(self, step: str, at_most_s: float) -> None:
        self.done.append(step)
        self.spent_s += at_most_s


class Routes:
    """One lane."""

    one_lane = True
    settle = await_fill = staticmethod(lambda: None)
    count = 1

    def __init__(self, world: World) -> None:
        self.world = world

    def __iter__(self) -> Any:
        return iter([self.world.owned] * self.count)

    @property
    def table(self) -> Any:
        return self.world.owned

    @property
    def reading(self) -> Any:
        return [self.table]

    def take(self, event: Any, now: float) -> None:
        self.world.done.append(type(event).__name__)

    def fill(self, samples: Any) -> None:
        self.world.done.append(f"fill {samples}")
