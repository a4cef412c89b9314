"""The state of the worker: one value each turn. Liveness file, metrics and log observe it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal, Protocol

import structlog

from consumer.stream.source import SourceHealth
from consumer.worker.lanes import Lanes
from consumer.worker.owned_lane import OwnedLane

SINK_DOWN_S = 30.0
READER_STUCK_S = 100.0
"""A call with all its retries ends earlier."""
State = Literal["waiting", "standing by", "recovering", "watching"]
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the worker at the end of a turn.

    ``at``: when, epoch seconds; ``lag_s``: how far the watermark of the slowest lane is behind that, None before the
    first record; ``fault``: why the worker should be started again: a reader is dead or hangs; ``unwell``: what else is
    wrong, say a sink that is down: a restart would not mend it (rule 34); both are empty if all is well; ``fenced``:
    another worker owns one of its lanes; ``counts``: since the last status, records by class, forced releases,
    messages, health notices.
    """

    at: float
    state: State
    lag_s: float | None = None
    fault: str = ""
    unwell: str = ""
    fenced: bool = False
    counts: Counter[str] = field(default_factory=Counter)


class Observer(Protocol):
    """Gets every status: liveness file, metrics, log. It runs in the loop, so it must not block for long."""

    def observe(self, status: Status) -> None:
        """A turn has ended, or the worker waits to own its table."""

    def close(self) -> None:
        """The worker has stopped in order."""


class StatusLog:
    """Logs when the worker begins to watch, and when it becomes unwell and is well again."""

    def __init__(self) -> None:
        self._watching = False
        self._unwell = False

    def observe(self, status: Status) -> None:
        """See `Observer`."""
        if status.state == "watching" and not self._watching:
            self._watching = True
            log.info("watching")
        wrong = status.fault or status.unwell
        if bool(wrong) != self._unwell:
            self._unwell = bool(wrong)
            log.error("unwell", fault=wrong) if wrong else log.info("well again")

    def close(self) -> None:
        """See `Observer`."""


def lag_s(reading: Iterable[OwnedLane], now: float) -> float | None:
    """How far the slowest lane is behind ``now``, never negative; None before its first record."""
    watermark = min((owned.watermark for owned in reading), default=-float("inf"))
    return max(0.0, now - watermark) if isfinite(watermark) else None


def fault(source: SourceHealth) -> str:
    """Why the worker should be started again; empty if it need not be."""
    if not source.alive:
        return "a reader has died"
    if source.idle_s > READER_STUCK_S:
        return f"a reader has been in one call for {source.idle_s:.0f} s"
    return ""


def unwell(lanes: Lanes, source: SourceHealth, now: float) -> str:
    """What is wrong and no restart would mend, the first of several reasons; empty if nothing is (rule 34)."""
    for owned in lanes:
        if owned.trouble is not None and now - owned.trouble[0] > SINK_DOWN_S:
            return f"commits have been failing for {now - owned.trouble[0]:.0f} s: {owned.trouble[1]}"
    if source.trouble:
        return source.trouble
    if any(owned.lane.lagging for owned in lanes.reading):
        return "a shard cannot be read, and a lane waits for it. Run battery-watch doctor"
    return ""
