"""The books: every record is counted once, by UTC day of its creation and by device (rule 20)."""

from __future__ import annotations

import numpy as np

from window.samples import Kind, Names, Samples

CLASSES = ("read", "scored", "duplicate", "late", "quarantined", "ignored", "backfilled", "lost")
DAY_S = 86_400
_CLASS_OF = {
    Kind.SAMPLE: "scored",
    Kind.BACKFILL: "backfilled",
    Kind.LATE: "late",
    Kind.REMOVED: "ignored",
    Kind.MALFORMED: "quarantined",
    Kind.IMPLAUSIBLE: "quarantined",
    Kind.FUTURE: "quarantined",
}
Days = dict[str, dict[str, dict[str, int]]]


class Ledger:
    """Counts by day, device and class.

    A record read is exactly one of scored, duplicate, late, quarantined, ignored; backfilled and lost ones were never
    read from the stream.
    """

    def __init__(self, devices: Names, days: Days | None = None) -> None:
        self._devices = devices
        self._days: Days = {day: {d: dict(c) for d, c in devices.items()} for day, devices in (days or {}).items()}

    @property
    def days(self) -> Days:
        """A copy of the books."""
        return {day: {d: dict(c) for d, c in devices.items()} for day, devices in self._days.items()}

    def read(self, samples: Samples) -> None:
        """Records came from the stream."""
        self._add(samples, "read")

    def duplicate(self, samples: Samples) -> None:
        """Records came again; they are counted as read as well."""
        self._add(samples, "duplicate")

    def classed(self, samples: Samples) -> None:
        """Records were processed, each as what it is."""
        for kind in np.unique(samples.kind):
            self._add(samples.take(samples.kind == kind), _CLASS_OF[Kind(int(kind))])

    def moved(self, created: float, device: int, origin: str, to: str) -> None:
        """One record turned out to be another class than it was counted as."""
        counts = self._counts(created, device)
        counts[origin] -= 1
        counts[to] += 1

    def imbalance(self) -> int:
        """Records read and not accounted for, over all days; 0 when the books balance."""
        total = 0
        for devices in self._days.values():
            for counts in devices.values():
                accounted = sum(counts[c] for c in ("scored", "duplicate", "late", "quarantined", "ignored"))
                total += abs(counts["read"] - accounted)
        return total

    def _add(self, samples: Samples, name: str) -> None:
        days = np.floor(samples.created / DAY_S)
        keys, counts = np.unique(np.stack([days, samples.device]), axis=1, return_counts=True)
        for (day, device), count in zip(keys.T, counts, strict=True):
            self._counts(float(day) * DAY_S, int(device))[name] += int(count)

    def _counts(self, created: float, device: int) -> dict[str, int]:
        day = str(np.datetime64(int(created // DAY_S), "D"))
        devices = self._days.setdefault(day, {})
        return devices.setdefault(self._devices[device], dict.fromkeys(CLASSES, 0))
