"""The lane: the unit of order, ownership and state. Pure: events in, commits out, time is an argument.

For every record, in merged order: count it, score it, judge it, report it. Messages wait for the next commit; nothing
leaves before the head that promises it is durable.
"""

from __future__ import annotations

from collections import Counter
from math import inf

import structlog

from consumer.intake.stall import MOST_AHEAD_S
from consumer.lane.commit_builder import MAX_MESSAGES, CommitBuilder
from consumer.lane.parts import LaneOptions, Parts
from consumer.lane.processing import Processing
from consumer.lane.recovery import Recovery
from consumer.lane.runs import MOST_NOTICES
from consumer.lane.timers import Timers
from consumer.outgoing.chart_schedule import ChartSchedule
from consumer.outgoing.outbox import Reporting
from consumer.state.commit import Commit
from consumer.state.head import Gap, Head, Refusal
from consumer.state.ledger import Ledger
from consumer.state.snapshot import Snapshot
from consumer.stream.records import Decoded, NameTables
from consumer.stream.source import Event, ShardBatch
from reporting.message import Message
from reporting.mutes import Mutes
from scoring.bundle import Bundle
from scoring.scorer import Scorer
from window.merge import Released
from window.samples import Samples

PAUSE_S = 10.0
log = structlog.get_logger(__name__)


