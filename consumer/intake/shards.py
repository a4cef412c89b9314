"""The shards of a lane: what they deliver, where they hold, how far they were processed, what they have lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from math import inf, isfinite
from typing import Any

import numpy as np
import structlog

from consumer.intake.credit import Credit
from consumer.intake.gaps import STREAM_KEEPS_S, Gaps
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
from window.rolling import RETAINED_S
from window.samples import Names, Samples

ENDED_LISTINGS, CHILDLESS_LISTINGS = 5, 8
FORGET_S = 30 * 3600.0  # a stream keeps 24 h
log = structlog.get_logger(__name__)


class Shards:
    """Takes what a source delivers into the merge, and keeps the positions.

    ``names``: the table of shard codes that the decoder fills. A gap is a lineage of its own among the shards.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self.merge = Merge()
        self.positions: dict[str, ShardPosition] = {}
        self.reread = Reread({}, {}, names)
        self.gaps = Gaps()
        self._head: dict[str, ShardPosition] = {}
        self._credit = Credit()
        self._parents: dict[str, str | None] = {}
        self._epochs: dict[str, int] = {}
        self._heard: set[str] = set()
        self._left: dict[str, int] = {}
        """The newest epoch that is over, of each shard that was left; and those of which nothing new came since."""
        self._reopened: set[str] = set()
        self._with_child: Counter[str] = Counter()
        """Listings of a shard that was read to its end, with a child of it; and without any."""
        self._childless: Counter[str] = Counter()
        self.rebased = False
        """True when a position has moved to the horizon and the windows stored have it before: they are to be stored
        soon, or a restart would miss the same once more."""
        self._leaving: list[str] = []

    @classmethod
    def restore(cls, head: Head, snapshot: Snapshot | None, names: Names) -> Shards:
        """The shards where the windows stand (``snapshot``), which is at the head's positions or before."""
        shards = cls(names)
        shards.positions = {shard: at.model_copy() for shard, at in beginning(head.positions, snapshot).items()}
        shards.reread = Reread(head.positions, shards.positions, names)
        shards.gaps = Gaps(head.gaps, head.filled, watermark=head.watermark)
        shards._head = {shard: at.model_copy() for shard, at in head.positions.items()}
        shards._forget_gaps({gap.name for gap in head.gaps if gap.closed}.difference(shards.reread.shards))
        for gap in shards.gaps.open:
            shards._open_gap(gap)
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

    def epoch(self, shard: str) -> int | None:
        """The epoch in which a shard is being read; None for one that is not."""
        return self._epochs.get(shard)

    def take(self, event: Event, now: float) -> list[Notice]:
        """Take an event of the source in; returns what is to be told of it. ``now``: epoch seconds."""
        match event:
            case Topology():
                self._listed(event, now)
            case Failed():
                log.error("the source failed", shard=event.shard, reason=event.reason)
            case ShardOpened():
                if event.epoch < self._newest_epoch(event.shard):
                    return []
                self._open(event)
                return self._look_behind(event.shard, now)
            case _ if event.epoch != self._epochs.get(event.shard):
                log.info("void: of an epoch that is over", shard=event.shard, epoch=event.epoch)
            case ShardBatch():
                told = self._batch(event)
                self._heard.add(event.shard)
                return told
            case ShardEnded():
                self._heard.add(event.shard)
                self.merge.end(event.shard)
                self._credit.closed(event.shard)
            case Gap() | ShardGone():
                log.error("records are missing", shard=event.shard, reason=event.reason)
                return self._lose(event, now)
            case ShardLost():
                log.info("the shard is another reader's now", shard=event.shard, reason=event.reason)
                self._leave(event.shard)
        return []

    def take_items(self, gap: TableGap, decoded: Decoded) -> None:
        """Take in all that the table has of a gap, in order of time, but for what was processed before a restart."""
        reached = self.positions[gap.name].sequence
        rest = np.array([reached is None or int(sequence) > int(reached) for sequence in decoded.sequence], bool)
        if rest.any():
            self.merge.push(gap.name, decoded.samples.take(rest), decoded.sequence[rest], full=False)
        self.merge.end(gap.name)

    def declare_gap(self, since: float, reason: str, now: float, known_to: float | None = None) -> None:
        """Records after ``since`` (a stamp, epoch seconds) cannot be read from the stream; see `Lane`."""
        self._declare(since, reason, now, None, known_to)

    def overdue(self, now: float) -> list[Notice]:
        """Gaps that have waited long enough for the stream to go on end now; what is to be told of them."""
        if not self.gaps.overdue(now):
            return []
        self.reread.drop(self.gaps.awaited)  # they have nothing that could be read again
        return [notice for _, notice in self.gaps.resolve(now)]

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
        """Nothing delivered waits any more: shards that have ended are done with, and gaps closed; what is to be told.

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
        """The last commit is durable, and the next is cut, with the windows or without: gaps that the windows stored
        last have are done with."""
        self._forget_gaps(self._leaving)
        self._leaving = self.gaps.closed if windows else []
        self.rebased = self.rebased and not windows

    def grants(self, *, idle: bool) -> dict[str, tuple[int, int]]:
        """By shard: its epoch, and the records by which its credit changes (negative: taken back)."""
        idle = idle and self.merge.ready  # before that nothing waits for a record, and none leaves
        # A gap's lineage holds the others back, but it is no shard that anyone reads.
        read_to = {shard: last for shard, last in self.merge.read_to().items() if not is_backfill(shard)}
        changes = self._credit.grants(read_to, self.merge.waited_for, idle=idle)
        return {shard: (self._epochs[shard], change) for shard, change in changes.items()}

    def _open(self, event: ShardOpened) -> None:
        """A shard holds at its own last stamp, or its parent's, whichever is known; or at the time since which it is
        wanted: without that, one that cannot be read from the start on would hold the lane for ever.

        One that is opened again, in a new epoch, starts afresh where processing stands."""
        if event.shard in self._epochs and self._epochs[event.shard] < event.epoch:
            self._leave(event.shard)
        parent = event.parent or ""
        stamps = [at.stamp for at in map(self.positions.get, (event.shard, parent)) if at and at.stamp is not None]
        since = -inf if event.since is None else event.since - IDLE_SLACK_S
        self.merge.open(event.shard, after=max([*stamps, self.merge.last(parent), since]))
        self.merge.mark(event.shard, closed=event.closed)
        self._parents[event.shard] = event.parent
        self._epochs[event.shard] = event.epoch
        self.positions.setdefault(event.shard, ShardPosition(since=event.since))

    def _look_behind(self, shard: str, now: float) -> list[Notice]:
        """A shard that is read from the horizon on, and was read further before a restart or had lost something, may
        have lost more by now: without a sequence number to begin after, the stream does not say so."""
        at, before = self.positions[shard], self._head.get(shard)
        since = at.stamp
        if since is None and before is not None and before.stamp is not None:
            since = before.stamp - RETAINED_S  # what the windows stored do not have
        if at.sequence is not None or since is None or at.ended or self.gaps.waits_for(shard):
            return []
        read_to = max(before.stamp if before and before.stamp is not None else since, since, self.gaps.reached)
        if now - read_to <= STREAM_KEEPS_S:
            return []
        return self._miss(shard, since, "trimmed: the stream keeps 24 h", now)

    def _miss(self, shard: str, since: float, reason: str, now: float) -> list[Notice]:
        """Declare what a shard has lost. What the head stands for is read for the windows alone, as it is where it is
        read again from the stream."""
        before = self._head.get(shard)
        known_to = before.stamp if before is not None and shard in self.reread.shards else None
        gap = self._declare(max(since, self.gaps.reached), reason, now, shard, known_to)
        if known_to is not None and before is not None and before.ended:
            return [notice for _, notice in self.gaps.over(gap.name, shard, known_to)]
        return []

    def _declare(self, since: float, reason: str, now: float, shard: str | None, known_to: float | None) -> TableGap:
        gap = self.gaps.declare(since, reason, now, shard, known_to=known_to)
        self._open_gap(gap)
        if known_to is not None:
            self.reread.extend(gap.name, known_to)
        return gap

    def _batch(self, event: ShardBatch) -> list[Notice]:
        if len(event.samples) == 0:
            self.merge.empty(event.shard, event.asked_at)
            return []
        self._credit.delivered(event.shard, len(event.samples))
        notices = self._goes_on(event)
        known = self._processed(event) if event.shard in self._reopened else 0
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
            self._reopened.discard(event.shard)
        return known

    def _newest_epoch(self, shard: str) -> int:
        return max(self._epochs.get(shard, -1), self._left.get(shard, -2) + 1)

    def _leave(self, shard: str) -> None:
        """The shard is not read any more, for now: what waits in the merge is void, its position stays."""
        self._left[shard] = self._epochs.pop(shard)
        self._reopened.add(shard)
        self._credit.left(shard)
        if shard in self.merge.shards:
            self.merge.close(shard)

    def _listed(self, listing: Topology, now: float) -> None:
        """The shards, as a listing has them: it may miss some for a while, so what it misses proves nothing at once.

        A shard that has ended goes on holding until further listings have had the time to name all its children; one
        that is seen without any, again and again, has none (a stream that was turned off). The position of an ended one
        is kept until the stream has forgotten it for sure, or it would be read again.
        """
        self.merge.listed()
        there = {node.shard for node in listing.shards}
        parents = {node.parent for node in listing.shards}
        for node in listing.shards:
            self.merge.mark(node.shard, closed=node.closed)
            if node.parent is not None and node.shard in self._parents:
                self._parents[node.shard] = node.parent  # a shard opened while the listing missed it came without
        for shard in self.merge.ended:
            (self._with_child if shard in parents else self._childless)[shard] += 1
        self._close_ended()
        for shard, at in [*self.positions.items()]:
            if shard not in there and at.ended_at is not None and now - at.ended_at > FORGET_S:
                del self.positions[shard]
                self._epochs.pop(shard, None)
                self._left.pop(shard, None)
                self._reopened.discard(shard)
                self._parents.pop(shard, None)
                self._heard.discard(shard)

    def _close_ended(self) -> None:
        for shard in self.merge.ended:
            at = self.positions.get(shard)
            alone = shard not in self._with_child and self._childless[shard] >= CHILDLESS_LISTINGS
            if at is not None and at.ended and (alone or self._with_child[shard] >= ENDED_LISTINGS):
                del self._with_child[shard], self._childless[shard]
                self.merge.close(shard)

    def _goes_on(self, event: ShardBatch) -> list[Notice]:
        """A shard that lost something, or one that came after it, has records again; what is to be told of it."""
        if not self.gaps.open:
            return []
        lineage: list[str] = []
        shard: str | None = event.shard
        while shard is not None and shard not in lineage:
            lineage.append(shard)
            shard = self._parents.get(shard)
        new = event.shard not in self._heard and event.shard not in self._head
        orphan = new and lineage[-1] != event.shard and lineage[-1] not in self._epochs
        created = float(event.samples.created[0])
        return [notice for _, notice in self.gaps.goes_on(lineage, orphan=orphan, created=created)]

    def _lose(self, event: Gap | ShardGone, now: float) -> list[Notice]:
        """Declare a gap after the last record that a shard delivered; a lineage of its own will bring what the table
        has, and holds everything later until then. What was delivered is processed all the same."""
        position = self.positions.get(event.shard)
        before = self._head.get(event.shard)
        since = self.merge.last(event.shard)
        if position is not None and position.stamp is not None:
            since = max(since, position.stamp)
        over = isinstance(event, ShardGone) and before is not None and before.ended  # the last owner had read all of it
        told = self._miss(event.shard, since, event.reason, now) if isfinite(since) and not over else []
        if isinstance(event, ShardGone):
            self.merge.end(event.shard)
            self._credit.closed(event.shard)
        elif position is not None:
            # Reading goes on at the horizon: after a restart too, or the same would be missing once more.
            self.rebased = True
            self.positions[event.shard] = ShardPosition(stamp=since if isfinite(since) else None)
        return told

    def _forget_gaps(self, names: Collection[str]) -> None:
        self.gaps.forget(names)
        for name in names:
            self.positions.pop(name, None)

    def _open_gap(self, gap: TableGap) -> None:
        at = self.positions.setdefault(gap.name, ShardPosition(stamp=gap.since))
        self.merge.open(gap.name, after=gap.since if at.stamp is None else at.stamp)
