"""Mutes: of what nobody is to be told, and until when. Compared with the event time of what there is to tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf, isfinite


@dataclass(frozen=True, slots=True)
class Mute:
    """Nothing whose event time lies from ``since`` to before ``until`` (epoch seconds) is told of ``device``; of any
    device where that is None. ``health``: its `health.*` notices are muted as well, not only its anomalies."""

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
        """Does it concern that device at that time?"""
        return self.device in (None, device) and self.since <= event_time < self.until


class Mutes:
    """All mutes that are known.

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
        """The mute that a message of that device and event time falls under, the one that lasts longest where there are
        several. ``health``: it is a notice about the device's data. What concerns the table itself (``device`` None) is
        never muted: it says that the watching suffers."""
        if device is None:
            return None
        return next((m for m in self._mutes if m.covers(device, event_time) and (m.health or not health)), None)

    def in_force(self, at: float) -> list[Mute]:
        """Those that have begun and not ended, the first to end first."""
        return [mute for mute in reversed(self._mutes) if mute.since <= at < mute.until]

    def next_end(self, after: float) -> float:
        """When the next of those that mute notices ends; infinite where none does."""
        return min((mute.until for mute in self._mutes if mute.health and mute.until > after), default=inf)
