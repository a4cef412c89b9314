"""The one device of a table that is keyed by time alone: two would overwrite each other's samples (rule 1)."""

from __future__ import annotations

from typing import Any

import numpy as np

from consumer.state.head import Head
from window.rolling import RETAINED_S
from window.samples import Floats, Kind, Kinds, Names, Samples


class SingleDevice:
    """Finds samples of foreign devices, by the records in merged order.

    ``required``: the table can hold one device only; otherwise no device is foreign and nothing is kept. ``name``: the
    device, None before the first sample; ``last``: the stamp of its last one. After a silence as long as its window
    another device may follow: a battery was exchanged.
    """

    def __init__(self, names: Names, name: str | None, last: float | None, *, required: bool = True) -> None:
        self._names = names
        self._required = required
        self.name = name
        self.last = last

    @classmethod
    def restore(cls, head: Head, names: Names, *, required: bool) -> SingleDevice:
        """With the device of the last owner."""
        name, last = (head.device, head.device_last) if required else (None, None)
        return cls(names, name, last, required=required)

    def stored(self) -> dict[str, Any]:
        """For the head."""
        return {"device": self.name, "device_last": self.last}

    def classes(self, samples: Samples, stamp: Floats) -> Kinds:
        """The kinds of these records, shape (n,), with `Kind.STRANGER` for samples of foreign devices. Changes
        nothing."""
        return self._follow(samples, stamp)[0] if self._required else samples.kind

    def seen(self, samples: Samples, stamp: Floats) -> None:
        """The records were processed."""
        if self._required:
            _, self.name, self.last = self._follow(samples, stamp)

    def _follow(self, samples: Samples, stamp: Floats) -> tuple[Kinds, str | None, float | None]:
        rows = np.flatnonzero(_OF_A_DEVICE[samples.kind])
        if len(rows) == 0:
            return samples.kind, self.name, self.last
        own = None if self.name is None else self._names.code(self.name)
        if (samples.device[rows] == own).all():
            return samples.kind, self.name, float(stamp[rows[-1]])
        kind, last = samples.kind.copy(), self.last
        for row in rows:
            device, at = int(samples.device[row]), float(stamp[row])
            free = own is None or last is None or at - last >= RETAINED_S
            if free and kind[row] in _CLAIMING:
                own = device
            if device == own:
                last = at
            elif own is not None:
                kind[row] = Kind.STRANGER
        return kind, None if own is None else self._names[own], last


_CLAIMING = (Kind.SAMPLE, Kind.BACKFILL)
_OF_A_DEVICE = np.array([kind in (*_CLAIMING, Kind.LATE, Kind.FUTURE) for kind in sorted(Kind)])
