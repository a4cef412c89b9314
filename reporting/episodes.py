"""Episodes: adjacent anomalous samples of a device are one incident with one id."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

QUIET_S = 60.0


@dataclass(frozen=True, slots=True)
class Episode:
    """``opened`` and ``last`` are the times of its first and latest anomalous sample, epoch seconds."""

    id: str
    device: str
    opened: float
    last: float


class Episodes:
    """The current episode of every device.

    >>> episodes = Episodes(); a = episodes.see("d", 0.0); b = episodes.see("d", 30.0); c = episodes.see("d", 91.0)
    >>> a.id == b.id, b.id == c.id
    (True, False)
    """

    def __init__(self, current: dict[str, Episode] | None = None) -> None:
        self._current = dict(current or {})

    @property
    def current(self) -> dict[str, Episode]:
        """By device: the latest episode."""
        return dict(self._current)

    def is_current(self, episode: Episode) -> bool:
        """Is it its device's latest?"""
        return self._current.get(episode.device) == episode

    def see(self, device: str, ts: float) -> Episode:
        """The episode of an anomalous sample: the current one, unless more than `QUIET_S` lie between. A sample from
        well before it has one of its own, and the current one stays."""
        before = self._current.get(device)
        if before is not None and before.opened - QUIET_S <= ts <= before.last + QUIET_S:
            episode = Episode(before.id, device, before.opened, max(before.last, ts))
        else:
            identity = hashlib.sha256(f"{device}\n{ts!r}".encode()).hexdigest()[:16]
            episode = Episode(identity, device, ts, ts)
        if before is None or ts >= before.opened - QUIET_S:
            self._current[device] = episode
        return episode

    def settle(self, device: str, before: float) -> None:
        """No sample of the device with a ``ts`` of ``before`` or less will be seen any more: an episode that only such
        a one could belong to, or come before, is over and forgotten."""
        episode = self._current.get(device)
        if episode is not None and episode.last + QUIET_S <= before:
            del self._current[device]

    def forget(self, device: str) -> None:
        """The device is forgotten, and with it its latest episode."""
        self._current.pop(device, None)
