"""The worker: owns the loop, and moves what the source delivers through its lanes into commits."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from consumer.errors import Fenced
from consumer.lane.budget import Budget
from consumer.mutes.watcher import KnownMutes
from consumer.outgoing.chart_schedule import ChartRequest
from consumer.stream.source import Clock, Source, SourceHealth
from consumer.worker.backfill import Backfill
from consumer.worker.bundle_rollout import BundleRollout
from consumer.worker.lanes import Lanes
from consumer.worker.status import Observer, Status, fault, lag_s
from consumer.worker.turn_budget import TurnBudget

TICK_S = 0.1
STOP_READING_S, STOP_COMMIT_S, STOP_CHARTS_S = 1.5, 2.0, 4.0
STOP_S = STOP_READING_S + 2 * STOP_COMMIT_S + STOP_READING_S + STOP_CHARTS_S
"""How long `Worker.stop` takes at most with one lane: `quiesce`, the two commits of `OwnedLane.finish`, `close`, the
charts. That is 11 s, more than the 10 s that Docker gives a container between SIGTERM and SIGKILL: infra gives it 30 s.
Each further lane adds up to 0.2 s while a sink hangs. A killed process loses no record: the next owner reads again."""
EXIT_OK, EXIT_FAILED, EXIT_FENCED = 0, 1, 75
log = structlog.get_logger(__name__)


class Charts(Protocol):
    """What makes charts: `consumer.worker.charts.Charting`, or its twin in tests."""

    def draw(self, requests: Sequence[ChartRequest]) -> None:
        """Have charts drawn and stored."""

    def finish(self, timeout_s: float) -> None:
        """Wait for the charts in progress, at most that long."""


@dataclass(frozen=True, slots=True)
class Background:
    """What works beside the loop, on its own threads or in its own process. The loop asks it and never waits for it."""

    backfill: Backfill
    mutes: KnownMutes
    rollout: BundleRollout
    charts: Charts

    def begin(self) -> None:
        """Start what looks for changes."""
        self.mutes.begin()
        self.rollout.begin()

    def stop(self) -> None:
        """Stop all but the charts, which continue until the last ones are drawn."""
        self.backfill.stop()
        self.mutes.stop()
        self.rollout.stop()


class Worker:
    """All lanes of one process, from their source to their commits. ``observers`` get the `Status` of every turn;
    ``budget`` makes the budget of a turn, which all lanes share (rule 26)."""

    def __init__(
        self,
        lanes: Lanes,
        source: Source,
        background: Background,
        observers: Sequence[Observer] = (),
        *,
        clock: Clock = time.time,
        budget: Callable[[], Budget] = TurnBudget,
    ) -> None:
        self._lanes = lanes
        self._source = source
        self._background = background
        self._observers = observers
        self._clock = clock
        self._budget = budget
        self._watching = False
        self._next_lane = 0
        self.unfinished = False
        """True if the last turn ended by its budget: the next one does not wait for an event."""

    @property
    def watching(self) -> bool:
        """True once every open shard has answered: what is written from now on will be read."""
        return all(owned.lane.watching for owned in self._lanes)

    def run(self, stop: threading.Event) -> int:
        """Work until ``stop`` is set, then stop in order; returns the exit code."""
        self._background.begin()
        self._source.begin()
        code = EXIT_OK
        try:
            while not stop.is_set():
                health = self.turn(TICK_S)
                if not health.alive:
                    log.error("a reader has died: stopping, so that this is seen and the worker started again")
                    code = EXIT_FAILED
                    break
                if health.superseded and all(owned.lane.idle for owned in self._lanes):
                    log.error("the table has a new stream: stopping, so that the next start goes on with it")
                    code = EXIT_FAILED
                    break
        except Fenced as error:
            log.error("fenced", reason=str(error))
            self._observe(self._clock(), self._source.health(), fenced=True)
            code = EXIT_FENCED
        except Exception:
            log.exception("the loop failed: stopping in order")
            code = EXIT_FAILED
        return self.stop(code)

    def turn(self, timeout_s: float) -> SourceHealth:
        """One round: take what was read, process it as far as the budget goes, commit what is due. Waits up to
        ``timeout_s`` for an event if nothing is left to do. Raises `Fenced` when a lane has another owner."""
        events = self._source.poll(0.0 if self.unfinished else timeout_s)
        now = self._clock()
        for event in events:
            self._lanes.take(event, now)
        self._background.backfill.turn(now, ready=self.watching)
        self._background.rollout.turn(now)
        self._turn_lanes(now)
        health = self._source.health()
        self._observe(now, health)
        return health

    def stop(self, code: int = EXIT_OK) -> int:
        """Stop in the order that loses nothing. ``code``: why the worker stops. One that is fenced commits and draws
        nothing more. Returns the exit code."""
        # Reading stops first, or new records would come in. Then the last commits make durable what was scored. Only
        # then may the source give up its leases, since commits acknowledge through it. Nothing waits for the charts.
        self._source.quiesce(STOP_READING_S)
        self._background.stop()
        deadline = time.monotonic() + STOP_COMMIT_S
        for owned in self._lanes:
            try:
                if code != EXIT_FENCED:
                    owned.finish(self._source, self._clock(), max(0.1, deadline - time.monotonic()))
            except Exception as error:  # noqa: BLE001 - the other lanes still need their last commit
                log.error(
                    "the last commit is not durable; the next start goes on from the one before",
                    lane=owned.lane.name,
                    error=repr(error),
                    sink=owned.trouble and owned.trouble[1],
                )
                code = EXIT_FAILED
            owned.stop()
            if code != EXIT_FENCED:
                owned.lane.charts.final()
                self._background.charts.draw(owned.lane.charts.drain())
        self._source.close(STOP_READING_S)
        self._background.charts.finish(STOP_CHARTS_S)
        for observer in self._observers:
            observer.close()
        unaccounted = sum(owned.lane.ledger.imbalance() for owned in self._lanes)
        log.info(
            "stopped", code=code, unaccounted=unaccounted, ledger=[owned.lane.ledger.days for owned in self._lanes]
        )
        return code

    def _turn_lanes(self, now: float) -> None:
        """Turn every lane once. When the budget ends, the lanes behind commit what they have, and the next turn begins
        with them: a lane with a backlog must not keep another from its few records."""
        budget, process = self._budget(), not self._background.backfill.fills
        lanes = [*self._lanes]
        begin = self._next_lane % len(lanes)
        self.unfinished = False
        for place in (*range(begin, len(lanes)), *range(begin)):
            owned = lanes[place]
            owned.lane.mute(self._background.mutes.current)
            may = process and (place == begin or budget())
            owned.turn(self._source, now, budget, process=may)
            if may:
                self._next_lane = place + 1
            self.unfinished |= process and (not may or owned.lane.unfinished)
            self._background.charts.draw(owned.lane.charts.drain())

    def _observe(self, now: float, health: SourceHealth, *, fenced: bool = False) -> None:
        self._watching = self._watching or (not self._background.backfill.fills and self.watching)
        if not self._observers:
            return
        counts = Counter[str]()
        for owned in self._lanes:
            counts += owned.tally()
        status = Status(
            at=now,
            state="watching" if self._watching else "recovering",
            lag_s=lag_s(self._lanes.reading, now),
            fault=fault(self._lanes, health, now),
            fenced=fenced,
            counts=counts,
        )
        for observer in self._observers:
            observer.observe(status)
