"""How many samples of a device were scored in each minute of event time, and a digest of their ``ts``.

The ledger counts what was read, so it cannot show what never was. These counts can be compared with the table
(`battery-watch ledger --verify`, docs/decisions/0018).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from struct import Struct

import numpy as np
import orjson
from numpy.typing import NDArray

from reporting.contract.events import utc
from reporting.keys import HOUR_S, MINUTE_S, scored_minutes_key
from reporting.sinks.archive import StoredObject
from scoring.scorer import Scored
from window.rolling import CONTEXT, RETAINED_S, Windows
from window.samples import Floats, Names

MOST_ROWS = 20_000
"""So many changed rows do not wait for the windows: in a catch-up, hours of event time pass within a minute."""


_ADD, _FIRST, _SECOND, _MASK = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 2**64 - 1
_FLOAT, _BITS = Struct("<d"), Struct("<Q")


@dataclass(slots=True)
class Minute:
    """Of one device: the number of its different ``ts``, and their `digest`."""

    count: int = 0
    digest: int = 0


def digest(ts: Floats) -> int:
    """The sum modulo 2^64 of a hash of each ``ts``: it depends on the set alone, not on an order, and may be added up.

    The hash is splitmix64's last step over the 64 bits of the float. A ``ts`` that a float does not hold exactly is
    quarantined, so that equal texts mean equal bits (rule 1).

    >>> digest(np.array([1.0, 2.5])) == (digest(np.array([2.5])) + digest(np.array([1.0]))) % 2**64
    True
    """
    if len(ts) == 1:  # a common case, in which numpy's overhead would be most of the time
        return _hash(float(ts[0]))
    return int(_hashes(ts).sum(dtype=np.uint64))


def _hash(ts: float) -> int:
    (bits,) = _BITS.unpack(_FLOAT.pack(ts))
    bits = (bits + _ADD) & _MASK
    bits = ((bits ^ (bits >> 30)) * _FIRST) & _MASK
    bits = ((bits ^ (bits >> 27)) * _SECOND) & _MASK
    return int(bits ^ (bits >> 31))


def _hashes(ts: Floats) -> NDArray[np.uint64]:
    bits = np.ascontiguousarray(ts, np.float64).view(np.uint64)
    bits = bits + np.uint64(_ADD)  # arrays wrap around in silence, which is meant
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(_FIRST)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(_SECOND)
    mixed: NDArray[np.uint64] = bits ^ (bits >> np.uint64(31))
    return mixed


class ScoredMinutes:
    """The minutes that a lane's devices have samples in, as far back as their windows reach.

    A restart needs no state of its own: the windows have the samples, and what came after them is read again.
    """

    def __init__(self, windows: Windows, devices: Names) -> None:
        self._windows = windows
        self._devices = devices
        self._minutes: dict[int, dict[int, Minute]] = {}
        self._changed: set[tuple[int, int]] = set()
        self._forgotten: set[int] = set()

    def __len__(self) -> int:
        """How many rows have changed since they were stored."""
        return len(self._changed)

    def restore(self, device: int) -> None:
        """Count what the windows have of a device. Its oldest minute may lack samples, but nothing is added to it any
        more: a sample that old is late."""
        kept = self._windows.retained(device)
        self._count(device, kept.ts[kept.severity != CONTEXT])
        self._changed -= {(device, minute) for minute in self._minutes.get(device, ())}

    def add(self, scored: Scored) -> None:
        """Samples were scored. One that replaces another reading of the same ``ts`` is counted already."""
        new = np.flatnonzero(~scored.rescored)
        devices, ts = scored.device[new], scored.ts[new]
        if len(new) == 1:
            self._count(int(devices[0]), ts)
            return
        for device in np.unique(devices):
            self._count(int(device), ts[devices == device])

    def objects(self, lane: str, revision: tuple[int, int]) -> list[StoredObject]:
        """What has changed since the last call, an object for each hour of event time. ``revision``: epoch and commit;
        rows of a higher one replace those before."""
        hours: dict[int, dict[str, dict[str, list[int | str]]]] = {}
        for device, minute in sorted(self._changed):
            row = self._minutes[device][minute]
            of_device = hours.setdefault(minute // HOUR_S * HOUR_S, {}).setdefault(self._devices[device], {})
            of_device[f"{utc(minute):%H:%M}"] = [row.count, f"{row.digest:016x}"]
        self._changed.clear()
        self._forget_old()
        return [
            StoredObject(
                scored_minutes_key(hour, lane, revision),
                orjson.dumps({"hour": f"{utc(hour):%Y-%m-%dT%H:00Z}", "lane": lane, "devices": devices}),
            )
            for hour, devices in hours.items()
        ]

    def forget(self, device: int) -> None:
        """The device is not watched any more. Its rows that are not stored yet stay until they are."""
        self._forgotten.add(device)

    def _count(self, device: int, ts: Floats) -> None:
        self._forgotten.discard(device)
        minutes = self._minutes.setdefault(device, {})
        for minute, of_minute in _by_minute(ts):
            row = minutes.setdefault(minute, Minute())
            row.count += len(of_minute)
            row.digest = (row.digest + digest(of_minute)) % 2**64
            self._changed.add((device, minute))

    def _forget_old(self) -> None:
        for device in self._forgotten:
            self._minutes.pop(device, None)
        self._forgotten.clear()
        for device in [*self._minutes]:
            minutes = self._minutes[device]
            oldest = max(minutes, default=0) - RETAINED_S - MINUTE_S
            self._minutes[device] = {minute: row for minute, row in minutes.items() if minute >= oldest}


def _by_minute(ts: Floats) -> Iterator[tuple[int, Floats]]:
    """The samples of each minute, by its start in epoch seconds."""
    if len(ts) == 1:
        yield int(ts[0] // MINUTE_S) * MINUTE_S, ts
        return
    minutes = np.floor(ts / MINUTE_S)
    for minute in np.unique(minutes):
        yield int(minute) * MINUTE_S, ts[minutes == minute]


def read_minutes(body: bytes) -> Mapping[str, Mapping[int, Minute]]:
    """By device and by minute (its start, epoch seconds): what an object of `ScoredMinutes.objects` says. Raises
    ValueError, KeyError or TypeError for another."""
    stored = orjson.loads(body)
    hour = int(datetime.fromisoformat(stored["hour"]).timestamp())
    return {
        device: {
            hour + int(minute[-2:]) * MINUTE_S: Minute(int(count), int(text, 16))
            for minute, (count, text) in minutes.items()
        }
        for device, minutes in stored["devices"].items()
    }
