"""Writes one line to the log every minute: the lag of the lanes, and the counts of records by class.

In JSON the line has CloudWatch's embedded metric format: the counts become metrics without another call or permission.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import structlog

from consumer.state.classes import CLASSES
from consumer.worker.status import Status
from reporting.contract.health_kinds import HEALTH_COUNTERS, metric_name

EVERY_S = 60.0
NAMESPACE = "BatteryWatch"
COUNTS = (*CLASSES, "messages", "undelivered", "forced", *HEALTH_COUNTERS.values())
LAG, HEARTBEAT, FENCED, UNWELL = "LagSeconds", "Heartbeat", "Fenced", "Unwell"
log = structlog.get_logger(__name__)


class Metrics:
    """Writes the line once a minute. ``embedded``: as metrics too, with ``table`` and ``namespace`` as dimensions."""

    def __init__(self, *, table: str = "", namespace: str = "", embedded: bool = False) -> None:
        self._dimensions = {"table": table, "namespace": namespace}
        self._embedded = embedded
        self._counted = Counter[str]()
        self._unwell = False
        self._at = 0.0

    def observe(self, status: Status) -> None:
        """See `consumer.worker.status.Observer`. A fenced worker stops, so it writes its line at once."""
        self._counted += status.counts
        self._unwell = self._unwell or bool(status.fault or status.unwell)
        if status.at - self._at < EVERY_S and not status.fenced:
            return
        self._at = status.at
        counted, self._counted = self._counted, Counter()
        lag_s = None if status.lag_s is None else round(status.lag_s, 1)
        counts: dict[str, Any] = {metric_name(name): counted[name] for name in COUNTS}
        counts |= {HEARTBEAT: 1, FENCED: int(status.fenced), UNWELL: int(self._unwell)}
        self._unwell = False
        if lag_s is not None:
            counts[LAG] = lag_s
        if not self._embedded:
            shown = {name: count for name, count in counted.items() if count}
            log.info("progress", lag_s=lag_s, **shown)
            return
        metrics = [{"Name": name, "Unit": "Seconds" if name == LAG else "Count"} for name in counts]
        directive = {"Namespace": NAMESPACE, "Dimensions": [list(self._dimensions)], "Metrics": metrics}
        about = {"Timestamp": int(status.at * 1000), "CloudWatchMetrics": [directive]}
        log.info("progress", _aws=about, **self._dimensions, **counts)

    def close(self) -> None:
        """See `consumer.worker.status.Observer`."""


METRICS = (*map(metric_name, COUNTS), HEARTBEAT, FENCED, UNWELL, LAG)
"""The names of all metrics. Alarms and the dashboard use them; a test compares."""
