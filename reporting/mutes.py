"""Mutes: which messages are not published, and until when. They are compared with the event time of a message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf, isfinite


@dataclass(frozen=True, slots=True)
class Mute:
    """Mutes the messages about ``device``, or about every device where that is None, whose event time lies from
    ``since`` to before ``until`` (epoch seconds): those about anomalies and, with ``health``, its notices too. Raises
    ValueError for a mute that does not end or that ends before it begins."""

    id: str
    device: str | None
    since: float
    until: float
    reason: str
    by: str
    health: bool = False

    def __post_init__(self) -> None:
        if not (isfinite(self.since) and isfinite(self.until) and self.since < self.until):
            raise ValueError(f"mute {self.id} must end, and after it begins")

    def covers(self, device: str, event_time: float) -> bool:
        """Does it mute that device at that time?"""
        return self.device in (None, device) and self.since <= event_time < self.until


class Mutes:
    """All known mutes.

    >>> mutes = Mutes([Mute("m1", "d", 100.0, 200.0, "new fan", "ann")])
    >>> mutes.covers("d", 100.0).id, mutes.covers("d", 200.0), mutes.covers("other", 150.0)
    ('m1', None, None)
    """

    def __init__(self, mutes: Iterable[Mute] = ()) -> None:
        self._mutes = tuple(sorted(mutes, key=lambda mute: (-mute.until, mute.id)))

    def __iter__(self) -> Iterator[Mute]:
        return iter(self._mutes)

    def __len__(self) -> int:
        return len(self._mutes)

    def covers(self, device: str | None, event_time: float, *, health: bool = False) -> Mute | None:
        """The mute of a message about that device at that event time, the one that lasts longest where there are
        several. ``health``: the message is a notice. A notice about the table itself (``device`` None) is never muted:
        it says that the watching suffers."""
        if device is None:
            return None
        return next((m for m in self._mutes if m.covers(device, event_time) and (m.health or not health)), None)

    def in_force(self, at: float) -> list[Mute]:
        """The mutes that have begun and not ended, the first to end first."""
        return [mute for mute in reversed(self._mutes) if mute.since <= at < mute.until]

    def next_end(self, after: float) -> float:
        """When the next mute of notices ends; infinite where none does."""
        return min((mute.until for mute in self._mutes if mute.health and mute.until > after), default=inf)