class Lane:
    """Takes what its source delivers, processes it step by step, and cuts it into commits.

    ``head``: where the last owner stood, claimed already; ``snapshot``: the windows as of some time before. The source
    must begin at the snapshot's positions: records up to the head's are processed silently, for the windows alone.
    ``scorer``: the bundles over the windows, which the lanes of a worker share; each lane has devices of its own.
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
        self._recovery = Recovery(self._parts, head, snapshot)
        self._timers = Timers(self._parts, self._recovery)
        self._processing = Processing(self._parts, self._recovery, self._timers)
        self._commits = CommitBuilder(self._parts, head, options.heartbeat_s)
        self._ready: Released | None = None
        self._full = False
        self._stepped = inf
        self._sound = True

    @property
    def promised(self) -> tuple[Message, ...]:
        """The last owner's outbox: to be published, word for word, before anything else."""
        return self._recovery.promised

    @property
    def recovering(self) -> bool:
        """True while records are read again that the head already stands for."""
        return self._recovery.active

    @property
    def name(self) -> str:
        """The lane's name."""
        return self._parts.name

    @property
    def shards(self) -> list[str]:
        """The shards it has positions in."""
        return self._parts.shards.known

    @property
    def watching(self) -> bool:
        """True once the shards have been listed and every open one was heard of."""
        return self._parts.shards.watching

    @property
    def watermark(self) -> float:
        """All records with a lower stamp have been processed; -inf at the beginning."""
        return self._parts.shards.merge.watermark if self._ready is None else float(self._ready.stamp[0])

    @property
    def lagging(self) -> bool:
        """True while the lane waits for a shard that it may not pass by."""
        return self._parts.stall.lagging

    @property
    def idle(self) -> bool:
        """True when all that was delivered has been processed."""
        shards = self._parts.shards
        return self._ready is None and shards.merge.buffered == 0 and not shards.gaps.open

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
        """The ledger with all that was processed so far, committed or not."""
        return self._parts.ledger

    def tally(self) -> Counter[str]:
        """What was counted since the last call: records by class, and forced releases."""
        tally = self._parts.ledger.tally()
        tally["forced"] = self._parts.processed.newly_forced()
        return tally

    def take(self, event: Event, now: float) -> None:
        """Take an event of the source in. ``now``: epoch seconds."""
        if isinstance(event, ShardBatch):
            self._parts.quarantine.keep(event.shard, event.sequence, event.rejects)
        self._parts.outbox.notify(self._parts.shards.take(event, now), now=now)
        self._recovery.check()

    def mute(self, mutes: Mutes) -> None:
        """These are the mutes from now on: they decide what is published of the records processed next."""
        self._parts.muting.learn(mutes, self._parts.processed.up_to)

    def offer(self, bundle: Bundle | None) -> None:
        """Activate this bundle from a minute on that the next head names (rule 17); None: keep the active one. A
        successor must find it stored."""
        self._parts.rollout.offer(bundle)

    def scores_with(self, bundle: str) -> bool:
        """Is the bundle of that id, the last one offered, active already?"""
        return self._commits.scores_with(bundle, self.watermark)

    def refuse(self, refusal: Refusal, now: float) -> None:
        """Report, once, that a bundle was refused."""
        notices = self._parts.bundle_notices.refuse(refusal, self._commits.head.bundle, now)
        self._parts.outbox.notify(notices, now=now)

    def accept(self, now: float) -> None:
        """Report that no refused bundle is there any more, if one was reported."""
        self._parts.outbox.notify(self._parts.bundle_notices.accept(self._commits.head.bundle, now), now=now)

    def declare_gap(self, since: float, reason: str, now: float, *, known_to: float | None = None) -> None:
        """The stream has nothing after ``since`` (a stamp, epoch s); the head stands for what is up to ``known_to``."""
        self._parts.shards.declare_gap(since, reason, now, known_to)
        self._recovery.missing()

    def gaps_to_read(self) -> list[Gap]:
        """Gaps that are to be read from the table now; each is named once. `take_items` takes what was found."""
        return self._parts.shards.gaps.to_read()

    def of_own_devices(self, decoded: Decoded) -> Decoded:
        """Of what the table has, that of the devices seen so far: the others are another lane's, or unknown."""
        return decoded.of_devices([*self._parts.known.values()])

    def take_items(self, gap: Gap, decoded: Decoded) -> None:
        """Take in all that the table has of a gap, in order of time."""
        self._parts.quarantine.keep(gap.name, decoded.sequence, decoded.rejects)
        self._parts.shards.take_items(gap, decoded)

    def await_fill(self) -> None:
        """The windows are to be filled: until then nothing is committed, so that a successor fills them too."""
        self._recovery.awaits_fill = True

    def fill(self, samples: Samples, *, own: bool = True) -> None:
        """Fill the windows at a first start, silently: the samples are context, and are not scored, counted or
        published. The first stream record of one of them is scored as new (rule 18). ``own``: their devices are this
        lane's; else each becomes that lane's which gets its first record."""
        self._recovery.fill(samples, own=own)

    def step(self, now: float) -> None:
        """Process all that may leave the merge, as far as the commit being filled has room for messages."""
        parts = self._parts
        # An exception in the middle leaves a record half processed: no commit may hold that, a restart does it again.
        self._sound = False
        parts.outbox.notify(parts.shards.overdue(now), now=now)
        self._full = not self._process_released(now)
        if self._full or now - self._stepped > PAUSE_S:
            # Nothing may be processed, or nothing was done for a while: no shard is to blame.
            parts.stall.excuse(now)
        self._stepped = now
        if self.recovering:
            parts.shards.cut()  # what is read again goes into no commit
        if self._ready is None:
            parts.outbox.notify(parts.shards.end(now), now=now)
            self._recovery.check()
        self._sound = True

    def cut(self, now: float, *, final: bool = False) -> Commit | None:
        """The next commit, or None while none is due: at once with a message, else every 5 s, as a heartbeat.

        ``final`` releases the lane: the next worker may take it over without waiting. None also after a fault: what
        was being processed is not known to be whole.
        """
        if not self._sound:
            return None
        due = final or self._commits.due(now)
        if self._recovery.holds_commits:
            return self._commits.heartbeat(now) if due and not final else None
        if not due and self._parts.outbox.messages == 0:
            return None
        self._sound = False
        commit = self._commits.cut(now, self.watermark, final=final)
        self._sound = True
        return commit

    def grants(self) -> dict[str, tuple[int, int]]:
        """By shard: its epoch, and the records by which its credit changes (negative: taken back)."""
        return self._parts.shards.grants(idle=not self._full)

    def epoch(self, shard: str) -> int | None:
        """The epoch in which a shard is being read; None for one that is not."""
        return self._parts.shards.epoch(shard)

    def _process_released(self, now: float) -> bool:
        """Timers and records in the order of their stamps. False when the commit has no room for more."""
        parts = self._parts
        merge = parts.shards.merge
        while (
            parts.outbox.messages + parts.outbox.messages_per_record(parts.scorer.touches) + MOST_NOTICES
            <= MAX_MESSAGES
        ):
            due = self._timers.due
            if self._ready is None:
                self._ready = merge.release(before=merge.slowest + MOST_AHEAD_S)
            if max(self.watermark, parts.processed.up_to) >= due:
                self._timers.fire(due, now)
            elif self._ready is not None:
                self._ready = self._processing.process(self._ready, now)
            else:
                self._pass_by(now)
                return True
        return False

    def _pass_by(self, now: float) -> None:
        """Stop waiting for a shard that has said nothing for too long, where the rules allow it (rule 7)."""
        parts, merge = self._parts, self._parts.shards.merge
        if not merge.shards:
            return  # the table's own lane where every lineage is one
        if parts.stall.look(merge.watermark, merge.furthest, now) and (passed := merge.pass_by()):
            parts.processed.forced += 1
            log.warning("forced release", shards=passed, watermark=merge.watermark)
        parts.outbox.notify(parts.stall.notices(now), now=now)
