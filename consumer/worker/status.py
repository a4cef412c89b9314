"""How the worker is: one value a turn, which everything that tells of it observes."""

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
"""A call with all its retries ends before."""
State = Literal["standing by", "recovering", "watching"]
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Status:
    """How the worker is at the end of a turn.

    ``at``: when, epoch seconds; ``lag_s``: how far the watermark of the slowest lane is behind that, None before the
    first; ``fault``: why the worker is not well, empty where it is; ``fenced``: another worker owns a lane of it;
    ``counts``: what was counted since the last status: records by class, forced releases, messages, health notices.
    """

    at: float
    state: State
    lag_s: float | None = None
    fault: str = ""
    fenced: bool = False
    counts: Counter[str] = field(default_factory=Counter)


class Observer(Protocol):
    """What is told of every status: liveness file, metrics, log. It must not block the loop for long."""

    def observe(self, status: Status) -> None:
        """A turn has ended, or the worker waits to own its table."""

    def close(self) -> None:
        """The worker has stopped in order."""


class StatusLog:
    """Logs when the worker begins to watch, and when it gets unwell and well again."""

    def __init__(self) -> None:
        self._watching = False
        self._unwell = False

    def observe(self, status: Status) -> None:
        """See `Observer`."""
        if status.state == "watching" and not self._watching:
            self._watching = True
            log.info("watching")
        if bool(status.fault) != self._unwell:
            self._unwell = bool(status.fault)
            log.error("unwell", fault=status.fault) if status.fault else log.info("well again")

    def close(self) -> None:
        """See `Observer`."""


def lag_s(reading: Iterable[OwnedLane], now: float) -> float | None:
    """How far the lane that is furthest behind is behind ``now``, never negative; None before its first record."""
    watermark = min((owned.watermark for owned in reading), default=-float("inf"))
    return max(0.0, now - watermark) if isfinite(watermark) else None


def fault(lanes: Lanes, source: SourceHealth, now: float) -> str:
    """Why the worker is not well, the first reason of several; empty where it is well."""
    for owned in lanes:
        if owned.trouble is not None and now - owned.trouble[0] > SINK_DOWN_S:
            return f"nothing has been delivered for {now - owned.trouble[0]:.0f} s: {owned.trouble[1]}"
    if source.trouble:
        return source.trouble
    if source.idle_s > READER_STUCK_S:
        return f"a reader has been in one call for {source.idle_s:.0f} s"
    if any(owned.lane.lagging for owned in lanes.reading):
        return "a lane waits for a shard that cannot be read: try battery-watch doctor"
    return ""
