"""Lost records of shards, and how the table fills them: each gap is one more lineage of the merge (rule 19)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import isfinite

from consumer.intake.gaps import STREAM_KEEPS_S, Gaps
from consumer.intake.reread import Reread
from consumer.state.head import Gap, ShardPosition
from reporting.health.notice import Notice
from window.merge import Merge
from window.rolling import RETAINED_S

Positions = dict[str, ShardPosition]


class Losses:
    """Declares gaps, opens them as lineages, and forgets them once windows with their samples are stored.

    It works on the state that the shards of a lane share: ``merge``, ``positions``, ``gaps`` and ``reread``.
    ``before``: the positions in the head that the lane began with.
    """

    def __init__(
        self, merge: Merge, positions: Positions, gaps: Gaps, reread: Reread, before: Mapping[str, ShardPosition]
    ) -> None:
        self._merge = merge
        self._positions = positions
        self._gaps = gaps
        self._reread = reread
        self._before = before
        self._in_windows: list[str] = []
        self.rebased = False
        """True if a position has moved to the horizon since the windows were stored. The next commit must store them:
        a restart goes by their positions, and would declare the same gap again."""

    def resume(self, closed: Collection[str]) -> None:
        """Continue with the gaps of the head. The ``closed`` ones that need no re-reading are in the windows."""
        self._forget(set(closed).difference(self._reread.shards))
        for gap in self._gaps.open:
            self._open(gap)

    def declare(self, since: float, reason: str, now: float, shard: str | None, known_to: float | None) -> Gap:
        """Records after ``since`` (a stamp, epoch seconds) cannot be read from the stream. The last owner had committed
        all up to ``known_to``: that part is read for the windows alone."""
        gap = self._gaps.declare(since, reason, now, shard, known_to=known_to)
        self._open(gap)
        if known_to is not None:
            self._reread.extend(gap.name, known_to)
        return gap

    def check_horizon(self, shard: str, now: float) -> list[Notice]:
        """Has a shard that is read from the horizon lost records? The stream reports a trimmed record only to a reader
        that begins after a sequence number, so this compares times. It concerns shards that were read before the
        restart, or that had lost records."""
        at, before = self._positions[shard], self._before.get(shard)
        since = at.stamp
        if since is None and before is not None and before.stamp is not None:
            since = before.stamp - RETAINED_S  # the stored windows do not have the samples since then
        if at.sequence is not None or since is None or at.ended or self._gaps.waits_for(shard):
            return []
        read_to = max(before.stamp if before and before.stamp is not None else since, since, self._gaps.reached)
        if now - read_to <= STREAM_KEEPS_S:
            return []
        return self._miss(shard, since, "trimmed: the stream keeps 24 h", now)

    def trimmed(self, shard: str, reason: str, now: float) -> list[Notice]:
        """Records of a shard are gone, and reading continues at the horizon. The position moves there too, or a restart
        would declare the same gap again. What was delivered is processed all the same."""
        since = self._read_to(shard)
        notices = self._miss(shard, since, reason, now) if isfinite(since) else []
        if shard in self._positions:
            self.rebased = True
            self._positions[shard] = ShardPosition(stamp=since if isfinite(since) else None)
        return notices

    def gone(self, shard: str, reason: str, now: float) -> list[Notice]:
        """The stream does not have a shard any more. Its unread records are missing, unless the last owner had read
        them all."""
        before, since = self._before.get(shard), self._read_to(shard)
        if (before is not None and before.ended) or not isfinite(since):
            return []
        return self._miss(shard, since, reason, now)

    def resumed(self, lineage: list[str], *, orphan: bool, created: float) -> list[Notice]:
        """A shard that lost records, or a descendant of it, delivers again. ``created``: when the first of these
        records was written."""
        return [notice for _, notice in self._gaps.resumed(lineage, orphan=orphan, created=created)]

    def overdue(self, now: float) -> list[Notice]:
        """End the gaps that have waited long enough for the stream to resume."""
        if not self._gaps.overdue(now):
            return []
        self._reread.drop(self._gaps.awaited)  # they delivered nothing that could be re-read
        return [notice for _, notice in self._gaps.end_all(now)]

    def next_commit(self, *, windows: bool) -> None:
        """The last commit is durable, and the next one is cut, with windows or without. Closed gaps are forgotten one
        commit after the windows with their samples: until that commit is durable, a restart may need them."""
        self._forget(self._in_windows)
        self._in_windows = self._gaps.closed if windows else []
        self.rebased = self.rebased and not windows

    def _read_to(self, shard: str) -> float:
        position, since = self._positions.get(shard), self._merge.last(shard)
        return since if position is None or position.stamp is None else max(since, position.stamp)

    def _miss(self, shard: str, since: float, reason: str, now: float) -> list[Notice]:
        """Declare what a shard has lost. The part that was committed before the restart is read for the windows alone,
        as if it were re-read from the stream."""
        before = self._before.get(shard)
        known_to = before.stamp if before is not None and shard in self._reread.shards else None
        gap = self.declare(max(since, self._gaps.reached), reason, now, shard, known_to)
        if known_to is not None and before is not None and before.ended:
            return [notice for _, notice in self._gaps.end_shard(gap.name, shard, known_to)]
        return []

    def _open(self, gap: Gap) -> None:
        at = self._positions.setdefault(gap.name, ShardPosition(stamp=gap.since))
        self._merge.open(gap.name, after=gap.since if at.stamp is None else at.stamp, backfill=True)

    def _forget(self, names: Collection[str]) -> None:
        self._gaps.forget(names)
        for name in names:
            self._positions.pop(name, None)
