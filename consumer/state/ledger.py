"""The ledger: every record is counted once, by UTC day of its creation and by device (rule 20)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import orjson

from consumer.state.classes import ACCOUNTED, CLASSES
from consumer.state.head import Head
from reporting.keys import ledger_key
from reporting.sinks.archive import StoredObject
from window.samples import Kind, Names, Samples

DAY_S = 86_400
_CLASS_OF = {
    Kind.SAMPLE: "scored",
    Kind.BACKFILL: "backfilled",
    Kind.LATE: "late",
    Kind.REMOVED: "ignored",
    Kind.MALFORMED: "quarantined",
    Kind.IMPLAUSIBLE: "quarantined",
    Kind.FUTURE: "quarantined",
    Kind.FOREIGN: "quarantined",
}
OPEN_DAYS = 4
"""Days kept. The stream keeps 24 h, which touches two dates; the others are for a worker that was down for a while."""
Days = dict[str, dict[str, dict[str, int]]]


def stored_counts(body: bytes) -> dict[str, dict[str, int]]:
    """The counts by device in a ledger's object, without zeros. Raises ValueError, TypeError, LookupError or
    AttributeError for what is none."""
    return {
        device: {name: int(counts[name]) for name in CLASSES if counts.get(name)}
        for device, counts in orjson.loads(body)["devices"].items()
    }


def days_until(now: float) -> list[str]:
    """The days whose ledger may still be open at ``now``, epoch seconds."""
    return [str(np.datetime64(int(now // DAY_S) - back, "D")) for back in range(OPEN_DAYS)]


class Ledger:
    """Counts by day, device and class.

    Every record that was read is exactly one of scored, duplicate, late, quarantined, ignored. Backfilled and lost ones
    were never read from the stream. Muted counts messages, and overwritten counts scored records once more, those that
    took the place of other readings of the same ``ts``: neither is a part of the balance.
    """

    def __init__(self, devices: Names, days: Days | None = None) -> None:
        self._devices = devices
        self._days: Days = {
            day: {device: {**dict.fromkeys(CLASSES, 0), **counts} for device, counts in devices.items()}
            for day, devices in (days or {}).items()
        }
        self._dirty = set(self._days)
        self._tally: Counter[str] = Counter()

    @classmethod
    def restore(cls, head: Head, devices: Names) -> Ledger:
        """With the counts of the last owner."""
        return cls(devices, head.ledger)

    def stored(self) -> dict[str, Any]:
        """For the head."""
        return {"ledger": self.days}

    @property
    def days(self) -> Days:
        """The open days, without zeros."""
        return {
            day: {device: {name: n for name, n in counts.items() if n} for device, counts in devices.items()}
            for day, devices in self._days.items()
        }

    def objects(self, lane: str) -> list[StoredObject]:
        """The objects for the bucket, one for each day that changed since the last call."""
        return [
            StoredObject(
                ledger_key(day, lane),
                orjson.dumps({"day": day, "lane": lane, "devices": devices}, option=orjson.OPT_INDENT_2),
            )
            for day, devices in self._changed().items()
        ]

    def _changed(self) -> Days:
        """The days that changed since the last call. Drops the oldest days beyond `OPEN_DAYS`."""
        changed = {day: {d: dict(c) for d, c in self._days[day].items()} for day in sorted(self._dirty)}
        self._dirty.clear()
        for day in sorted(self._days)[:-OPEN_DAYS]:
            del self._days[day]
        return changed

    def read(self, samples: Samples) -> None:
        """Records came from the stream."""
        self._add(samples, "read")

    def duplicate(self, samples: Samples) -> None:
        """Records are duplicates. They are counted as read too."""
        self._add(samples, "duplicate")

    def classed(self, samples: Samples) -> None:
        """Records were processed: count each in its class."""
        for kind in np.unique(samples.kind):
            self._add(samples.take(samples.kind == kind), _CLASS_OF[Kind(int(kind))])

    def moved(self, created: float, device: int, origin: str, to: str) -> None:
        """A record was counted in one class and belongs to another."""
        counts = self._counts(created, device)
        counts[origin] -= 1
        counts[to] += 1
        self._tally.update({origin: -1, to: 1})

    def overwritten(self, samples: Samples) -> None:
        """Records, counted in their classes too, overwrote a sample with other readings."""
        self._add(samples, "overwritten")

    def tally(self) -> Counter[str]:
        """What was counted since the last call, over all days and devices."""
        tally, self._tally = self._tally, Counter()
        return tally

    def muted(self, messages: Iterable[tuple[str, float]]) -> None:
        """Messages were suppressed: the device of each, and its time, epoch seconds."""
        for device, at in messages:
            self._counts(at, self._devices.code(device))["muted"] += 1
            self._tally["muted"] += 1

    def imbalance(self) -> int:
        """Records that were read and are in no class, over all days; 0 if the ledger balances."""
        total = 0
        for devices in self._days.values():
            for counts in devices.values():
                total += abs(counts["read"] - sum(counts[name] for name in ACCOUNTED))
        return total

    def _add(self, samples: Samples, name: str) -> None:
        if len(samples) == 0:
            return
        self._tally[name] += len(samples)
        if len(samples) == 1:  # a common case, in which numpy's overhead would be most of the time
            self._counts(float(samples.created[0]), int(samples.device[0]))[name] += 1
            return
        # Day and device in one number: np.unique is far slower on rows of two columns.
        keys = np.floor(samples.created / DAY_S).astype(np.int64) << 32 | samples.device
        for key, count in zip(*np.unique(keys, return_counts=True), strict=True):
            self._counts(float(key >> 32) * DAY_S, int(key & 0xFFFFFFFF))[name] += int(count)

    def _counts(self, created: float, device: int) -> dict[str, int]:
        day = str(np.datetime64(int(created // DAY_S), "D"))
        self._dirty.add(day)
        devices = self._days.setdefault(day, {})
        return devices.setdefault(self._devices[device], dict.fromkeys(CLASSES, 0))
