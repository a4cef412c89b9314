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
from consumer.worker.host_clock import HostClock
from consumer.worker.lanes import Lanes
from consumer.worker.status import Observer, Status, fault, lag_s, unwell
from consumer.worker.turn_budget import TurnBudget

TICK_S = 0.1
STOP_S = 8.0
"""How long `Worker.stop` takes at most, whatever hangs: all its steps, lanes and charts share one deadline. Docker
gives a container 10 s between SIGTERM and SIGKILL, infra gives it 30. A killed process loses no record: the next owner
goes on from the last commit."""
STOP_READING_S = 1.5
STOP_CLOSE_S, STOP_CHARTS_S = 1.0, 1.5
"""What the commits leave of the time to `close` and to the charts."""
EXIT_OK, EXIT_FAILED, EXIT_FENCED = 0, 1, 75
log = structlog.get_logger(__name__)


class Deadline:
    """A point in time that several steps share: ``seconds`` from now, by the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left_s(self, reserved_s: float = 0.0) -> float:
        """How long until ``reserved_s`` before it, never negative."""
        return max(0.0, self._at - reserved_s - time.monotonic())


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
        clock: Clock | None = None,
        budget: Callable[[], Budget] = TurnBudget,
    ) -> None:
        """``clock``: epoch seconds that never jump; by default a `HostClock`."""
        self._lanes = lanes
        self._source = source
        self._background = background
        self._observers = observers
        self._clock = clock or HostClock()
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
        self._lanes.settle()
        if isinstance(self._clock, HostClock):
            self._lanes.table.lane.report(self._clock.notices(), now)
        self._turn_lanes(now)
        health = self._source.health()
        self._observe(now, health)
        return health

    def stop(self, code: int = EXIT_OK) -> int:
        """Stop in the order that loses nothing. ``code``: why the worker stops. One that is fenced commits and draws
        nothing more. Returns the exit code."""
        # Reading stops first, or new records would come in. Then the last commits make durable what was scored. Only
        # then may the source give up its leases, since commits acknowledge through it. Nothing waits for the charts.
        within = Deadline(STOP_S)
        self._source.quiesce(min(STOP_READING_S, within.left_s()))
        self._background.stop()
        if code != EXIT_FENCED and not self._finish(within):
            code = EXIT_FAILED
        for owned in self._lanes:
            owned.stop()
        if code != EXIT_FENCED:
            self._draw_last_charts(within)
        self._source.close(min(STOP_CLOSE_S, within.left_s()))
        self._background.charts.finish(within.left_s())
        for observer in self._observers:
            observer.close()
        unaccounted = sum(owned.lane.ledger.imbalance() for owned in self._lanes)
        log.info(
            "stopped", code=code, unaccounted=unaccounted, ledger=[owned.lane.ledger.days for owned in self._lanes]
        )
        return code

    def _finish(self, within: Deadline) -> bool:
        """Have all lanes make what they processed durable, side by side: none waits for the sinks of another. False if
        one could not."""
        lanes, done = sorted(self._lanes, key=lambda owned: not owned.settled), True
        for step in ("begin_last", "end_last"):
            for owned in list(lanes):
                try:
                    left_s = within.left_s(STOP_CLOSE_S + STOP_CHARTS_S)
                    getattr(owned, step)(self._source, self._clock(), left_s)
                except Exception as error:  # noqa: BLE001 - the other lanes still need their last commit
                    log.error(
                        "the last commit is not durable; the next start goes on from the one before",
                        lane=owned.lane.name,
                        error=repr(error),
                        sink=owned.trouble and owned.trouble[1],
                    )
                    lanes.remove(owned)
                    done = False
        return done

    def _draw_last_charts(self, within: Deadline) -> None:
        """Have a last chart of each device drawn, of as many as there is time for. Those of openings come first: their
        links are in messages."""
        for owned in self._lanes:
            self._background.charts.draw(owned.lane.charts.drain())
        for owned in self._lanes:
            owned.lane.charts.final(lambda: within.left_s(STOP_CLOSE_S + STOP_CHARTS_S) > 0.0)
            self._background.charts.draw(owned.lane.charts.drain())

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
            fault=fault(health),
            unwell=unwell(self._lanes, health, now),
            fenced=fenced,
            counts=counts,
        )
        for observer in self._observers:
            observer.observe(status)
