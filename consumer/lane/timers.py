"""What is due at a time: timers run on the watermark, never on a clock (rule 15)."""

from __future__ import annotations

from math import inf

from consumer.lane.parts import Parts
from consumer.lane.recovery import Recovery


class Timers:
    """All deadlines of a lane, stamps in epoch seconds. One that lies before the next record fires first."""

    def __init__(self, parts: Parts, recovery: Recovery) -> None:
        self._parts = parts
        self._recovery = recovery

    @property
    def due(self) -> float:
        """The next deadline; infinite where none is."""
        parts = self._parts
        return min(parts.charts.due, parts.watch.due, parts.warming.due, self._messages_due)

    def before(self, stamp: float) -> float:
        """The stamp before which a run of records that begins at ``stamp`` must end. It may set deadlines itself, and
        these must not fire late because its records came in one page."""
        return min(self._parts.charts.until(stamp), self._parts.warming.due, self._messages_due)

    def fire(self, due: float, now: float) -> None:
        """The watermark has reached ``due``; ``now``: epoch seconds, for what is written down."""
        parts, rereading = self._parts, self._recovery.active
        if self._messages_due <= due:
            if parts.outbox.due <= due:
                parts.outbox.fire(now=now)
            else:
                parts.outbox.flush_unmuted(parts.muting.fire(), now=now)
        elif parts.warming.due == due:
            notices = parts.warming.fire()
            parts.outbox.notify([] if rereading else notices, now=now)
        elif parts.watch.due > due:
            parts.charts.fire(now)
        else:
            parts.processed.advance(due)
            notices = parts.watch.fire()
            for code in parts.watch.forgotten():
                parts.forget(parts.names.devices[code])
            # Those that the head's watermark had reached were published before the restart.
            parts.outbox.notify([] if rereading and due <= parts.processed.before else notices, now=now)

    @property
    def _messages_due(self) -> float:
        """The stamp at which a step of an episode is due, or something that was muted. A step that the head has not
        published lies behind all that is read again; what was muted may be due before that is known to be done."""
        return min(self._parts.outbox.due, inf if self._recovery.active else self._parts.muting.due)
