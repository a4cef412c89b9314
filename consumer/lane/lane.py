"""The lane: the unit of order, ownership and state. Pure: events in, commits out, time is an argument.

For every record, in merged order: count it, score it, judge it, tell of it. What it has to tell waits for the next
commit; nothing leaves before the head that promises it is durable.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import inf, isfinite
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from consumer.heartbeat import HEARTBEAT_S
from consumer.intake.shards import Shards
from consumer.intake.stall import MOST_AHEAD_S, Stall
from consumer.lane.bundle_notices import Refusals
from consumer.lane.rotation import Rotation
from consumer.lane.single_device import SoleDevice
from consumer.lane.warming import Warming
from consumer.outgoing.chart_schedule import ChartSchedule
from consumer.outgoing.muting import Muting
from consumer.outgoing.outbox import LaneOutbox, Reporting
from consumer.outgoing.quarantine import Quarantine
from consumer.state.commit import Commit
from consumer.state.head import Gap, Head, InForce, Outbox, Refusal
from consumer.state.ledger import Ledger
from consumer.state.snapshot import Snapshot
from consumer.stream.records import FUTURE_S, Decoded
from consumer.stream.source import Event, ShardBatch
from reporting.anomaly.episodes import CLOSED_AFTER_S, Episodes
from reporting.health.state import DeviceHealth
from reporting.health.watch import Observation, Watch
from reporting.message import Message
from reporting.mutes import Mutes
from reporting.sinks.archive import StoredObject
from scoring.bundle import Bundle
from scoring.scorer import Scored, Scorer
from window.merge import Released, own_stamps
from window.samples import Floats, Kind, Names, Samples

MAX_MESSAGES = 50
NOTICES = 10
"""Of a commit's messages, those kept free for notices about health."""
SNAPSHOT_EVERY_S = 60.0
BOOKS_EVERY_S = 5.0
PAUSE_S = 10.0
LONGEST_RUN = 2048
"""Records scored at once. Where all are anomalous, the room of a commit ends the run: what was scored beyond it is
scored again."""
log = structlog.get_logger(__name__)


