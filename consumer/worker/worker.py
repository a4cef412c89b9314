"""The worker: owns the threads, and moves what the source delivers through its lanes into commits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from math import inf, isfinite
from typing import Protocol

import structlog

from consumer.bundles.watcher import KnownBundles
from consumer.errors import Fenced
from consumer.intake.gaps import FIRST_WINDOW
from consumer.mutes.watcher import KnownMutes
from consumer.outgoing.chart_schedule import ChartRequest
from consumer.state.head import Gap
from consumer.stream.direct import DirectSource
from consumer.stream.source import Clock
from consumer.worker.backfill import Tables
from consumer.worker.lanes import Lanes
from consumer.worker.liveness import Pulse, PulseFile
from consumer.worker.metrics import Progress
from scoring.bundle import Bundle
from window.rolling import SHOWN_S

TICK_S = 0.1
STOP_READING_S, STOP_COMMIT_S, STOP_CHARTS_S = 1.5, 2.0, 4.0
SINK_DOWN_S = 30.0
FILL_ANYWAY_S = 30.0
"""A shard that cannot be read from the start on is not waited for."""
READER_STUCK_S = 100.0  # a call with all its retries ends before
EXIT_OK, EXIT_FAILED, EXIT_FENCED = 0, 1, 75
log = structlog.get_logger(__name__)


class Charts(Protocol):
    """What makes charts: `consumer.worker.charts.Charting`, or its twin in tests."""

    def draw(self, requests: Sequence[ChartRequest]) -> None:
        """Have charts drawn and stored."""

    def finish(self, timeout_s: float) -> None:
        """Wait for those under way, at most that long."""


class Worker:
    """All lanes of one process, from their source to their commits.

    ``tables`` reads the table for gaps, and with ``fill`` for the first windows, up to ``tip`` (epoch seconds) where an
    earlier owner made the first start; ``mutes`` knows what is not to be told, ``bundles`` what is to score, of which
    ``follow`` is told for lanes that are opened later; ``pulse`` is what the health check looks
    at, ``progress`` what the log and its metrics say.
    """

    def __init__(
        self,
        lanes: Lanes,
        source: DirectSource,
        charting: Charts,
        *,
        tables: Tables | None = None,
        fill: bool = False,
        tip: float | None = None,
        mutes: KnownMutes | None = None,
        bundles: KnownBundles | None = None,
        follow: Callable[[Bundle], None] = lambda _: None,
        pulse: PulseFile | None = None,
        progress: Progress | None = None,
        clock: Clock = time.time,
    ) -> None:
        self._lanes = lanes
        self._source = source
        self._charting = charting
        self._clock = clock
        self._pulse = pulse
        self._tables = tables
        self._mutes = mutes
        self._bundles = bundles
        self._follow = follow
        self._to_fill = fill and tables is not None
        self._tip = tip
        self._filling = False
        self._begun = inf
        self._watching = False
        self._progress = progress or Progress()
        if self._to_fill:
            for owned in lanes:
                owned.lane.await_fill()
        self._unwell = False

    @property
    def watching(self) -> bool:
        """True once every open shard has been heard of: what is written from now on will be read."""
        return all(owned.lane.watching for owned in self._lanes)

    @property
    def watermark(self) -> float:
        """That of the lane which is furthest behind."""
        return min((owned.lane.watermark for owned in self._lanes.reading), default=-inf)

    def run(self, stop: threading.Event) -> int:
        """Work until ``stop`` is set, then stop in order; returns the exit code."""
        if self._mutes is not None:
            self._mutes.begin()
        if self._bundles is not None:
            self._bundles.begin()
        self._source.begin()
        code = EXIT_OK
        try:
            while not stop.is_set():
                self.turn(TICK_S)
                if not self._source.readers_alive:
                    log.error("a reader has died: stopping, so that this is seen and the worker started again")
                    code = EXIT_FAILED
                    break
                if self._source.superseded and all(owned.lane.idle for owned in self._lanes):
                    log.error("the table has a new stream: stopping, so that the next start goes on with it")
                    code = EXIT_FAILED
                    break
        except Fenced as error:
            log.error("fenced", reason=str(error))
            self._progress.say(self._clock(), self._lanes.reading, fenced=True)
            code = EXIT_FENCED
        except Exception:
            log.exception("the loop failed: stopping in order")
            code = EXIT_FAILED
        return self.stop(code)

    def turn(self, timeout_s: float) -> None:
        """One round: take what was read, process it, commit what is due. Waits up to ``timeout_s`` for something to
        read. Raises `Fenced` when a lane has another owner."""
        events = self._source.poll(timeout_s)
        now = self._clock()
        for event in events:
            self._lanes.take(event, now)
        self._read_tables(now)
        self._bring_in(now)
        for owned in self._lanes:
            if self._mutes is not None:
                owned.lane.mute(self._mutes.current)
            owned.turn(self._source, now, process=not self._to_fill)
            self._charting.draw(owned.lane.charts.drain())
        self._say(now)

    def stop(self, code: int = EXIT_OK) -> int:
        """Stop in the order that loses nothing: reading first, so that nothing new comes in; then the commits, so
        that all that was scored is durable; the charts last, as nothing waits for them. ``code``: why it stops; who is
        fenced commits and draws nothing more. Returns the exit code."""
        self._source.stop(STOP_READING_S)
        if self._tables is not None:
            self._tables.stop()
        if self._mutes is not None:
            self._mutes.stop()
        if self._bundles is not None:
            self._bundles.stop()
        deadline = time.monotonic() + STOP_COMMIT_S
        for owned in self._lanes:
            try:
                if code != EXIT_FENCED:
                    owned.finish(self._source, self._clock(), max(0.1, deadline - time.monotonic()))
            except Exception as error:  # noqa: BLE001 - the other lanes still want their last commit
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
                self._charting.draw(owned.lane.charts.drain())
        self._charting.finish(STOP_CHARTS_S)
        if self._pulse is not None:
            self._pulse.remove()
        unaccounted = sum(owned.lane.ledger.imbalance() for owned in self._lanes)
        log.info(
            "stopped", code=code, unaccounted=unaccounted, ledger=[owned.lane.ledger.days for owned in self._lanes]
        )
        return code

    def _bring_in(self, now: float) -> None:
        """Have every lane score with the bundle that was found, each from a minute of its own head on; the table's lane
        tells of one that was refused."""
        if self._bundles is None:
            return
        offer = self._bundles.current
        for owned in self._lanes:
            owned.lane.offer(offer.bundle)
        if offer.refused is not None:
            self._lanes.table.lane.refuse(offer.refused, now)
        elif offer.bundle is not None:
            self._follow(offer.bundle)
            if all(owned.lane.scores_with(offer.bundle.id) for owned in self._lanes):
                self._lanes.table.lane.accept(now)

    def _read_tables(self, now: float) -> None:
        """At a first start the iterators come first, then the windows from the table, then the first record: what is
        written in between is in both, and met again it is scored as new (rule 18)."""
        if self._tables is None:
            return
        lanes = {owned.lane.name: owned.lane for owned in self._lanes}
        self._begun = min(self._begun, now)
        ready = self.watching or now - self._begun > FILL_ANYWAY_S
        if self._to_fill and ready and not self._filling:
            self._filling = True
            until = now if self._tip is None else self._tip  # what came since is read from the stream, in its order
            self._tables.ask(FIRST_WINDOW, Gap(FIRST_WINDOW, until - SHOWN_S, "first start", now, until=until), [])
        for name, lane in lanes.items():
            for gap in lane.gaps_to_read():
                self._tables.ask(name, gap, lane.devices)
        for name, gap, decoded in self._tables.answers():
            if name != FIRST_WINDOW:
                lanes[name].take_items(gap, decoded if self._lanes.one_lane else lanes[name].of_own_devices(decoded))
                continue
            self._lanes.fill(decoded.samples)
            self._to_fill = False

    def _say(self, now: float) -> None:
        if not self._watching and not self._to_fill and self.watching:
            self._watching = True
            log.info("watching")
        watermark = self.watermark
        lag_s = max(0.0, now - watermark) if isfinite(watermark) else None
        reading = self._lanes.reading
        self._progress.say(now, reading, also=[owned for owned in [self._lanes.table] if owned not in reading])
        if self._pulse is not None:
            state = "watching" if self._watching else "recovering"
            fault = self._fault(now)
            if bool(fault) != self._unwell:
                self._unwell = bool(fault)
                log.error("unwell", fault=fault) if fault else log.info("well again")
            self._pulse.write(Pulse(now, state, lag_s, fault))

    def _fault(self, now: float) -> str:
        for owned in self._lanes:
            if owned.trouble is not None and now - owned.trouble[0] > SINK_DOWN_S:
                return f"nothing has been delivered for {now - owned.trouble[0]:.0f} s: {owned.trouble[1]}"
        if self._source.trouble:
            return self._source.trouble
        if self._source.idle_s > READER_STUCK_S:
            return f"a reader has been in one call for {self._source.idle_s:.0f} s"
        if any(owned.lane.lagging for owned in self._lanes.reading):
            return "a lane waits for a shard that cannot be read: try battery-watch doctor"
        return ""
