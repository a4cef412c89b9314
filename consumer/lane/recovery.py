"""How a lane gets back its windows before it goes on: snapshot, records read again, the table (rules 11, 18, 19)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from consumer.lane.parts import Parts
from consumer.state.head import Head
from consumer.state.snapshot import Snapshot
from reporting.health.state import DeviceHealth
from reporting.message import Message
from window.merge import Released
from window.samples import Kind, Samples


class Recovery:
    """Brings the windows silently to where the head stands. Until then nothing new is committed.

    The windows of ``snapshot`` are older than ``head``, or of the same commit. Records between the two are read again:
    for the windows alone, not scored as new, counted or published. What the head says of health holds once they are
    read; until then the snapshot's health does, so that each record means what it meant the first time.

    ``promised``: the last owner's outbox, to be published word for word before anything else. Empty where the windows
    are of the head's own commit: they are the last step of a commit, so all that it promised was done.
    """

    def __init__(self, parts: Parts, head: Head, snapshot: Snapshot | None) -> None:
        self._parts = parts
        self._health = head.health
        self._under_way = bool(parts.shards.reread)
        self._fresh: set[str] = set()
        self.awaits_fill = False
        if self._under_way:
            parts.processed.restart()
        parts.watch.restore(snapshot.health if snapshot is not None else {})
        if not self._under_way:
            parts.watch.resume(head.health)
        if snapshot is not None:
            snapshot.restore(parts.scorer.windows, parts.names.devices)
            parts.known.update((name, parts.names.devices.code(name)) for name in snapshot.devices)
        for code in parts.known.values():
            parts.outbox.recall(parts.scorer.recall(code))
        fulfilled = snapshot is not None and snapshot.commit == head.commit
        self.promised: tuple[Message, ...] = () if fulfilled else tuple(head.outbox.messages)
        if not fulfilled:
            # A minute that the windows do not hold whole was written before they were: they are a commit's last step.
            outbox = parts.outbox
            outbox.promise(m for m in head.outbox.minutes if outbox.whole(m, parts.newest(m[0])))
        if not self._under_way:
            self._forget_unwatched()
        if head.watermark is not None:
            parts.charts.begin(head.watermark)

    @property
    def active(self) -> bool:
        """True while records are to be read again that the head already stands for."""
        return bool(self._parts.shards.reread)

    @property
    def holds_commits(self) -> bool:
        """True while nothing may be committed but a heartbeat: a successor would have to do the same again."""
        return self.active or self.awaits_fill

    def rereads(self, records: Released) -> bool:
        """True when the first record was committed before the restart."""
        return bool(self._parts.shards.reread.rows(records.take(slice(0, 1)))[0])

    def missing(self) -> None:
        """A gap was declared: what the head stands for may have to be read from the table, from the beginning."""
        if self.active and not self._under_way:
            self._under_way = True
            self._parts.processed.restart()

    def new_among_reread(self, devices: Iterable[str]) -> None:
        """Records were processed that are not read again. After a guess (rule 7) they may come among those that are:
        the head does not know all of their devices' health."""
        if self._under_way:
            self._fresh.update(devices)

    def check(self) -> None:
        """Once all is read again the head's word counts: timers that fired since the snapshot must not fire again."""
        if not self._under_way or self.active:
            return
        self._under_way = False
        self._parts.processed.advance(self._parts.processed.before)
        self._parts.watch.resume(self._health | self._fresh_health())
        self._fresh.clear()
        self._forget_unwatched()

    def fill(self, samples: Samples, *, own: bool) -> None:
        """Fill the windows at a first start: see `Lane.fill`."""
        self.awaits_fill = False
        windows = self._parts.scorer.windows
        rest = samples.take(samples.kind == Kind.BACKFILL)
        while len(rest):
            count = max(1, windows.in_order(rest))
            windows.keep_as_context(windows.upsert(rest.take(slice(0, count))))
            windows.evict(rest.device[:count])
            rest = rest.take(slice(count, None))
        for code in np.unique(samples.device[samples.kind == Kind.BACKFILL]) if own else []:
            self._parts.known[self._parts.names.devices[int(code)]] = int(code)
            self._parts.watch.expect(int(code), windows.newest(int(code)))

    def _fresh_health(self) -> dict[str, DeviceHealth]:
        states, stored = self._parts.watch.states, self._health
        return {
            device: replace(stored[device], last=max(stored[device].last, state.last)) if device in stored else state
            for device, state in states.items()
            if device in self._fresh
        }

    def _forget_unwatched(self) -> None:
        """The windows may be older than the head: devices that were forgotten in between."""
        for device in self._parts.known.keys() - self._parts.watch.states.keys():
            self._parts.forget(device)
