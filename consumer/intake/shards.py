"""The shards of a lane: what they deliver, where they hold, how far they were processed, what they have lost."""

from __future__ import annotations

from math import inf, isfinite
from typing import Any

import numpy as np
import structlog

from consumer.intake.credit import Credit
from consumer.intake.epochs import Epochs
from consumer.intake.gaps import Gaps
from consumer.intake.graph import ShardGraph
from consumer.intake.losses import Losses
from consumer.intake.reread import Reread
from consumer.state.head import Gap as TableGap
from consumer.state.head import Head, ShardPosition, is_backfill
from consumer.state.snapshot import Snapshot, beginning
from consumer.stream.records import Decoded
from consumer.stream.source import (
    Event,
    Failed,
    Gap,
    ShardBatch,
    ShardEnded,
    ShardGone,
    ShardLost,
    ShardOpened,
    Topology,
)
from reporting.health.notice import Notice
from window.merge import IDLE_SLACK_S, Merge, Released
from window.samples import Names, Samples

FORGET_S = 30 * 3600.0
"""A stream keeps 24 h: after this a listing that lacks an ended shard proves that it is gone."""
log = structlog.get_logger(__name__)


class Shards:
    """Takes what a source delivers into the merge, and keeps the positions.

    ``names``: the table of shard codes that the decoder fills. A gap is a lineage of its own among the shards.
    ``before``: the positions in the head that the lane began with; ``positions``: where it begins to read.
    """

    def __init__(
        self,
        names: Names,
        before: dict[str, ShardPosition] | None = None,
        positions: dict[str, ShardPosition] | None = None,
        gaps: Gaps | None = None,
    ) -> None:
        self._names = names
        self._before = before or {}
        self.positions = positions or {}
        self.merge = Merge()
        self.gaps = gaps or Gaps()
        self.reread = Reread(self._before, self.positions, names)
        self._losses = Losses(self.merge, self.positions, self.gaps, self.reread, self._before)
        self._credit = Credit()
        self._epochs = Epochs()
        self._graph = ShardGraph()
        self._heard: set[str] = set()

    @classmethod
    def restore(cls, head: Head, snapshot: Snapshot | None, names: Names) -> Shards:
        """The shards where the windows stand (``snapshot``), which is at the head's positions or before."""
        before = {shard: at.model_copy() for shard, at in head.positions.items()}
        positions = {shard: at.model_copy() for shard, at in beginning(head.positions, snapshot).items()}
        shards = cls(names, before, positions, Gaps(head.gaps, head.filled, watermark=head.watermark))
        shards._losses.resume({gap.name for gap in head.gaps if gap.closed})
        return shards

    def stored(self) -> dict[str, Any]:
        """For the head."""
        positions = {shard: position.model_copy() for shard, position in self.positions.items()}
        return {"positions": positions, "gaps": self.gaps.stored, "filled": self.gaps.filled}

    @property
    def known(self) -> list[str]:
        """The shards it has positions in."""
        return [shard for shard in self.positions if not is_backfill(shard)]

    @property
    def watching(self) -> bool:
        """True once the shards have been listed and every open one was heard of."""
        return self.merge.ready and self._heard.issuperset(s for s in self.merge.shards if not is_backfill(s))

    @property
    def rebased(self) -> bool:
        """See `Losses`."""
        return self._losses.rebased

    def epoch(self, shard: str) -> int | None:
        """The epoch in which a shard is being read; None for one that is not."""
        return self._epochs.of(shard)

    def take(self, event: Event, now: float) -> list[Notice]:
        """Take an event of the source in; returns what is to be reported of it. ``now``: epoch seconds."""
        match event:
            case Topology():
                self._listed(event, now)
            case Failed():
                log.error("the source failed", shard=event.shard, reason=event.reason)
            case ShardOpened() if not self._epochs.stale(event.shard, event.epoch):
                self._open(event)
                return self._losses.look_behind(event.shard, now)
            case _ if event.epoch != self._epochs.of(event.shard):
                log.info("void: of an epoch that is over", shard=event.shard, epoch=event.epoch)
            case ShardBatch():
                notices = self._batch(event)
                self._heard.add(event.shard)
                return notices
            case ShardEnded():
                self._heard.add(event.shard)
                self.merge.end(event.shard)
                self._credit.closed(event.shard)
            case Gap():
                log.error("records are missing", shard=event.shard, reason=event.reason)
                return self._losses.trimmed(event.shard, event.reason, now)
            case ShardGone():
                log.error("records are missing", shard=event.shard, reason=event.reason)
                notices = self._losses.gone(event.shard, event.reason, now)
                self.merge.end(event.shard)
                self._credit.closed(event.shard)
                return notices
            case ShardLost():
                log.info("the shard is another reader's now", shard=event.shard, reason=event.reason)
                self._leave(event.shard)
        return []

    def take_items(self, gap: TableGap, decoded: Decoded) -> None:
        """Take in all that the table has of a gap, in order of time, but for what was processed before a restart."""
        self._losses.take_items(gap, decoded)

    def declare_gap(self, since: float, reason: str, now: float, known_to: float | None = None) -> None:
        """Records after ``since`` (a stamp, epoch seconds) cannot be read from the stream; see `Lane`."""
        self._losses.declare(since, reason, now, None, known_to)

    def overdue(self, now: float) -> list[Notice]:
        """Gaps that have waited long enough for the stream to go on end now; what is to be reported of them."""
        return self._losses.overdue(now)

    def move_past(self, run: Released) -> None:
        """Records were processed: move the positions past them, and give back the room they took."""
        codes, first_from_end = np.unique(run.samples.shard[::-1], return_index=True)
        counts = np.bincount(run.samples.shard)
        for code, back in zip(codes, first_from_end, strict=True):
            last = len(run) - 1 - int(back)
            shard = self._names[int(code)]
            self.positions[shard].sequence = str(run.sequence[last])
            self.positions[shard].stamp = float(run.stamp[last])
            if not is_backfill(shard):
                self._credit.processed(shard, int(counts[code]))
        self.reread.reached(self.positions)

    def found(self, samples: Samples) -> None:
        """These came from the table, and nobody had seen them before."""
        for code, count in zip(*np.unique(samples.shard, return_counts=True), strict=True):
            self.gaps.count(self._names[int(code)], int(count))

    def end(self, now: float) -> list[Notice]:
        """Nothing delivered waits any more: ended shards are done with, and gaps closed; what is to be reported.

        Not before: a restart would skip what is left. A shard goes on holding until its children do (rule 5).
        """
        notices = []
        for shard in [shard for shard in self.merge.shards if self.merge.drained(shard)]:
            if is_backfill(shard):
                self.merge.close(shard)
                self.reread.drop({shard})
                notices += self.gaps.close(shard)
            elif not (at := self.positions[shard]).ended:
                self.reread.drop({shard})
                at.ended, at.ended_at = True, now
                if at.stamp is None and isfinite(last := self.merge.last(shard)):
                    at.stamp = last  # it had no record, and its children's stamps begin where its parent's ended
        self._close_ended()
        return notices

    def cut(self) -> None:
        """What was processed has gone into a commit, or needs none: its credit is free."""
        self._credit.cut()

    def next_commit(self, *, windows: bool) -> None:
        """The last commit is durable, and the next is cut, with the windows or without."""
        self._losses.next_commit(windows=windows)

    def grants(self, *, idle: bool) -> dict[str, tuple[int, int]]:
        """By shard: its epoch, and the records by which its credit changes (negative: taken back)."""
        idle = idle and self.merge.ready  # before that nothing waits for a record, and none leaves
        # A gap's lineage holds the others back, but it is no shard that anyone reads.
        read_to = {shard: last for shard, last in self.merge.read_to().items() if not is_backfill(shard)}
        changes = self._credit.grants(read_to, self.merge.waited_for, idle=idle)
        return {shard: (epoch, n) for shard, n in changes.items() if (epoch := self._epochs.of(shard)) is not None}

    def _open(self, event: ShardOpened) -> None:
        """A shard holds at its own last stamp, or its parent's, whichever is known; or at the time since which it is
        wanted: without that, one that cannot be read from the start on would hold the lane for ever.

        One that is opened again, in a new epoch, starts afresh where processing stands."""
        if event.shard in self._epochs and self._epochs.of(event.shard) != event.epoch:
            self._leave(event.shard)
        parent = event.parent or ""
        stamps = [at.stamp for at in map(self.positions.get, (event.shard, parent)) if at and at.stamp is not None]
        since = -inf if event.since is None else event.since - IDLE_SLACK_S
        self.merge.open(event.shard, after=max([*stamps, self.merge.last(parent), since]))
        self.merge.mark(event.shard, closed=event.closed)
        self._graph.add(event.shard, event.parent)
        self._epochs.begin(event.shard, event.epoch)
        self.positions.setdefault(event.shard, ShardPosition(since=event.since))

    def _batch(self, event: ShardBatch) -> list[Notice]:
        if len(event.samples) == 0:
            self.merge.empty(event.shard, event.asked_at)
            return []
        self._credit.delivered(event.shard, len(event.samples))
        notices = self._goes_on(event)
        known = self._processed(event) if self._epochs.again(event.shard) else 0
        self._credit.processed(event.shard, known)
        if known < len(event.samples):
            rest = slice(known, None)
            self.merge.push(event.shard, event.samples.take(rest), event.sequence[rest], full=event.full)
        return notices

    def _processed(self, event: ShardBatch) -> int:
        """How many leading records of a shard that was opened again were processed in an earlier epoch. A source may
        begin before them, where the last acknowledgement stands."""
        reached = self.positions[event.shard].sequence
        known = 0 if reached is None else sum(int(sequence) <= int(reached) for sequence in event.sequence)
        if known < len(event.samples):
            self._epochs.fresh(event.shard)
        return known

    def _leave(self, shard: str) -> None:
        """The shard is not read any more, for now: what waits in the merge is void, its position stays."""
        self._epochs.end(shard)
        self._credit.left(shard)
        if shard in self.merge.shards:
            self.merge.close(shard)

    def _listed(self, listing: Topology, now: float) -> None:
        """The shards, as a listing has them: it may miss some for a while, so what it misses proves nothing at once.

        A shard that has ended goes on holding until further listings have had the time to name all its children. The
        position of an ended one is kept until the stream has forgotten it for sure, or it would be read again.
        """
        self.merge.listed()
        for node in listing.shards:
            self.merge.mark(node.shard, closed=node.closed)
        self._graph.listed(listing, self.merge.ended)
        self._close_ended()
        there = {node.shard for node in listing.shards}
        for shard, at in [*self.positions.items()]:
            if shard not in there and at.ended_at is not None and now - at.ended_at > FORGET_S:
                del self.positions[shard]
                self._epochs.forget(shard)
                self._graph.forget(shard)
                self._heard.discard(shard)

    def _close_ended(self) -> None:
        for shard in self.merge.ended:
            at = self.positions.get(shard)
            if at is not None and at.ended and self._graph.complete(shard):
                self._graph.close(shard)
                self.merge.close(shard)

    def _goes_on(self, event: ShardBatch) -> list[Notice]:
        """A shard that lost something, or one that came after it, has records again."""
        if not self.gaps.open:
            return []
        lineage = self._graph.lineage(event.shard)
        new = event.shard not in self._heard and event.shard not in self._before
        orphan = new and lineage[-1] != event.shard and lineage[-1] not in self._epochs
        return self._losses.goes_on(lineage, orphan=orphan, created=float(event.samples.created[0]))
