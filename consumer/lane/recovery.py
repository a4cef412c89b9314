"""How a lane restores its windows before it continues: snapshot, re-read records, the table (rules 11, 18, 19)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from consumer.lane.parts import Parts
from consumer.state.head import Head
from consumer.state.snapshot import Snapshot
from reporting.health.notice import Notice
from reporting.health.state import DeviceHealth
from reporting.message import Message
from window.released import Released
from window.reorder import Delays
from window.samples import Kind, Samples

CHARTS_AGAIN_S = 300.0
"""Openings up to so long before a restart may lack their charts."""


class Recovery:
    """Brings the windows silently to the head's positions. Until then nothing new is committed.

    The windows of ``snapshot`` are older than ``head``, or of the same commit. Records between the two are re-read for
    the windows alone: they are not scored as new, counted or published. Meanwhile the snapshot's health counts, so that
    each record means what it meant the first time; then the head's health does.

    ``promised``: the last owner's outbox, to publish byte for byte before anything else. It is empty if the windows are
    of the head's own commit: they are its last step, so all that it promised was done.
    """

    def __init__(self, parts: Parts, head: Head, snapshot: Snapshot | None) -> None:
        self._parts = parts
        self._health, self._delays = dict(head.health), dict(head.delays)
        self._under_way = bool(parts.shards.reread)
        self.fresh: set[str] = set()
        """Devices of which new records came between those that are read again."""
        self._fired: set[str] = set()
        self._context = dict(snapshot.context) if snapshot is not None else {}
        self.awaits_fill = False
        """Set it while the windows wait for `fill`: nothing is committed, or a successor would not fill them."""
        if self._under_way:
            parts.processed.restart()
        parts.watch.restore(snapshot.health if snapshot is not None else {})
        self._restore_delays(snapshot.delays if self._under_way and snapshot is not None else head.delays)
        if not self._under_way:
            parts.watch.resume(head.health)
        if snapshot is not None:
            snapshot.restore(parts.scorer.windows, parts.names.devices)
            parts.known.update((name, parts.names.devices.code(name)) for name in snapshot.devices)
        for code in parts.known.values():
            parts.scored_minutes.restore(code)
            parts.outbox.recall(parts.scorer.recall(code))
        fulfilled = snapshot is not None and snapshot.commit == head.commit
        self.promised: tuple[Message, ...] = () if fulfilled else tuple(head.outbox.messages)
        if not fulfilled:
            # Rewrite only minutes that the windows have as a whole. Any other minute was written before these windows
            # were stored, since windows are the last step of a commit: its object is complete.
            outbox = parts.outbox
            outbox.promise(m for m in head.outbox.minutes if outbox.whole(m, parts.newest(m[0])))
        if not self._under_way:
            self._forget_unwatched()
            self._ask_for_charts()
        if head.watermark is not None:
            parts.charts.begin(head.watermark)

    @property
    def active(self) -> bool:
        """True while committed records are still to be re-read."""
        return bool(self._parts.shards.reread)

    @property
    def holds_commits(self) -> bool:
        """True while only a heartbeat may be committed: the windows are behind the head, or not filled yet. Windows
        stored now would lack these samples, and a successor would not read them."""
        return self.active or self.awaits_fill

    def rereads(self, records: Released) -> bool:
        """True if the first record was committed before the restart."""
        return bool(self._parts.shards.reread.rows(records.take(slice(0, 1)))[0])

    def gap_declared(self) -> None:
        """A gap was declared: committed records may have to be re-read from the table, from the beginning."""
        if self.active and not self._under_way:
            self._under_way = True
            self._parts.processed.restart()

    def new_among_reread(self, devices: Iterable[str]) -> None:
        """New records were processed. After a forced release (rule 7) they may come between re-read ones. The head does
        not have the health of their devices as of now."""
        if self._under_way:
            self.fresh.update(devices)

    def untold(self, notices: Iterable[Notice], due: float) -> list[Notice]:
        """Of the notices of a deadline that has passed while records are read again, those that were not told before
        the restart: of a deadline above the head's watermark, or of a silence that waited for a shard that was passed
        by, so that the head does not know of it."""
        before, untold = self._parts.processed.before, []
        for notice in notices:
            if due > before or self._waited(notice):
                untold.append(notice)
                self._fired.add(notice.device or "")
        return untold

    def knows(self, notice: Notice) -> bool:
        """Does the head know already, while records are read again, of a silence that a new record seems to end?"""
        stored = self._health.get(notice.device or "") if self._under_way else None
        if stored is None or (notice.type, notice.state) != ("health.silence", "closed"):
            return False
        return not stored.silent and stored.last > (notice.since or 0.0)

    def _waited(self, notice: Notice) -> bool:
        stored = self._health.get(notice.device or "")
        begins = (notice.type, notice.state) == ("health.silence", "opened") and notice.since is not None
        return begins and stored is not None and not stored.silent and stored.last <= (notice.since or 0.0)

    def check_finished(self) -> None:
        """Once all is re-read, the head's health counts: timers that fired since the snapshot must not fire again."""
        if not self._under_way or self.active:
            return
        self._under_way = False
        self._parts.processed.advance(self._parts.processed.before)
        self._restore_delays(self._delays)
        self._parts.watch.resume(self._health | self._fresh_health())
        self.fresh.clear()
        self._fired.clear()
        self._forget_unwatched()
        self._ask_for_charts()

    def release(self, device: str) -> DeviceHealth | None:
        """Another lane has a device from now on; returns its health as the head has it, None where that is no longer
        what counts."""
        return self._health.pop(device, None) if self._under_way else None

    def adopt(self, device: str, health: DeviceHealth) -> None:
        """Keep the health of a device that another lane has had until now, also when all is re-read."""
        if self._under_way:
            self._health[device] = health

    def fill(self, samples: Samples, *, own: bool = True) -> None:
        """Fill the empty windows at a first start. The samples are context: they are not scored, counted or published.
        If the stream delivers one of them, it is scored as new (rule 18). ``own``: their devices belong to this lane;
        otherwise a device belongs to the lane that gets its first record, and this lane stores its window until that
        one has stored it."""
        self.awaits_fill = False
        parts, windows = self._parts, self._parts.scorer.windows
        rest = samples.take(samples.kind == Kind.BACKFILL)
        empty = [code for code in np.unique(rest.device).tolist() if windows.count(code) == 0]
        rest = rest.take(np.isin(rest.device, empty))
        while len(rest):
            count = max(1, windows.in_order(rest))
            windows.keep_as_context(windows.upsert(rest.take(slice(0, count))))
            windows.evict(rest.device[:count])
            rest = rest.take(slice(count, None))
        (parts.known if own else parts.context).update({parts.names.devices[code]: code for code in empty})
        for code in empty if own else []:
            parts.watch.expect(code, windows.newest(code))

    def restore_context(self) -> None:
        """Put the windows back that the last owner had filled, of the devices that no lane had stored since. All lanes
        must be restored before."""
        windows = self._parts.scorer.windows
        for device, columns in self._context.items():
            code = self._parts.names.devices.code(device)
            if windows.count(code) == 0:
                windows.restore(code, columns)
                self._parts.context[device] = code
        self._context = {}

    def stored_elsewhere(self, devices: Iterable[str]) -> None:
        """Another lane has stored the windows of these devices."""
        for device in devices:
            self._parts.context.pop(device, None)

    def _restore_delays(self, delays: Delays) -> None:
        self._parts.shards.merge.reorder.restore(delays, self._parts.names.devices)

    def _fresh_health(self) -> dict[str, DeviceHealth]:
        states, changed = self._parts.watch.states, self.fresh | self._fired
        return {device: self._fresh_state(device, state) for device, state in states.items() if device in changed}

    def _fresh_state(self, device: str, state: DeviceHealth) -> DeviceHealth:
        stored = self._health.get(device, state)
        told = [at for at in (stored.quarantine_told, state.quarantine_told) if at is not None]
        stored = replace(stored, quarantine_told=max(told, default=None))
        if state.last > stored.last or device in self._fired:
            newer = replace(stored, last=max(state.last, stored.last), silent=state.silent, context=state.context)
            return replace(newer, late=state.late, late_stamp=state.late_stamp) if device in self._fired else newer
        return stored

    def _forget_unwatched(self) -> None:
        """The windows may be older than the head. Forget the devices that were forgotten in between."""
        for device in self._parts.known.keys() - self._parts.watch.states.keys():
            self._parts.forget(device)

    def _ask_for_charts(self) -> None:
        """Ask again for the charts of recent openings: messages have their links, and the last owner may have ended
        before they were drawn."""
        parts = self._parts
        for episode in parts.outbox.episodes:
            if episode.device in parts.known and episode.shown >= parts.processed.before - CHARTS_AGAIN_S:
                parts.charts.opening(episode.device, episode.shown)
