"""Deadlines. Timers run on the watermark, so a catch-up gives the same events as watching does (rule 15)."""

from __future__ import annotations

from math import inf

import numpy as np

from consumer.lane.parts import Parts
from consumer.lane.recovery import Recovery
from window.released import Released
from window.samples import Kind


class Timers:
    """All deadlines of a lane, stamps in epoch seconds. A deadline before the next record fires first."""

    def __init__(self, parts: Parts, recovery: Recovery) -> None:
        self._parts = parts
        self._recovery = recovery

    def due(self, watermark: float) -> float:
        """The next deadline; infinite if there is none."""
        parts = self._parts
        return min(parts.charts.due, self._health_due(watermark), parts.warming.due, self._messages_due)

    def before(self, stamp: float) -> float:
        """The stamp before which a run that begins at ``stamp`` must end. The run may set deadlines itself, and these
        must fire on time even if its records came in one page."""
        return min(self._parts.charts.until(stamp), self._parts.warming.due, self._messages_due)

    def fire(self, due: float, watermark: float, now: float, ready: Released | None = None) -> None:
        """The ``watermark`` has reached ``due``. ``now``: epoch seconds, for the times in messages. ``ready``: records
        that are processed next."""
        parts, rereading = self._parts, self._recovery.active
        if self._messages_due <= due:
            if self._storms_due <= due:
                parts.waiting.fire_storms(due, now=now)
            elif parts.outbox.due <= due:
                parts.outbox.fire(now=now)
            else:
                parts.outbox.flush_unmuted(parts.muting.fire(), now=now)
        elif parts.warming.due == due:
            notices = parts.warming.fire()
            parts.outbox.notify([] if rereading else notices, now=now)
        elif self._health_due(watermark) > due:
            parts.charts.fire(now)
        else:
            parts.processed.advance(due)
            for code, since in self._came(due, ready).items():
                parts.watch.alive(code, since)
            notices = parts.watch.fire() if parts.watch.due <= due else []
            for code in parts.watch.forgotten():
                parts.forget(parts.names.devices[code])
            if rereading:
                notices = self._recovery.untold(notices, due)
            parts.outbox.notify(notices, now=now, stamp=due)

    def _came(self, due: float, ready: Released | None) -> dict[int, float]:
        """By device code: when the first sample of it was written that came before ``due`` and is processed later, as
        it waits, or has waited, for those that belong before it."""
        since = self._parts.shards.merge.reorder.waiting_since()
        if ready is not None:
            samples = ready.samples
            for row in np.flatnonzero((samples.created < due) & (samples.kind != Kind.REMOVED)):
                code = int(samples.device[row])
                since[code] = min(since.get(code, inf), float(samples.created[row]))
        return {code: at for code, at in since.items() if at < due}

    def _health_due(self, watermark: float) -> float:
        """The next deadline of a device's health, once all records of all shards below it are processed: before, a
        record of the device may still come."""
        due = self._parts.watch.due
        return due if due <= min(watermark, self._parts.shards.merge.unread) else inf

    @property
    def _messages_due(self) -> float:
        """The stamp at which an episode's step, a suppressed message or one about many devices is due. Steps that were
        not published lie after all re-read records. The others may not, so they wait until re-reading is done."""
        muted = inf if self._recovery.active else self._parts.muting.due
        return min(self._parts.outbox.due, self._storms_due, muted)

    @property
    def _storms_due(self) -> float:
        return inf if self._recovery.active else self._parts.waiting.storms_due
