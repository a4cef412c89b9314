"""Once a minute one line of the log: how far behind the lanes are, and what became of how many records.

In JSON the line is in CloudWatch's embedded metric format: what it counts are metrics without another call or right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import isfinite
from typing import Any, Protocol

import structlog

from consumer.state.ledger import CLASSES
from reporting.contract.health_kinds import HEALTH_COUNTERS, metric_name

EVERY_S = 60.0
NAMESPACE = "BatteryWatch"
COUNTS = (*CLASSES, "messages", "forced", *HEALTH_COUNTERS.values())
LAG, HEARTBEAT, FENCED = "LagSeconds", "Heartbeat", "Fenced"
log = structlog.get_logger(__name__)


class Tallied(Protocol):
    """A lane as far as it is counted: `consumer.worker.owned_lane.OwnedLane`."""

    @property
    def watermark(self) -> float:
        """All before it was processed."""

    def tally(self) -> Counter[str]:
        """What was counted since the last call: records by class, forced releases, messages by type."""


class Progress:
    """``embedded``: write the line as metrics too, with ``table`` and ``namespace`` as their dimensions."""

    def __init__(self, *, table: str = "", namespace: str = "", embedded: bool = False) -> None:
        self._dimensions = {"table": table, "namespace": namespace}
        self._embedded = embedded
        self._at = 0.0

    def say(self, now: float, lanes: Iterable[Tallied], *, also: Iterable[Tallied] = (), fenced: bool = False) -> None:
        """Write the line if it is due, or if the worker was ``fenced``. ``now``: epoch seconds; ``also``: lanes that
        read nothing, and may have told something all the same."""
        if now - self._at < EVERY_S and not fenced:
            return
        self._at = now
        watermark, counted = now, Counter[str]()
        for lane in lanes:
            watermark = min(watermark, lane.watermark)
            counted += lane.tally()
        for lane in also:
            counted += lane.tally()
        lag_s = round(now - watermark, 1) if isfinite(watermark) else None
        counts: dict[str, Any] = {metric_name(name): counted[name] for name in COUNTS}
        counts |= {HEARTBEAT: 1, FENCED: int(fenced)}
        if lag_s is not None:
            counts[LAG] = lag_s
        if not self._embedded:
            shown = {name: count for name, count in counted.items() if count}
            log.info("progress", lag_s=lag_s, **shown)
            return
        metrics = [{"Name": name, "Unit": "Seconds" if name == LAG else "Count"} for name in counts]
        directive = {"Namespace": NAMESPACE, "Dimensions": [list(self._dimensions)], "Metrics": metrics}
        about = {"Timestamp": int(now * 1000), "CloudWatchMetrics": [directive]}
        log.info("progress", _aws=about, **self._dimensions, **counts)


METRICS = (*map(metric_name, COUNTS), HEARTBEAT, FENCED, LAG)
"""The names of all metrics: alarms are made of them."""
