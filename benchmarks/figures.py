"""What is measured: every figure by its name, its unit, and what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FIGURES: dict[str, str] = {
    "samples_per_s_1dev": "samples a second of one core, 1 device: GetRecords answer to commit",
    "samples_per_s_100dev": "the same with 100 devices",
    "samples_per_s_1000dev": "the same with 1,000 devices",
    "ratio_naive": "1 device, times faster than the old way: pandas, keras and sklearn for each sample",
    "ratio_river_hst": "1 device, times as fast as river's HalfSpaceTrees on decoded rows",
    "ratio_krcf": "1 device, times as fast as a random cut forest (krcf) on decoded rows",
    "batch1_us_p50": "one sample alone, answer to commit, microseconds: median",
    "batch1_us_p99": "the same, 99th percentile",
    "put_to_message_ms_p50": "PutItem to received message, 1 shard at 1 Hz, embedded AWS: median",
    "put_to_message_ms_p99": "the same, 99th percentile",
    "put_to_message_4shards_s_p50": "the same with 4 shards in virtual time, seconds: median",
    "stall_ms_1000dev": "longest turn of the lane's thread, 1,000 devices, 1 % anomalies",
    "backlog_turn_cpu_ms": "longest turn over 20,000 buffered records of 1,000 devices, processor time, ms",
    "backlog_turn_ms": "the same by the clock",
    "backlog_stop_s": "SIGTERM in the middle of that to the exit code, seconds",
    "late_upload_4shards_ratio": "6,000 late samples, processor time through 4 shards over that through one",
    "late_upload_4writers_ratio": "the same where four write at a time",
    "gc_pause_ms": "longest garbage collection in that run",
    "peak_mb_1dev": "memory of all the worker's processes at its peak, 1 device, MB",
    "peak_mb_1000dev": "the same with 1,000 devices",
    "start_s": "first start on one shard, exec to watching, seconds",
    "start_cpu_s": "the same in processor time",
    "restart_1000dev_cpu_s": "processor time of a restart with 1,000 full windows",
    "idle_core_share": "share of a core at 1 Hz without an anomaly",
    "live_1000dev_core_share": "share of a core with 1,000 devices at 1 Hz, 1 % anomalies",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure. ``value`` None: it could not be measured here. ``note``: what must be known to read it."""

    value: float | None
    note: str = ""


Found = Mapping[str, Measured]
"""By name."""


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least ``share`` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
