"""The lane: the unit of order, ownership and state. Events in, commits out, time is an argument.

It calls no AWS and no clock. A contract holds that it imports none itself, the simulator that what it calls uses none.

For every record, in merged order: count it, score it, judge it, report it. Messages wait for the next commit. None is
published before the head that promises it is durable: after a crash nobody would know that it was sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import inf

import structlog

from consumer.lane.budget import Budget, unlimited
from consumer.lane.commit_builder import MAX_MESSAGES, CommitBuilder
from consumer.lane.custody import Custody, Handover
from consumer.lane.parts import LaneOptions, Parts
from consumer.lane.passing import pass_by
from consumer.lane.processing import Processing
from consumer.lane.recovery import Recovery
from consumer.lane.runs import MOST_NOTICES
from consumer.lane.timers import Timers
from consumer.outgoing.chart_schedule import ChartSchedule
from consumer.outgoing.outbox import Reporting
from consumer.state.commit import Commit, Rewritten
from consumer.state.delivery import Delivered
from consumer.state.head import Gap, Head, Refusal
from consumer.state.ledger import Ledger
from consumer.state.snapshot import Snapshot
from consumer.stream.records import Decoded, NameTables
from consumer.stream.source import Event, ShardBatch, ShardLost, ShardOpened
from reporting.health.notice import Notice
from reporting.message import Message
from reporting.mutes import Mutes
from scoring.bundle import Bundle
from scoring.scorer import Scorer
from window.released import Released

PAUSE_S = 10.0
"""After a longer pause between two steps, every watermark is old. That is no reason to pass by a shard (rule 7)."""
log = structlog.get_logger(__name__)


class Lane:
    """Takes the events of its source, processes the records step by step, and makes commits of the results.

    ``head``: the claimed head of the last owner; ``snapshot``: the windows at that commit or an earlier one. The source
    must begin at the snapshot's positions: records up to the head's are processed silently, for the windows alone.
    ``scorer``: the bundles over the windows. All lanes of a worker share the windows; each lane has its own devices.
    """

    def __init__(
        self,
        scorer: Scorer,
        head: Head,
        to: Reporting,
        names: NameTables,
        snapshot: Snapshot | None = None,
        options: LaneOptions | None = None,
    ) -> None:
        options = options or LaneOptions()
        self._parts = Parts.restore(head, snapshot, scorer, to, names, options)
        self.recovery = Recovery(self._parts, head, snapshot)
        """How the windows are restored, or filled at a first start."""
        self._timers = Timers(self._parts, self.recovery)
        self._processing = Processing(self._parts, self.recovery, self._timers)
        self._commits = CommitBuilder(self._parts, head, options)
        self.custody = Custody(self._parts, self.recovery, self._commits.store_windows)
        self._ready: Released | None = None
        self._full = False
        self.unfinished = False
        """True if the last step ended by its budget: there is more to do, whether or not an event comes."""
        self._stepped = inf
        self._sound = True

    @property
    def promised(self) -> tuple[Message, ...]:
        """The last owner's outbox. Publish it byte for byte before anything else."""
        return self.recovery.promised

    @property
    def undelivered(self) -> tuple[str, ...]:
        """Ids of the episodes that the last owner had set aside."""
        return tuple(self._commits.head.undelivered)

    @property
    def recovering(self) -> bool:
        """True while records are re-read that were committed before the restart."""
        return self.recovery.active

    @property
    def name(self) -> str:
        """The lane's name."""
        return self._parts.name

    @property
    def shards(self) -> list[str]:
        """The shards that have a position."""
        return self._parts.shards.known

    @property
    def watching(self) -> bool:
        """True once the shards have been listed and every open one has answered."""
        return self._parts.shards.watching

    @property
    def watermark(self) -> float:
        """All records with a lower stamp have been processed; -inf at the beginning."""
        return self.custody.watermark if self._ready is None else float(self._ready.stamp[0])

    @property
    def lagging(self) -> bool:
        """True while the lane waits too long for a shard that it may not pass by."""
        return self._parts.stall.lagging

    @property
    def idle(self) -> bool:
        """True when all that was delivered has been processed."""
        shards = self._parts.shards
        return not self.unfinished and self._ready is None and shards.merge.buffered == 0 and not shards.gaps.open

    @property
    def devices(self) -> list[str]:
        """The devices seen so far."""
        return list(self._parts.known)

    @property
    def charts(self) -> ChartSchedule:
        """The charts that are due."""
        return self._parts.charts

    @property
    def ledger(self) -> Ledger:
        """The ledger of all that was processed, committed or not."""
        return self._parts.ledger

    def tally(self) -> Counter[str]:
        """What was counted since the last call: records by class, and forced releases."""
        tally = self._parts.ledger.tally()
        tally["forced"] = self._parts.processed.newly_forced()
        return tally

    def take(self, event: Event, now: float) -> None:
        """Take in an event of the source. ``now``: epoch seconds."""
        shards = self._parts.shards
        if isinstance(event, ShardBatch) and event.epoch == shards.epoch(event.shard):
            self._parts.quarantine.keep(event.shard, event.sequence, event.rejects)
        before = shards.epoch(event.shard) if isinstance(event, ShardLost | ShardOpened) else None
        self._parts.outbox.notify(shards.take(event, now), now=now)
        if isinstance(event, ShardLost | ShardOpened) and before not in (None, shards.epoch(event.shard)):
            self._drop_released(event.shard)
        self.recovery.check_finished()

    def mute(self, mutes: Mutes) -> None:
        """Use these mutes for the records that are processed from now on."""
        self._parts.muting.learn(mutes, self._parts.processed.up_to)

    def offer(self, bundle: Bundle | None) -> None:
        """Activate this bundle from a minute on that the next head has (rule 17); None: keep the active one. Store the
        bundle first: a successor needs it."""
        self._parts.rollout.offer(bundle)

    def scores_with(self, bundle: str) -> bool:
        """Is the bundle with that id, the last one offered, active already?"""
        return self._commits.scores_with(bundle, self.watermark)

    def refuse(self, refusal: Refusal, now: float) -> None:
        """Report, once, that a bundle was refused."""
        notices = self._parts.bundle_notices.refuse(refusal, self._commits.head.bundle, now)
        self._parts.outbox.notify(notices, now=now)

    def accept(self, now: float) -> None:
        """Report that no refused bundle is left, if one was reported."""
        self._parts.outbox.notify(self._parts.bundle_notices.accept(self._commits.head.bundle, now), now=now)

    def declare_gap(self, since: float, reason: str, now: float, *, known_to: float | None = None) -> None:
        """Records after ``since`` (a stamp, epoch seconds) are missing; those up to ``known_to`` were committed."""
        self._parts.shards.losses.declare(since, reason, now, None, known_to)
        self.recovery.gap_declared()

    def gaps_to_read(self) -> list[Gap]:
        """Gaps to read from the table now; each is returned once. Give `take_items` what was found."""
        return self._parts.shards.gaps.to_read()

    def of_own_devices(self, decoded: Decoded) -> Decoded:
        """The records of this lane's devices. The others belong to another lane, or to a device nobody knows yet."""
        return decoded.of_devices([*self._parts.known.values()])

    def take_items(self, gap: Gap, decoded: Decoded) -> None:
        """Take in all that the table has of a gap, in order of time."""
        self._parts.quarantine.keep(gap.name, decoded.sequence, decoded.rejects)
        self._parts.shards.take_items(gap, decoded)

    def step(self, now: float, budget: Budget = unlimited) -> None:
        """Process what the merge releases, while the next commit has room for messages and ``budget`` allows another
        run or timer; at least one."""
        parts = self._parts
        # An exception in the middle leaves a record half processed. No commit may have that; a restart repeats it.
        self._sound = False
        parts.outbox.notify(parts.shards.losses.overdue(now), now=now)
        self.recovery.check_finished()
        self._full = not self._process_released(now, budget)
        if self._full or now - self._stepped > PAUSE_S:
            # The lane may not process, or was paused: no shard is the cause.
            parts.stall.restart_wait(now)
        self._stepped = now
        if self.recovering:
            parts.shards.cut()  # re-read records go into no commit, so free their credit here
        if self._ready is None:
            parts.outbox.notify(parts.shards.close_drained(now), now=now)
            self.recovery.check_finished()
        self._sound = True

    def conclude(self, now: float) -> None:
        """No record will ever come any more: what waits for other devices' notices leaves."""
        self._parts.waiting.fire_storms(inf, now=now)

    def cut(self, now: float, *, final: bool = False) -> Commit | None:
        """The next commit, or None while none is due. It is due at once with a message, else at the next heartbeat.

        ``final`` releases the lane: the next worker takes it over without waiting. None also after a fault: a record
        may be half processed.
        """
        if not self._sound:
            return None
        due = final or self._commits.due(now)
        if self.recovery.holds_commits:
            return self._commits.heartbeat(now) if due and not final else None
        if not due and not self._parts.outbox.cuts(now):
            return None
        self._sound = False
        commit = self._commits.cut(now, self.watermark, final=final)
        self._sound = True
        return commit

    def delivered(self, delivered: Delivered, now: float) -> None:
        """The last commit, or what the last owner promised, is delivered as far as the sinks took it (rule 29)."""
        self._parts.outbox.delivered(delivered, now=now)

    def grants(self) -> dict[str, tuple[int, int]]:
        """By shard: its epoch, and the change of its credit in records (negative: taken back)."""
        return self._parts.shards.grants(idle=not self._full)

    def epoch(self, shard: str) -> int | None:
        """The epoch in which a shard is being read; None for one that is not."""
        return self._parts.shards.epoch(shard)

    def rewrote(self, rewritten: Rewritten, now: float) -> None:
        """A commit wrote objects again in a higher epoch: go on from that epoch, and report it (rule 28)."""
        self._commits.raise_epoch(rewritten.epoch)
        self.report([rewritten.notice(now)], now)

    def report(self, notices: Iterable[Notice], now: float) -> None:
        """Report what is about no sample: of the worker, its machine or the state. ``now``: epoch seconds."""
        self._parts.outbox.notify(notices, now=now)

    def hand_over(self, device: int) -> Handover:
        """See `Custody.hand_over`. What waits of the device was read from the table for a gap: it is dropped."""
        if self._ready is not None:
            self._ready = self._ready.taken(self._ready.samples.device != device)
        return self.custody.hand_over(device)

    def _drop_released(self, shard: str) -> None:
        """The epoch of a shard is over. Its records that left the merge and wait are delivered again, like those that
        are still in it."""
        if self._ready is not None:
            self._ready = self._ready.taken(self._ready.samples.shard != self._parts.names.shards.code(shard))

    def _process_released(self, now: float, budget: Budget) -> bool:
        """Process timers and records in the order of their stamps. False if the commit has no room or the turn no time
        for more."""
        parts = self._parts
        begun = self.unfinished = False
        per_record = parts.outbox.messages_per_record(parts.scorer.touches) + MOST_NOTICES
        # No commit is made before all is read again, so none makes room: what is new in between must find some.
        while self.recovery.active or parts.outbox.messages + per_record <= MAX_MESSAGES:
            if begun and not budget():
                self.unfinished = True
                break
            begun = True
            if self._ready is None:
                self._ready = self.custody.release()
            due = self._timers.due(self.watermark)
            if max(self.watermark, parts.processed.up_to) >= due:
                self._timers.fire(due, self.watermark, now, self._ready)
            elif self._ready is not None:
                self._ready = self._processing.process(self._ready, now)
            else:
                parts.processed.advance(self.watermark)
                if not self.custody.following:
                    pass_by(parts, now)
                return True
        return False
