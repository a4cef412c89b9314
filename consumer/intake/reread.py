"""Records that were committed before a restart and are re-read, for the windows alone (rules 1 and 11)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from consumer.intake.progress import Progress
from consumer.state.head import ShardPosition
from consumer.stream.records import MOST_TIES, backfill_sequence
from window.released import Released, Sequences
from window.samples import Names


class Reread:
    """By shard, the records that were committed before the restart: up to a position, and some of those behind it.

    The position decides what is re-read, never the values: a device may send equal samples twice. A shard is done when
    all of them were re-read, or when it cannot be read any more. ``head``: the positions of the last commit; ``begin``:
    where reading begins.
    """

    def __init__(self, head: Mapping[str, ShardPosition], begin: Mapping[str, ShardPosition], shards: Names) -> None:
        self._shards = shards
        self._until = {shard: int(at.sequence) for shard, at in head.items() if at.sequence is not None}
        self._behind = {
            shard: Progress(at) for shard, at in head.items() if at.after and not _same(at, begin.get(shard))
        }
        self._waiting: dict[str, set[str]] = {shard: set() for shard in self._behind}
        self._finish(begin)

    def __bool__(self) -> bool:
        """True while a shard is not done."""
        return bool(self._until or self._behind)

    @property
    def shards(self) -> set[str]:
        """The shards that are not done."""
        return {*self._until, *self._behind}

    def deliver(self, shard: str, sequence: Sequences, known: NDArray[np.bool_]) -> None:
        """These records of a shard were delivered. The ``known`` ones, shape (n,), are in the windows already."""
        behind = self._behind.get(shard)
        if behind is None:
            return
        until = self._until.get(shard, -1)
        rest = np.array([int(each) > until for each in sequence], bool)
        committed = behind.expect(sequence[rest])
        behind.deliver(sequence[rest], np.zeros(len(committed)), committed)
        self._waiting[shard].update(sequence[rest][committed & ~known[rest]])
        self._finish({})

    def rows(self, records: Released) -> NDArray[np.bool_]:
        """Which of the records were committed before the restart, shape (n,)."""
        if not self:
            return np.zeros(len(records), bool)
        rows = []
        for code, sequence in zip(records.samples.shard, records.sequence, strict=True):
            shard = self._shards[int(code)]
            rows.append(int(sequence) <= self._until.get(shard, -1) or sequence in self._waiting.get(shard, ()))
        return np.array(rows)

    def advance(self, positions: Mapping[str, ShardPosition], run: Released) -> None:
        """These records were processed; the shards are at these positions now."""
        if not self:
            return
        for code, sequence in zip(run.samples.shard, run.sequence, strict=True):
            self._waiting.get(self._shards[int(code)], set()).discard(sequence)
        self._finish(positions)

    def extend(self, gap: str, stamp: float) -> None:
        """The backfill of a gap re-reads, up to this stamp (epoch seconds), what was committed from the stream."""
        self._until[gap] = max(self._until.get(gap, 0), backfill_sequence(stamp, MOST_TIES - 1))

    def drop(self, shards: Iterable[str]) -> None:
        """These shards cannot be re-read up to the head's positions."""
        for shard in shards:
            self._until.pop(shard, None)
            self._behind.pop(shard, None)
            self._waiting.pop(shard, None)

    def _finish(self, positions: Mapping[str, ShardPosition]) -> None:
        for shard in [*self._until]:
            at = positions.get(shard)
            if at is not None and at.sequence is not None and int(at.sequence) >= self._until[shard]:
                del self._until[shard]
        for shard in [*self._behind]:
            if shard not in self._until and not self._waiting[shard] and self._behind[shard].told:
                del self._behind[shard], self._waiting[shard]


def _same(head: ShardPosition, begin: ShardPosition | None) -> bool:
    """Do the windows have exactly what the head has of a shard?"""
    return begin is not None and (head.sequence, head.after) == (begin.sequence, begin.after)
