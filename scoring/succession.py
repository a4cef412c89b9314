"""The bundles that follow one another, and which of them is active at a sample's time (rule 17 of the order)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scoring.bundle import Bundle
from window.samples import Codes, Floats


@dataclass(frozen=True, slots=True)
class Change:
    """A bundle that is active from ``since`` on: event time, epoch seconds. ``own``: by device code, the same moment on
    the clock of a device whose clock is known to be wrong."""

    bundle: Bundle
    since: float
    own: Mapping[int, float] = field(default_factory=dict)


class Succession:
    """The first bundle, and the changes after it, oldest first. The last change whose time has come is active.

    All parts of one lane share one succession, so that a change reaches all of them at once.
    """

    def __init__(self, first: Bundle, changes: Sequence[Change] = ()) -> None:
        self.replace(first, changes)

    def replace(self, first: Bundle, changes: Sequence[Change] = ()) -> None:
        """Replace all bundles: to add a change, or to drop bundles that nothing needs any more."""
        self.bundles = (first, *(change.bundle for change in changes))
        self._changes = tuple(changes)

    def copy(self) -> Succession:
        """As it is now: `replace` does not reach it."""
        return Succession(self.bundles[0], self._changes)

    @property
    def latest(self) -> Bundle:
        """The bundle that is active once all changes have taken place."""
        return self.bundles[-1]

    def at(self, device: int, ts: float) -> Bundle:
        """The bundle that is active for one sample."""
        if not self._changes:
            return self.bundles[0]
        return self.bundles[int(self.rows(np.full(1, device, np.int32), np.full(1, ts))[0])]

    def rows(self, device: Codes, ts: Floats) -> NDArray[np.intp]:
        """For each sample, shape (n,): the place of the active bundle in ``bundles``."""
        found = np.zeros(len(ts), np.intp)
        for place, change in enumerate(self._changes, 1):
            since = np.full(len(ts), change.since)
            for code, own in change.own.items():
                since[device == code] = own
            found[ts >= since] = place
        return found
