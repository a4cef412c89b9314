"""How far a shard is processed: all records up to one, and some of those behind it.

Records of a shard leave the merge in the order of their second and ``ts``, not in that of their sequence (rule 23). So
a position alone does not say which records are processed. The ones behind it are told by their place: every source
delivers each record once and in order, so the third record behind a position is always the same one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from consumer.state.head import ShardPosition
from window.released import Sequences
from window.samples import Floats

DONE, WAITS = "d", "w"
COMPACT = 4096
"""So many processed records are kept at most in front of the first one that waits."""
_RUN = re.compile(r"([dw])(\d+)")


class Progress:
    """The records of one shard that were delivered, and which of them are processed.

    It begins at a stored position. ``sequence`` and ``stamp`` are those of the last record before the first one that
    waits.
    """

    def __init__(self, at: ShardPosition) -> None:
        self.sequence = at.sequence
        self.stamp = at.stamp
        self._begins, self._expected = _parsed(at.after)
        self._sequences: list[str] = []
        self._stamps: list[float] = []
        self._done = bytearray()
        self._first = 0
        self._place: dict[str, int] = {}

    def expect(self, sequence: Sequences) -> NDArray[np.bool_]:
        """Which of the next records that the source delivers were processed before this reading began, shape (n,).
        Changes nothing."""
        known = np.zeros(len(sequence), bool)
        start, rows = self._told(sequence)
        known[start : start + rows] = self._expected[:rows]
        return known

    def deliver(self, sequence: Sequences, stamp: Floats, known: NDArray[np.bool_]) -> None:
        """These records were delivered; the ``known`` ones are processed."""
        _, rows = self._told(sequence)
        if rows:
            self._begins, self._expected = None, self._expected[rows:]
        base = len(self._sequences)
        self._place.update(zip(sequence, range(base, base + len(sequence)), strict=True))
        self._sequences += sequence.tolist()
        self._stamps += stamp.tolist()
        self._done += known.astype(np.uint8).tobytes()
        self._advance()

    def process(self, sequence: Iterable[str]) -> None:
        """These records were processed. One that was delivered before this reading began moves nothing."""
        place, done = self._place, self._done
        for each in sequence:
            if (row := place.get(each)) is not None:
                done[row] = 1
        self._advance()

    @property
    def after(self) -> str:
        """The records behind ``sequence``, as runs: `ShardPosition.after`."""
        told = bytes(self._expected)
        if self._first == len(self._sequences):
            return _text(self._begins, told)
        return _text(self._sequences[self._first], bytes(self._done[self._first :]) + told)

    @property
    def all_processed(self) -> bool:
        """True if nothing that was delivered, or is to be delivered again, waits."""
        return self._first == len(self._sequences) and self.told

    @property
    def told(self) -> bool:
        """True once the source has delivered all records that the stored position tells of."""
        return not self._expected

    def position(self, at: ShardPosition) -> ShardPosition:
        """``at`` brought up to this progress."""
        return at.model_copy(update={"sequence": self.sequence, "stamp": self.stamp, "after": self.after})

    def _advance(self) -> None:
        """Move past the leading records that are processed."""
        done = self._done
        waits = done.find(0, self._first)
        first = len(done) if waits < 0 else waits
        if first == self._first:
            return
        self.sequence, self.stamp = self._sequences[first - 1], self._stamps[first - 1]
        self._first = first
        if first == len(done) or first >= COMPACT:
            self._sequences, self._stamps, self._done = self._sequences[first:], self._stamps[first:], done[first:]
            self._place = {each: row for row, each in enumerate(self._sequences)}
            self._first = 0

    def _told(self, sequence: Sequences) -> tuple[int, int]:
        """The first row of which the stored position tells something, and of how many."""
        if not self._expected:
            return 0, 0
        start = 0
        if self._begins is not None:
            first = int(self._begins)
            start = next((row for row, each in enumerate(sequence) if int(each) >= first), len(sequence))
        return start, min(len(sequence) - start, len(self._expected))


class Positions:
    """The positions of a lane's shards and gaps (``at``), and their progress while they are read."""

    def __init__(self, at: dict[str, ShardPosition]) -> None:
        self.at = at
        self._progress: dict[str, Progress] = {}

    @property
    def reached(self) -> dict[str, ShardPosition]:
        """The positions with the records behind them that are processed: for head and windows."""
        return {
            shard: self._progress[shard].position(at) if shard in self._progress else at.model_copy()
            for shard, at in self.at.items()
        }

    def begin(self, shard: str, since: float | None = None) -> None:
        """Reading of a shard begins, at its position if it has one."""
        at = self.at.setdefault(shard, ShardPosition(since=since))
        self._progress.setdefault(shard, Progress(at))

    def behind(self, shard: str, sequence: Sequences) -> NDArray[np.bool_]:
        """Which of these records lie behind the position of a shard, shape (n,). A source may begin before it."""
        reached = self.at[shard].sequence
        return np.array([reached is None or int(each) > int(reached) for each in sequence], bool)

    def expect(self, shard: str, sequence: Sequences) -> NDArray[np.bool_]:
        """See `Progress.expect`."""
        return self._progress[shard].expect(sequence)

    def deliver(self, shard: str, sequence: Sequences, stamp: Floats, known: NDArray[np.bool_]) -> None:
        """See `Progress.deliver`."""
        self._progress[shard].deliver(sequence, stamp, known)
        self._move(shard)

    def process(self, shard: str, sequence: Sequences) -> None:
        """See `Progress.process`."""
        self._progress[shard].process(sequence)
        self._move(shard)

    def prove(self, shard: str, until: float) -> None:
        """A shard is proven idle up to this time of the service. The proof counts for a successor only if nothing that
        was delivered before it waits: the successor begins before that."""
        progress = self._progress.get(shard)
        if progress is not None and progress.all_processed and isfinite(until):
            self.at[shard].idle = until

    def stop(self, shard: str) -> None:
        """The shard is not read any more, or is read again from its position: what waits is void."""
        if shard in self._progress:
            self.at[shard] = self._progress.pop(shard).position(self.at[shard])

    def trimmed(self, shard: str) -> None:
        """Reading goes on at a position that was set. What was delivered before lies behind it."""
        if shard in self._progress:
            self._progress[shard] = Progress(self.at[shard])

    def _move(self, shard: str) -> None:
        progress, at = self._progress[shard], self.at[shard]
        at.sequence, at.stamp = progress.sequence, progress.stamp


def _text(begins: str | None, done: bytes) -> str:
    """As stored. What waits at the end needs no word."""
    last = done.rfind(1) + 1
    runs = []
    at = 0
    while at < last:
        end = done.find(1 - done[at], at)
        end = last if end < 0 else min(end, last)
        runs.append(f"{DONE if done[at] else WAITS}{end - at}")
        at = end
    if not runs:
        return ""
    text = " ".join(runs)
    return text if begins is None else f"{begins}: {text}"


def _parsed(after: str) -> tuple[str | None, list[bool]]:
    """The first record that a stored position tells of, and for each from there on whether it is processed."""
    begins, _, runs = after.rpartition(": ")
    done = [kind == DONE for kind, count in _RUN.findall(runs) for _ in range(int(count))]
    return begins or None, done
