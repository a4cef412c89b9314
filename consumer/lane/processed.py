"""How far a lane has processed, and how often it had to guess."""

from __future__ import annotations

from math import inf, isfinite
from typing import Any

import numpy as np

from consumer.state.head import Head
from consumer.stream.records import FUTURE_S
from window.merge import Released, own_stamps
from window.samples import Floats, Samples


class Processed:
    """Stamps and times, epoch seconds.

    ``up_to``: records and timers below this stamp were processed by this owner. ``before``: the last owner's watermark.
    ``newest``: the latest ``ts`` scored of a device whose clock is not known to be wrong. ``forced``: how often the
    lane went on without a shard, or met a record below ``up_to``.
    """

    def __init__(self, watermark: float | None = None, newest: float | None = None, forced: int = 0) -> None:
        self.before = -inf if watermark is None else watermark
        self.up_to = self.before
        self.newest = -inf if newest is None else newest
        self.forced = forced
        self._counted = forced

    @classmethod
    def restore(cls, head: Head) -> Processed:
        """Where the last owner stood."""
        return cls(head.watermark, head.newest, head.forced)

    def stored(self) -> dict[str, Any]:
        """For the head."""
        return {"newest": self.newest if isfinite(self.newest) else None, "forced": self.forced}

    def advance(self, stamp: float) -> None:
        """All up to ``stamp`` was processed."""
        self.up_to = max(self.up_to, stamp)

    def restart(self) -> None:
        """What is read again is timed and classed as it was the first time: from the beginning."""
        self.up_to = -inf

    def times(self, run: Released) -> Floats:
        """When each record shows its device to be alive, shape (n,). Health goes by a record's own time, not by what
        else its shard holds. A record that comes below what was processed, after a guess (rule 7), shows that its
        device is alive now."""
        return np.where(run.stamp < self.up_to, self.up_to, own_stamps(run.samples))

    def count_broken_promises(self, run: Released, *, reread: bool) -> None:
        """Count records that came below what was processed: a shard was taken for idle and was not (rule 7). Among
        records that are read again (``reread``), those below what this owner has processed."""
        reached = self.up_to if reread else max(self.up_to, self.before)
        self.forced += int((run.stamp < reached).sum())

    def scored(self, samples: Samples) -> None:
        """Take the newest ``ts`` of samples that were scored. A sample from the future is not on time."""
        on_time = samples.ts <= samples.created + FUTURE_S
        self.newest = float(np.max(samples.ts, where=on_time, initial=self.newest))

    def newly_forced(self) -> int:
        """How often since the last call."""
        count, self._counted = self.forced - self._counted, self.forced
        return count
