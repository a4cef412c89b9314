"""Records that were committed before a restart and are re-read, for the windows alone (rules 1 and 11)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from consumer.state.head import ShardPosition
from consumer.stream.records import MOST_TIES, backfill_sequence
from window.merge import Released
from window.samples import Names


class Reread:
    """By shard, the sequence number up to which all records were committed before the restart.

    The position decides what is re-read, never the values: a device may send equal samples twice. A shard is done when
    it was re-read up to that number, or cannot be read any more.
    """

    def __init__(self, head: Mapping[str, ShardPosition], begin: Mapping[str, ShardPosition], shards: Names) -> None:
        self._shards = shards
        self._until = {shard: int(at.sequence) for shard, at in head.items() if at.sequence is not None}
        self.advance(begin)

    def __bool__(self) -> bool:
        """True while a shard is not done."""
        return bool(self._until)

    @property
    def shards(self) -> set[str]:
        """The shards that are not done."""
        return set(self._until)

    def rows(self, records: Released) -> NDArray[np.bool_]:
        """Which of the records were committed before the restart, shape (n,)."""
        if not self._until:
            return np.zeros(len(records), bool)
        until = [self._until.get(self._shards[int(code)], -1) for code in records.samples.shard]
        return np.array([int(s) <= last for s, last in zip(records.sequence, until, strict=True)])

    def advance(self, positions: Mapping[str, ShardPosition]) -> None:
        """Records were processed up to these positions."""
        for shard in [*self._until]:
            at = positions.get(shard)
            if at is not None and at.sequence is not None and int(at.sequence) >= self._until[shard]:
                del self._until[shard]

    def extend(self, gap: str, stamp: float) -> None:
        """The backfill of a gap re-reads, up to this stamp (epoch seconds), what was committed from the stream."""
        self._until[gap] = max(self._until.get(gap, 0), backfill_sequence(stamp, MOST_TIES - 1))

    def narrow(self, gap: str, sequences: Iterable[str]) -> None:
        """All that can still be re-read of a gap has these numbers. Without this it would seem to be re-read until its
        first newer record, and timers in between would run on health that is not the head's."""
        if gap in self._until:
            last = max((int(number) for number in sequences if int(number) <= self._until[gap]), default=None)
            if last is None:
                del self._until[gap]
            else:
                self._until[gap] = last

    def drop(self, shards: Iterable[str]) -> None:
        """These shards cannot be re-read up to the head's positions."""
        for shard in shards:
            self._until.pop(shard, None)
