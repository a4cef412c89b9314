"""The shards of a lane: their records, positions, holds and losses."""

from __future__ import annotations

from math import floor, inf, isfinite
from typing import Any

import numpy as np
import structlog

from consumer.intake.credit import Credit
from consumer.intake.epochs import Epochs
from consumer.intake.gaps import Gaps
from consumer.intake.graph import ShardGraph
from consumer.intake.losses import Losses
from consumer.intake.progress import Positions
from consumer.intake.proofs import StoredProofs
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
from window.merge import IDLE_SLACK_S, Merge
from window.released import Released, Sequences
from window.samples import Names, Samples

FORGET_S = 30 * 3600.0
"""A stream keeps a record for 24 h, and a listing may be hours behind. Only after this time does a listing without an
ended shard prove that it is gone. A position that is dropped earlier would let the shard be read twice."""
log = structlog.get_logger(__name__)


class Shards:
    """Takes the source's events into the merge, and keeps the positions.

    ``names``: the table of shard codes that the decoder fills. Each gap is one more lineage among the shards.
    ``before``: the positions in the head that the lane began with; ``positions``: where reading begins.
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
        self._reading = Positions(self.positions)
        self.merge = Merge()
        self.gaps = gaps or Gaps()
        self.reread = Reread(self._before, self.positions, names)
        self.losses = Losses(self.merge, self.positions, self.gaps, self.reread, self._before)
        self._proofs = StoredProofs(self._before, self.reread, self.merge)
        self._credit = Credit()
        self._epochs = Epochs()
        self._graph = ShardGraph()
        self._responded: set[str] = set()

    @classmethod
    def restore(cls, head: Head, snapshot: Snapshot | None, names: Names) -> Shards:
        """The shards at the positions of the windows (``snapshot``). They are those of the head or earlier ones."""
        before = {shard: at.model_copy() for shard, at in head.positions.items()}
        positions = {shard: at.model_copy() for shard, at in beginning(head.positions, snapshot).items()}
        shards = cls(names, before, positions, Gaps.restore(head, positions))
        shards.losses.resume({gap.name for gap in head.gaps if gap.closed})
        return shards

    def stored(self) -> dict[str, Any]:
        """For the head."""
        return {"positions": self.reached, "gaps": self.gaps.stored, "filled": self.gaps.filled}

    @property
    def reached(self) -> dict[str, ShardPosition]:
        """See `Positions.reached`."""
        for shard in self.merge.shards:
            self._reading.prove(shard, self.merge.proof(shard).until)
        return self._reading.reached

    @property
    def known(self) -> list[str]:
        """The shards it has positions in."""
        return [shard for shard in self.positions if not is_backfill(shard)]

    @property
    def watching(self) -> bool:
        """True once the shards have been listed and every open one has answered."""
        return self.merge.ready and self._responded.issuperset(s for s in self.merge.shards if not is_backfill(s))

    def epoch(self, shard: str) -> int | None:
        """The epoch in which a shard is being read; None for one that is not."""
        return self._epochs.of(shard)

    def take(self, event: Event, now: float) -> list[Notice]:
        """Take in an event of the source; returns the notices to publish. ``now``: epoch seconds."""
        match event:
            case Topology():
                self._take_listing(event, now)
            case Failed():
                log.error("the source failed", shard=event.shard, reason=event.reason)
            case ShardOpened() if not self._epochs.stale(event.shard, event.epoch):
                self._open(event)
                return self.losses.check_horizon(event.shard, now)
            case _ if event.epoch != self._epochs.of(event.shard):
                log.info("void: of an epoch that is over", shard=event.shard, epoch=event.epoch)
            case ShardBatch():
                notices = self._batch(event)
                self._responded.add(event.shard)
                return notices
            case ShardEnded():
                self._responded.add(event.shard)
                self.merge.end(event.shard)
                self._credit.close(event.shard)
            case Gap():
                log.error("records are missing", shard=event.shard, reason=event.reason)
                notices = self.losses.trimmed(event.shard, event.reason, now)
                self._reading.trimmed(event.shard)
                return notices
            case ShardGone():
                log.error("records are missing", shard=event.shard, reason=event.reason)
                notices = self.losses.gone(event.shard, event.reason, now)
                self.merge.end(event.shard)
                self._credit.close(event.shard)
                return notices
            case ShardLost():
                log.info("the shard is another reader's now", shard=event.shard, reason=event.reason)
                self._stop_reading(event.shard)
        return []

    def take_items(self, gap: TableGap, decoded: Decoded) -> None:
        """Take in all that the table has of a gap, in order of time, without what was processed before a restart."""
        self._reading.begin(gap.name)
        self.reread.narrow(gap.name, decoded.sequence, self.positions)
        self._deliver(gap.name, decoded.samples, decoded.sequence, full=False)
        self.merge.end(gap.name)
        self.merge.settle(gap.name)

    def move_past(self, run: Released) -> None:
        """Records were processed: move the positions past them, and free their credit at the next commit."""
        for code in np.unique(run.samples.shard):
            shard, rows = self._names[int(code)], run.samples.shard == code
            self._reading.process(shard, run.sequence[rows])
            if not is_backfill(shard):
                self._credit.processed(shard, int(rows.sum()))
        self.reread.advance(self.positions, run)
        self._proofs.apply()

    def count_backfilled(self, samples: Samples) -> None:
        """Samples of gaps came from the table and are new."""
        for code, count in zip(*np.unique(samples.shard, return_counts=True), strict=True):
            self.gaps.count(self._names[int(code)], int(count))

    def close_drained(self, now: float) -> list[Notice]:
        """Mark ended shards as ended and close gaps, once all their records have left the merge; returns the notices.

        Not earlier: a restart would skip the records that are left. An ended shard holds the watermark until its
        children are known and hold it (rule 5).
        """
        notices = []
        for shard in [shard for shard in self.merge.shards if self.merge.drained(shard)]:
            if is_backfill(shard):
                self.merge.close(shard)
                self._reading.stop(shard)
                self.reread.drop({shard})
                notices += self.gaps.close(shard)
            elif not (at := self.positions[shard]).ended:
                self.reread.drop({shard})
                at.ended, at.ended_at = True, now
                if at.stamp is None and isfinite(last := self.merge.last(shard)):
                    at.stamp = last  # it had no record, so its children begin at the stamp of its parent
        self._close_ended()
        return notices

    def cut(self) -> None:
        """The processed records are in a commit, or need none: free their credit."""
        self._credit.cut()

    def grants(self, *, idle: bool) -> dict[str, tuple[int, int]]:
        """By shard: its epoch, and the change of its credit in records (negative: taken back)."""
        idle = idle and self.merge.ready  # before that the merge releases nothing, so it waits for no record
        # The lineage of a gap holds the others, but no reader reads it.
        read_to = {shard: last for shard, last in self.merge.read_to().items() if not is_backfill(shard)}
        changes = self._credit.grants(read_to, self.merge.waited_for, idle=idle)
        return {shard: (epoch, n) for shard, n in changes.items() if (epoch := self._epochs.of(shard)) is not None}

    def _open(self, event: ShardOpened) -> None:
        """A shard holds at its own last stamp, at its parent's, or at the time since which it is read. Without the last
        one, a shard that cannot be read from the start would hold the lane for ever.

        A shard that is opened again, in a new epoch, begins at its processed position."""
        if event.shard in self._epochs and self._epochs.of(event.shard) != event.epoch:
            self._stop_reading(event.shard)
        parent = event.parent or ""
        stamps = [at.stamp for at in map(self.positions.get, (event.shard, parent)) if at and at.stamp is not None]
        since = -inf if event.since is None else floor(event.since - IDLE_SLACK_S)
        self.merge.open(event.shard, after=max([*stamps, self.merge.last(parent), since]), parent=event.parent)
        self.merge.proof(event.shard).trust(-inf if event.since is None else event.since)  # its iterator at the tip
        self.merge.mark(event.shard, closed=event.closed)
        self._graph.add(event.shard, event.parent)
        self._epochs.begin(event.shard, event.epoch)
        self._reading.begin(event.shard, event.since)
        self._proofs.apply()

    def _batch(self, event: ShardBatch) -> list[Notice]:
        if len(event.samples) == 0:
            self.merge.empty(event.shard, event.asked_at, renewed=event.renewed)
            return []
        self._credit.delivered(event.shard, len(event.samples))
        notices = self._resumed(event)
        full = event.full or event.renewed  # more may wait behind the first page after a failure
        self._deliver(event.shard, event.samples, event.sequence, full=full)
        return notices

    def _deliver(self, shard: str, samples: Samples, sequence: Sequences, *, full: bool) -> None:
        """Take the next records of a lineage into the merge, without those that were processed before."""
        count = len(samples)
        if is_backfill(shard) or self._epochs.reopened(shard):
            rest = self._reading.behind(shard, sequence)
            samples, sequence = samples.take(rest), sequence[rest]
        new = 0
        if len(samples):
            self._epochs.caught_up(shard)
            known = self._reading.expect(shard, sequence)
            stamp = self.merge.push(shard, samples, sequence, full=full, known=known)
            self._reading.deliver(shard, sequence, stamp, known)
            self.reread.deliver(shard, sequence, known)
            new = int((~known).sum())
        if new < count and not is_backfill(shard):
            self._credit.processed(shard, count - new)

    def _stop_reading(self, shard: str) -> None:
        """The shard is not read for now: drop its records in the merge, keep its position. Nothing of it is re-read
        either, or the lane would wait for that for ever."""
        self._epochs.end(shard)
        self._reading.stop(shard)
        self._credit.drop(shard)
        self._responded.discard(shard)
        self.reread.drop({shard})
        if shard in self.merge.shards:
            self.merge.close(shard)

    def _take_listing(self, listing: Topology, now: float) -> None:
        """Take in a listing. It may miss shards for a while, so one listing does not prove that a shard is gone.

        An ended shard holds the watermark until enough listings have named its children. Its position stays until the
        stream has certainly dropped it (`FORGET_S`).
        """
        self.merge.listed()
        for node in listing.shards:
            self.merge.mark(node.shard, closed=node.closed)
            self.merge.ancestry.note(node.shard, node.parent if node.shard in self.positions else None)
        self._graph.listed(listing, self.merge.ended)
        self._close_ended()
        there = {node.shard for node in listing.shards}
        for shard, at in [*self.positions.items()]:
            if shard not in there and at.ended_at is not None and now - at.ended_at > FORGET_S:
                del self.positions[shard]
                self._epochs.forget(shard)
                self._graph.forget(shard)
                self.merge.ancestry.forget(shard)
                self._responded.discard(shard)

    def _close_ended(self) -> None:
        for shard in self.merge.ended:
            at = self.positions.get(shard)
            if at is None or not self._graph.complete(shard):
                continue
            self.merge.settle(shard)
            if at.ended:
                self._graph.close(shard)
                self.merge.close(shard)
                self._reading.stop(shard)

    def _resumed(self, event: ShardBatch) -> list[Notice]:
        """A shard that lost records, or a descendant of one, delivers again: gaps may end."""
        if not self.gaps.open:
            return []
        lineage = self._graph.lineage(event.shard)
        new = event.shard not in self._responded and event.shard not in self._before
        orphan = new and lineage[-1] != event.shard and lineage[-1] not in self._epochs
        return self.losses.resumed(lineage, orphan=orphan, created=float(event.samples.created[0]))
