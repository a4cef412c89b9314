"""Stops waiting for a shard that has not answered for too long, if rule 7 allows it."""

from __future__ import annotations

import structlog

from consumer.lane.parts import Parts

log = structlog.get_logger(__name__)


def pass_by(parts: Parts, now: float) -> None:
    """Nothing is left to process: pass by the shards that hold the merge if that is allowed, and report a lag. A merge
    without a shard, as in the table's lane of a table keyed by device, waits for none. ``now``: epoch seconds."""
    merge = parts.shards.merge
    if not merge.shards:
        return
    may = parts.stall.may_release(merge.watermark, merge.furthest, now, proving=merge.proving)
    if may and (passed := merge.pass_by()):
        parts.processed.forced += 1
        log.warning("forced release", shards=passed, watermark=merge.watermark)
    parts.outbox.notify(parts.stall.notices(now, parts.processed.before), now=now)
