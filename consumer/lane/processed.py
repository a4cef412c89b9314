"""How far a lane has processed, and how often records came out of order."""

from __future__ import annotations

from math import inf, isfinite
from typing import Any

import numpy as np

from consumer.state.head import Head
from consumer.stream.records import FUTURE_S
from window.released import Released
from window.samples import Floats, Samples


class Processed:
    """Stamps and times, epoch seconds.

    ``up_to``: this owner has processed all records and timers below this stamp. ``before``: the last owner's watermark.
    ``newest``: the latest scored ``ts`` of a device whose clock is not known to be wrong. ``forced``: how often the
    lane passed by a shard, or got a record below ``up_to``.
    """

    def __init__(self, watermark: float | None = None, newest: float | None = None, forced: int = 0) -> None:
        self.before = -inf if watermark is None else watermark
        self.up_to = self.before
        self.newest = -inf if newest is None else newest
        self.forced = forced
        self._counted = forced

    @classmethod
    def restore(cls, head: Head) -> Processed:
        """At the watermark of the last owner."""
        return cls(head.watermark, head.newest, head.forced)

    def stored(self) -> dict[str, Any]:
        """For the head."""
        return {"newest": self.newest if isfinite(self.newest) else None, "forced": self.forced}

    def advance(self, stamp: float) -> None:
        """All up to ``stamp`` was processed."""
        self.up_to = max(self.up_to, stamp)

    def restart(self) -> None:
        """Records are re-read: time and class them from the beginning, as the first time."""
        self.up_to = -inf

    def times(self, run: Released) -> Floats:
        """The stamp at which each record shows that its device is alive, shape (n,). It is the record's own time, not
        its shard's. A record that comes late, after a forced release (rule 7), shows that its device is alive now."""
        return np.where(run.stamp < self.up_to, self.up_to, run.samples.created)

    def count_out_of_order(self, run: Released, *, reread: bool) -> None:
        """Count records below what was processed: a shard counted as idle and was not (rule 7). Of re-read records
        (``reread``), only those below what this owner has processed: the others are expected."""
        reached = self.up_to if reread else max(self.up_to, self.before)
        self.forced += int((run.stamp < reached).sum())

    def scored(self, samples: Samples) -> None:
        """Keep the newest ``ts`` of scored samples. A sample from the future does not count: its clock is wrong."""
        on_time = samples.ts <= samples.created + FUTURE_S
        self.newest = float(np.max(samples.ts, where=on_time, initial=self.newest))

    def newly_forced(self) -> int:
        """The increase of ``forced`` since the last call."""
        count, self._counted = self.forced - self._counted, self.forced
        return count