class Lane:
    """Processes what its source delivers and cuts it into commits.

    ``head``: where the last owner stood, already made one's own; ``snapshot``: the windows as of some time before.
    The source must begin at the snapshot's positions: records up to the head's are processed silently, for the
    windows alone. ``scorer``: the bundle over the windows, which the lanes of a worker share; each has devices of its
    own. ``devices`` and ``shards``: the tables of codes that the source's decoder fills. ``heartbeat_s``: how often it
    gives a sign of life. ``one_device``: the table's key cannot tell two devices apart.
    """

    def __init__(
        self,
        scorer: Scorer,
        head: Head,
        to: Reporting,
        *,
        devices: Names,
        shards: Names,
        snapshot: Snapshot | None = None,
        heartbeat_s: float = HEARTBEAT_S,
        one_device: bool = False,
    ) -> None:
        self._head = head
        self._heartbeat_s = heartbeat_s
        self._shards = Shards(head, snapshot, shards)
        self._scorer = scorer
        self._ledger = Ledger(devices, head.ledger)
        self._muting = Muting(head.untold, head.held, head.watermark)
        self._outbox = LaneOutbox(
            scorer.bundles,
            to,
            Episodes(head.episodes),
            self._muting,
            devices=devices,
            shards=shards,
        )
        self._quarantine = Quarantine(shards, devices, head.quarantined)
        self._sole = SoleDevice(devices, head.device, head.device_last) if one_device else None
        self._watch = Watch(to.table, devices, scorer.bundles)
        self._rotation = Rotation(scorer.bundles, devices)
        self._refusals = Refusals(head.refused, lane=head.lane)
        self._devices = devices
        self._own: dict[str, int] = {}
        self.charts = ChartSchedule(scorer, self._own, to.chart_prefix)
        self._ready: Released | None = None
        self._stall = Stall(head.lagging, lane=head.lane)
        self._warming = Warming(cold=head.cold, since=head.warming, lane=head.lane)
        self._forced = self._forced_tallied = head.forced
        self._begun = -inf if head.watermark is None else head.watermark
        self._latest = -inf if head.newest is None else head.newest
        self._read_again_from = -inf
        self._full = False
        self._to_fill = False
        self._stepped = inf
        self._sound = True
        self._last_cut = -inf
        self._last_snapshot = -inf
        self._last_books = -inf
        self._recovering = bool(self._shards.told)
        self._new: set[str] = set()
        # What is read again is timed and classed as it was the first time: a device forgotten then is forgotten again,
        # and there; and without windows from the beginning, when nothing was known.
        self._floor = -inf if self._recovering else self._begun
        then = snapshot.health if snapshot is not None else {}
        self._watch.restore(then)
        if not self._recovering:
            self._watch.resume(head.health)
        if snapshot is not None:
            snapshot.restore(scorer.windows, devices)
            self._own.update((name, devices.code(name)) for name in snapshot.devices)
        for code in self._own.values():
            self._outbox.recall(scorer.recall(code))
        # The windows are the last step of a commit: where they are of the head's own, all it promised has been done.
        self._fulfilled = snapshot is not None and snapshot.commit == head.commit
        if not self._fulfilled:
            # A minute that the windows do not hold whole was written before they were: they are a commit's last step.
            self._outbox.promise(m for m in head.outbox.minutes if self._outbox.whole(m, self._newest(m[0])))
        if not self._recovering:
            self._forget_unwatched()
        if head.watermark is not None:
            self.charts.begin(head.watermark)

    @property
    def promised(self) -> tuple[Message, ...]:
        """The last owner's outbox: to be sent, word for word, before anything else."""
        return () if self._fulfilled else tuple(self._head.outbox.messages)

    @property
    def recovering(self) -> bool:
        """True while records are read again that the head already stands for."""
        return bool(self._shards.told)

    @property
    def name(self) -> str:
        """The lane's name."""
        return self._head.lane

    @property
    def shards(self) -> list[str]:
        """The shards it has positions in."""
        return self._shards.known

    @property
    def watching(self) -> bool:
        """True once the shards have been listed and every open one was heard of."""
        return self._shards.watching

    @property
    def watermark(self) -> float:
        """All records with a lower stamp have been processed; -inf at the beginning."""
        return self._shards.merge.watermark if self._ready is None else float(self._ready.stamp[0])

    @property
    def lagging(self) -> bool:
        """True while the lane waits for a shard that it may not pass by."""
        return self._stall.lagging

    @property
    def idle(self) -> bool:
        """True when all that was delivered has been processed."""
        return self._ready is None and self._shards.merge.buffered == 0 and not self._shards.gaps.open

    @property
    def devices(self) -> list[str]:
        """The devices seen so far."""
        return list(self._own)

    def tally(self) -> Counter[str]:
        """What was counted since the last call: records by class, and forced releases."""
        tally = self._ledger.tally()
        tally["forced"] = self._forced - self._forced_tallied
        self._forced_tallied = self._forced
        return tally

    @property
    def ledger(self) -> Ledger:
        """The books, with all that was processed so far, committed or not."""
        return self._ledger

    def take(self, event: Event, now: float) -> None:
        """Take an event of the source in. ``now``: epoch seconds."""
        if isinstance(event, ShardBatch):
            self._quarantine.keep(event.shard, event.sequence, event.rejects)
        self._outbox.notify(self._shards.take(event, now), now=now)
        self._check_recovered()

    def mute(self, mutes: Mutes) -> None:
        """These are the mutes from now on: they decide what is told of the records processed next."""
        self._muting.learn(mutes, self._floor)

    def offer(self, bundle: Bundle | None) -> None:
        """This bundle is to be in force from a minute on that the next head names (rule 17); None for whatever is. A
        successor must find it stored."""
        self._rotation.offer(bundle)

    def scores_with(self, bundle: str) -> bool:
        """Is the bundle of that id, the last one offered, in force already?"""
        (*_, last) = self._head.bundles or [InForce(self._head.bundle)]
        return last.bundle == bundle and (last.since is None or last.since <= self.watermark)

    def refuse(self, refusal: Refusal, now: float) -> None:
        """Tell that a bundle was refused, once."""
        self._outbox.notify(self._refusals.refuse(refusal, self._head.bundle, now), now=now)

    def accept(self, now: float) -> None:
        """Tell that nothing refused is there any more, if that was told."""
        self._outbox.notify(self._refusals.accept(self._head.bundle, now), now=now)

    def declare_gap(self, since: float, reason: str, now: float, *, known_to: float | None = None) -> None:
        """The stream has nothing after ``since`` (a stamp, epoch s); the head stands for what is up to ``known_to``."""
        self._shards.declare_gap(since, reason, now, known_to)
        if self.recovering and not self._recovering:
            self._recovering, self._floor = True, -inf

    def gaps_to_read(self) -> list[Gap]:
        """Gaps that are to be read from the table now; each is named once. `take_items` takes what was found."""
        return self._shards.gaps.to_read()

    def of_own_devices(self, decoded: Decoded) -> Decoded:
        """Of what the table has, that of the devices seen so far: the others are another lane's, or unknown."""
        rows = np.flatnonzero(np.isin(decoded.samples.device, [*self._own.values()]))
        rejects = {row: decoded.rejects[int(old)] for row, old in enumerate(rows) if int(old) in decoded.rejects}
        return Decoded(decoded.samples.take(rows), decoded.sequence[rows], rejects)

    def take_items(self, gap: Gap, decoded: Decoded) -> None:
        """Take in all that the table has of a gap, in order of time."""
        self._quarantine.keep(gap.name, decoded.sequence, decoded.rejects)
        self._shards.take_items(gap, decoded)

    def await_fill(self) -> None:
        """The windows are to be filled: until then nothing is committed, so that a successor fills them too."""
        self._to_fill = True

    def fill(self, samples: Samples, *, own: bool = True) -> None:
        """Fill the windows at a first start, silently: the samples are context, and are not scored, counted or told.
        The first stream record of one of them is scored as new (rule 18). ``own``: their devices are this lane's; else
        each becomes that lane's which gets its first record."""
        self._to_fill = False
        rest = samples.take(samples.kind == Kind.BACKFILL)
        while len(rest):
            count = max(1, self._scorer.windows.in_order(rest))
            self._scorer.windows.keep_as_context(self._scorer.windows.upsert(rest.take(slice(0, count))))
            self._scorer.windows.evict(rest.device[:count])
            rest = rest.take(slice(count, None))
        for code in np.unique(samples.device[samples.kind == Kind.BACKFILL]) if own else []:
            self._own[self._devices[int(code)]] = int(code)
            self._watch.expect(int(code), self._scorer.windows.newest(int(code)))

    def step(self, now: float) -> None:
        """Process all that may leave the merge, as far as the commit being filled has room for messages."""
        # Whoever raises in the middle leaves a record half told: no commit may hold that, a restart does it again.
        self._sound = False
        self._outbox.notify(self._shards.overdue(now), now=now)
        self._full = False
        while self._outbox.messages + self._outbox.messages_per_record(self._scorer.touches) + NOTICES <= MAX_MESSAGES:
            due = min(self.charts.due, self._watch.due, self._warming.due, self._due)
            if self._ready is None:
                self._ready = self._shards.merge.release(before=self._shards.merge.slowest + MOST_AHEAD_S)
            next_stamp = self._shards.merge.watermark if self._ready is None else float(self._ready.stamp[0])
            if max(next_stamp, self._floor) >= due:
                self._fire(due, now)
            elif self._ready is not None:
                self._process(self._ready, now)
            else:
                self._pass_by(now)
                break
        else:
            self._full = True
        if self._full or now - self._stepped > PAUSE_S:
            # Nothing may be processed, or nothing was done for a while: no shard is to blame.
            self._stall.excuse(now)
        self._stepped = now
        if self.recovering:
            self._shards.cut()  # what is read again goes into no commit
        if self._ready is None:
            self._outbox.notify(self._shards.end(now), now=now)
            self._check_recovered()
        self._sound = True

    def cut(self, now: float, *, final: bool = False) -> Commit | None:
        """The next commit, or None while none is due: at once with a message, else every 5 s, as a sign of life.

        ``final`` releases the lane: the next worker may take it over without waiting. None also after a fault: what
        was being processed is not known to be whole.
        """
        if not self._sound:
            return None
        due = final or now - self._last_cut >= self._heartbeat_s
        if self.recovering or self._to_fill:
            return self._heartbeat(now) if due and not final else None
        if not due and self._outbox.messages == 0:
            return None
        self._sound = False
        self._last_cut = now
        batch = self._outbox.drain()
        self._shards.cut()
        read_again_from = self._read_again_from
        snapshot = None
        windows = final or self._shards.rebased or now - self._last_snapshot >= SNAPSHOT_EVERY_S
        self._shards.next_commit(windows=windows)
        if windows:
            self._last_snapshot = now
            self._read_again_from = self.watermark  # for the next cut: until this one is durable, the last one's counts
            snapshot = Snapshot.of(
                self._head.commit + 1, self._scorer.windows, self._own, self._shards.positions, self._watch.states
            )
        self._ledger.muted(batch.muted)
        days = self._ledger.days
        head = self._head.model_copy(
            update={
                "commit": self._head.commit + 1,
                "heartbeat": now,
                "released": final,
                "watermark": self.watermark if isfinite(self.watermark) else self._head.watermark,
                "newest": self._latest if isfinite(self._latest) else None,
                "positions": {shard: position.model_copy() for shard, position in self._shards.positions.items()},
                "episodes": self._outbox.episodes.stored,
                "untold": self._muting.suppressed(self._outbox.episodes),
                "held": self._muting.deferred,
                "health": self._watch.settled,
                "gaps": self._shards.gaps.stored,
                "filled": self._shards.gaps.filled,
                "ledger": days,
                "forced": self._forced,
                "quarantined": {s: n for s, n in self._quarantine.kept.items() if s in self._shards.positions},
                "device": self._sole and self._sole.name,
                "device_last": self._sole and self._sole.last,
                "lagging": self._stall.told,
                "refused": self._refusals.told,
                "cold": self._warming.cold,
                "warming": self._warming.since,
                "outbox": Outbox(messages=list(batch.messages), minutes=list(batch.minutes)),
            }
        )
        self._head = self._rotation.turn(head, read_again_from)
        commit = Commit(
            head=self._head,
            messages=batch.messages,
            minutes=tuple(self._outbox.minute(minute) for minute in batch.minutes),
            quarantine=self._quarantine.drain(),
            books=tuple(self._books(now, final=final)),
            snapshot=snapshot,
        )
        self._sound = True
        return commit

    def grants(self) -> dict[str, tuple[int, int]]:
        """By shard: its epoch, and the records by which its credit changes (negative: taken back)."""
        return self._shards.grants(idle=not self._full)

    def epoch(self, shard: str) -> int | None:
        """The epoch in which a shard is being read; None for one that is not."""
        return self._shards.epoch(shard)

    @property
    def _due(self) -> float:
        """The stamp at which a step of an episode is due, or something that was muted. What is read again lies before
        any step that the head has not told; one may be due before it is known that nothing is left to read again."""
        return min(self._outbox.due, inf if self.recovering else self._muting.due)

    def _newest(self, device: str) -> float:
        return self._scorer.windows.newest(self._own[device]) if device in self._own else -inf

    def _heartbeat(self, now: float) -> Commit:
        """A sign of life while nothing may be committed: the last owner's head as it was, promises included."""
        self._last_cut = now
        self._head = self._head.model_copy(update={"heartbeat": now})
        return Commit(self._head)

    def _pass_by(self, now: float) -> None:
        """Stop waiting for a shard that has said nothing for too long, where the rules allow it (rule 7)."""
        if not self._shards.merge.shards:
            return  # the table's own lane where every lineage is one
        if self._stall.look(self._shards.merge.watermark, self._shards.merge.furthest, now):
            passed = self._shards.merge.pass_by()
            if passed:
                self._forced += 1
                log.warning("forced release", shards=passed, watermark=self._shards.merge.watermark)
        self._outbox.notify(self._stall.notices(now), now=now)

    def _fire(self, due: float, now: float) -> None:
        """A deadline is reached before the next record (rule 15)."""
        if self._due <= due:
            if self._outbox.due <= due:
                self._outbox.fire(now=now)
            else:
                self._outbox.flush_unmuted(self._muting.fire(), now=now)
            return
        if self._warming.due == due:
            notices = self._warming.fire()
            self._outbox.notify([] if self.recovering else notices, now=now)
            return
        if self._watch.due > due:
            self.charts.fire(now)
            return
        self._floor = max(self._floor, due)
        notices = self._watch.fire()
        for code in self._watch.forgotten():
            self._forget(self._devices[code])
        # While recovering, they were told before the restart: those that the head's watermark had reached.
        self._outbox.notify([] if self.recovering and due <= self._begun else notices, now=now)

    def _process(self, ready: Released, now: float) -> None:
        """Process a leading run of records of one class; what is left waits in ``_ready``. A run ends before any
        deadline that it may set itself: a timer must not fire late because records came in one page."""
        run = ready.take(slice(0, LONGEST_RUN))
        told = self._shards.told.rows(run)
        silent = bool(told[0])
        room = MAX_MESSAGES - NOTICES - self._outbox.messages
        if not silent:
            self.charts.begin(float(run.stamp[0]))
            self._outbox.notify(self._warming.begin(float(run.stamp[0])), now=now)
        before = min(self.charts.until(float(run.stamp[0])), self._warming.due, self._due)
        run = run.take(slice(0, min(_run_length(told), max(1, int(np.searchsorted(run.stamp, before))))))
        run = run.take(slice(0, self._watch.reach(run.samples, self._times(run), np.maximum(run.stamp, self._floor))))
        if self._sole is not None:
            run = replace(run, samples=run.samples.of_kind(self._sole.classes(run.samples, run.stamp)))
        stamp = self._times(run)
        duplicate = not silent and self._met_before(run)
        if duplicate:
            run = run.take(slice(0, 1))
            if run.samples.kind[0] == Kind.BACKFILL:
                self._done(run, ready)
                return
        seen = self._watch.observe(run.samples, stamp)
        if len(seen.notices) > NOTICES:
            run = run.take(slice(0, max(1, seen.notices[NOTICES][0])))
        run = run.take(slice(0, next((row for row in seen.set_back if row), None)))
        if seen.set_back and seen.set_back[0] == 0:
            self._scorer.windows.set_back(int(run.samples.device[0]), float(run.samples.ts[0]))
        kind = Kind(int(seen.kind[0]))
        run = run.take(slice(0, _run_length(seen.kind[: len(run)])))
        scored = None
        if kind.scored:
            if silent:
                scored, count = self._scorer.take(run.samples, most_anomalies=len(run) + self._scorer.touches)
            else:
                # What an episode that begins in the run leads to must not be late because records came in one page.
                ends = np.searchsorted(run.stamp, run.stamp + CLOSED_AFTER_S)
                most = self._outbox.capacity(room)
                scored, count = self._scorer.take(run.samples, most_anomalies=most, ends=ends)
            self._own.update((self._devices[int(code)], int(code)) for code in np.unique(run.samples.device[:count]))
            run = run.take(slice(0, count))
            on_time = run.samples.ts <= run.samples.created + FUTURE_S
            self._latest = float(np.max(run.samples.ts, where=on_time, initial=self._latest))
        if len(run) < len(seen.kind):
            seen = self._watch.observe(run.samples, stamp[: len(run)])
        self._watch.apply(seen)
        if self._sole is not None:
            self._sole.seen(run.samples, run.stamp)
        # A broken promise: it came below what was processed, be it among what is read again.
        processed = self._floor if silent else max(self._floor, self._begun)
        self._forced += int((run.stamp < processed).sum())
        if not silent:
            self._account(run, seen, scored, now, duplicate=duplicate)
        elif scored is not None:
            self._outbox.recall(scored)
        self._done(run, ready)

    def _met_before(self, run: Released) -> bool:
        """Is the first record a sample that is known with the same values, from the table or from the stream before it
        (rule 19)? The table's has then nothing new; the stream's is a duplicate."""
        first = run.samples.take(slice(0, 1))
        kind = Kind(int(first.kind[0]))
        twice = kind is Kind.BACKFILL or (kind is Kind.SAMPLE and self._shards.gaps.covers(float(first.ts[0])))
        return twice and self._scorer.windows.holds(first)

    def _done(self, run: Released, ready: Released) -> None:
        """The leading ``run`` of ``ready`` was processed; what is left waits."""
        self._floor = max(self._floor, float(run.stamp[-1]))
        self._shards.move_past(run)
        self._quarantine.forget(run)
        self._check_recovered()
        self._ready = ready.take(slice(len(run), None)) if len(run) < len(ready) else None

    def _times(self, run: Released) -> Floats:
        """When each record shows its device to be alive, shape (n,). Health goes by a record's own time, whatever its
        shard holds besides. After a guess (rule 7) a record may come below what was processed: it shows that its device
        is alive now."""
        return np.where(run.stamp < self._floor, self._floor, own_stamps(run.samples))

    def _account(self, run: Released, seen: Observation, scored: Scored | None, now: float, *, duplicate: bool) -> None:
        """Enter records of one class in the books and tell of them."""
        if self._recovering:
            self._new.update(self._devices[int(code)] for code in np.unique(run.samples.device))
        samples = run.samples.of_kind(seen.kind)
        from_stream = samples.kind != Kind.BACKFILL
        self._ledger.read(samples.take(from_stream))
        self._shards.found(samples.take(~from_stream))
        self._ledger.duplicate(samples) if duplicate else self._ledger.classed(samples)
        if scored is None:
            self._outbox.notify((notice for _, notice in seen.notices), now=now)
            if Kind(int(seen.kind[0])).quarantined:
                self._quarantine.quarantine(run)
            return
        if len(scored.ts) == 0 and samples.kind[0] == Kind.SAMPLE:
            # Older than its window, which only a guess (rule 7) can bring about: it is not scored, and not booked so.
            log.warning("older than the window: not scored", ts=float(samples.ts[0]), sequence=str(run.sequence[0]))
            self._ledger.moved(float(samples.created[0]), int(samples.device[0]), "scored", "late")
        self._outbox.emit(scored, run, self._times(run), seen.notices, now=now)
        for row in self._quarantine.quarantine_unscorable(scored, run):
            self._ledger.moved(float(samples.created[row]), int(samples.device[row]), "scored", "quarantined")
        for device, ts in self._outbox.opened():
            self.charts.opening(device, ts)
        for code in np.unique(samples.device):
            self._outbox.forget(self._devices[int(code)], self._scorer.windows.newest(int(code)))

    def _check_recovered(self) -> None:
        """Once the reading again is done the head's word counts: timers that fired since the snapshot are not to fire
        again."""
        if self._recovering and not self.recovering:
            self._recovering = False
            self._floor = max(self._floor, self._begun)
            self._watch.resume(self._head.health | self._health_since())
            self._new.clear()
            self._forget_unwatched()

    def _health_since(self) -> dict[str, DeviceHealth]:
        """Of the devices of which the head does not know all: after a guess (rule 7) a new record may come among those
        that are read again."""
        states, known = self._watch.states, self._head.health
        return {
            device: replace(known[device], last=max(known[device].last, state.last)) if device in known else state
            for device, state in states.items()
            if device in self._new
        }

    def _forget(self, device: str) -> None:
        """A device was silent for a day: all that is kept of it goes, at that moment of event time in every run."""
        code = self._own.pop(device, None)
        if code is not None:
            self._scorer.windows.forget(code)
        self._outbox.detach(device)
        if not self.recovering:  # the head's episodes are those of later
            self._outbox.episodes.forget(device)
        self.charts.forget(device)

    def _forget_unwatched(self) -> None:
        """The windows may be older than the head: devices that were forgotten in between."""
        for device in self._own.keys() - self._watch.states.keys():
            self._forget(device)

    def _books(self, now: float, *, final: bool) -> list[StoredObject]:
        """The books of the days that changed, now and then: the head holds them all the same."""
        if not final and now - self._last_books < BOOKS_EVERY_S:
            return []
        self._last_books = now
        return self._ledger.objects(self._head.lane)


def _run_length(values: NDArray[Any]) -> int:
    """How many leading values are equal to the first."""
    other = np.flatnonzero(values != values[0])
    return int(other[0]) if len(other) else len(values)
