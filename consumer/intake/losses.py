"""What shards have lost, and how the table fills it: each gap is one more lineage of the merge (rule 19)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import isfinite

import numpy as np

from consumer.intake.gaps import STREAM_KEEPS_S, Gaps
from consumer.intake.reread import Reread
from consumer.state.head import Gap, ShardPosition
from consumer.stream.records import Decoded
from reporting.health.notice import Notice
from window.merge import Merge
from window.rolling import RETAINED_S

Positions = dict[str, ShardPosition]


class Losses:
    """Declares gaps, opens them as lineages, and closes them once the windows that have them are stored.

    It works on what the shards of a lane have in common: their ``merge``, ``positions``, ``gaps`` and what is to be
    ``reread``. ``before``: the positions in the head that the lane began with.
    """

    def __init__(
        self, merge: Merge, positions: Positions, gaps: Gaps, reread: Reread, before: Mapping[str, ShardPosition]
    ) -> None:
        self._merge = merge
        self._positions = positions
        self._gaps = gaps
        self._reread = reread
        self._before = before
        self._leaving: list[str] = []
        self.rebased = False
        """True when a position has moved to the horizon and the windows stored have it before: they are to be stored
        soon, or a restart would miss the same once more."""

    def resume(self, closed: Collection[str]) -> None:
        """Go on with the gaps of the head; the ``closed`` ones are in the windows."""
        self._forget(set(closed).difference(self._reread.shards))
        for gap in self._gaps.open:
            self._open(gap)

    def declare(self, since: float, reason: str, now: float, shard: str | None, known_to: float | None) -> Gap:
        """Records after ``since`` (a stamp, epoch seconds) cannot be read from the stream. Up to ``known_to`` the last
        owner had committed all: that part is read for the windows alone."""
        gap = self._gaps.declare(since, reason, now, shard, known_to=known_to)
        self._open(gap)
        if known_to is not None:
            self._reread.extend(gap.name, known_to)
        return gap

    def look_behind(self, shard: str, now: float) -> list[Notice]:
        """A shard that is read from the horizon on, and was read further before a restart or had lost something, may
        have lost more by now: without a sequence number to begin after, the stream does not say so."""
        at, before = self._positions[shard], self._before.get(shard)
        since = at.stamp
        if since is None and before is not None and before.stamp is not None:
            since = before.stamp - RETAINED_S  # what the windows stored do not have
        if at.sequence is not None or since is None or at.ended or self._gaps.waits_for(shard):
            return []
        read_to = max(before.stamp if before and before.stamp is not None else since, since, self._gaps.reached)
        if now - read_to <= STREAM_KEEPS_S:
            return []
        return self._miss(shard, since, "trimmed: the stream keeps 24 h", now)

    def trimmed(self, shard: str, reason: str, now: float) -> list[Notice]:
        """Records of a shard are gone, and reading goes on at the horizon: after a restart too, or the same would be
        missing once more. What was delivered is processed all the same."""
        since = self._read_to(shard)
        notices = self._miss(shard, since, reason, now) if isfinite(since) else []
        if shard in self._positions:
            self.rebased = True
            self._positions[shard] = ShardPosition(stamp=since if isfinite(since) else None)
        return notices

    def gone(self, shard: str, reason: str, now: float) -> list[Notice]:
        """The stream has a shard no more: what was not read of it is missing, unless the last owner had read it all."""
        before, since = self._before.get(shard), self._read_to(shard)
        if (before is not None and before.ended) or not isfinite(since):
            return []
        return self._miss(shard, since, reason, now)

    def goes_on(self, lineage: list[str], *, orphan: bool, created: float) -> list[Notice]:
        """A shard that lost something, or one that came after it, has records again, the first written at
        ``created``."""
        return [notice for _, notice in self._gaps.goes_on(lineage, orphan=orphan, created=created)]

    def overdue(self, now: float) -> list[Notice]:
        """Gaps that have waited long enough for the stream to go on end now."""
        if not self._gaps.overdue(now):
            return []
        self._reread.drop(self._gaps.awaited)  # they have nothing that could be read again
        return [notice for _, notice in self._gaps.resolve(now)]

    def take_items(self, gap: Gap, decoded: Decoded) -> None:
        """Take in all that the table has of a gap, in order of time, but for what was processed before a restart."""
        reached = self._positions[gap.name].sequence
        rest = np.array([reached is None or int(sequence) > int(reached) for sequence in decoded.sequence], bool)
        if rest.any():
            self._merge.push(gap.name, decoded.samples.take(rest), decoded.sequence[rest], full=False)
        self._merge.end(gap.name)

    def next_commit(self, *, windows: bool) -> None:
        """The last commit is durable, and the next is cut, with the windows or without: gaps that the windows stored
        last have are done with."""
        self._forget(self._leaving)
        self._leaving = self._gaps.closed if windows else []
        self.rebased = self.rebased and not windows

    def _read_to(self, shard: str) -> float:
        position, since = self._positions.get(shard), self._merge.last(shard)
        return since if position is None or position.stamp is None else max(since, position.stamp)

    def _miss(self, shard: str, since: float, reason: str, now: float) -> list[Notice]:
        """Declare what a shard has lost. What the head stands for is read for the windows alone, as it is where it is
        read again from the stream."""
        before = self._before.get(shard)
        known_to = before.stamp if before is not None and shard in self._reread.shards else None
        gap = self.declare(max(since, self._gaps.reached), reason, now, shard, known_to)
        if known_to is not None and before is not None and before.ended:
            return [notice for _, notice in self._gaps.over(gap.name, shard, known_to)]
        return []

    def _open(self, gap: Gap) -> None:
        at = self._positions.setdefault(gap.name, ShardPosition(stamp=gap.since))
        self._merge.open(gap.name, after=gap.since if at.stamp is None else at.stamp)

    def _forget(self, names: Collection[str]) -> None:
        self._gaps.forget(names)
        for name in names:
            self._positions.pop(name, None)
