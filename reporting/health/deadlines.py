"""The next deadline of each of thousands of devices, and which of them comes first."""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf

from window.samples import Names

Entry = tuple[float, str, int]
"""Stamp, name and code. Where several are due at once, the first by name is first: codes depend on the arrival."""


class Deadlines:
    """Deadlines by device code, stamps in epoch seconds. ``names``: the table of device codes.

    A deadline moves with every record of its device, nearly always to a later time. So an entry of the queue may lie
    before the deadline of its device, never behind it, and is put right only when it comes first.

    >>> names = Names(); a, b = names.code("a"), names.code("b")
    >>> deadlines = Deadlines(names); deadlines.set(a, 5.0); deadlines.set(b, 7.0); deadlines.set(a, 9.0)
    >>> deadlines.next, deadlines.first(), deadlines.until(8.0)
    (7.0, 1, [1])
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._at: dict[int, float] = {}
        self._queued: dict[int, float] = {}  # the first entry of each device
        self._queue: list[Entry] = []

    def set(self, device: int, at: float) -> None:
        """Replace a device's deadline."""
        self._at[device] = at
        if at < self._queued.get(device, inf):
            self._push(device, at)

    def drop(self, device: int) -> None:
        """The device has no deadline any more."""
        del self._at[device]

    def clear(self) -> None:
        """No device has a deadline any more."""
        self._at, self._queued, self._queue = {}, {}, []

    @property
    def next(self) -> float:
        """The first deadline; infinite where none is."""
        self._settle()
        return self._queue[0][0] if self._queue else inf

    def first(self) -> int:
        """The device whose deadline is first; of several the first by name. Raises IndexError while `next` is inf."""
        self._settle()
        return self._queue[0][2]

    def until(self, stamp: float) -> list[int]:
        """The devices whose deadline is ``stamp`` or earlier."""
        if self.next > stamp:
            return []
        due, rest = [], []
        while self.next <= stamp:
            entry = heappop(self._queue)
            due.append(entry[2])
            rest.append(entry)
            self._queued.pop(entry[2], None)
        for at, _, device in rest:
            self._push(device, at)
        return due

    def _push(self, device: int, at: float) -> None:
        self._queued[device] = at
        heappush(self._queue, (at, self._names[device], device))

    def _settle(self) -> None:
        """Put the first entries right, until the first is a deadline."""
        queue = self._queue
        while queue:
            at, _, device = queue[0]
            if self._queued.get(device) == at == self._at.get(device):
                return
            heappop(queue)
            if self._queued.get(device) == at:
                del self._queued[device]
                if self._at.get(device, inf) < inf:
                    self._push(device, self._at[device])
