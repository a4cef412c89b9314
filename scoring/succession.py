"""The bundles that follow one another, and which of them is in force at a sample's time (rule 17 of the order)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scoring.bundle import Bundle
from window.samples import Codes, Floats


@dataclass(frozen=True, slots=True)
class Change:
    """A bundle that takes effect at ``since``: event time, epoch seconds. ``own``: by device code, when it does so on
    the clock of a device that is known to be wrong."""

    bundle: Bundle
    since: float
    own: Mapping[int, float] = field(default_factory=dict)


class Succession:
    """The first bundle, and the changes after it, oldest first. The last change whose time has come is in force.

    All that score, judge and tell for one lane share one, so that a further change is one for all of them.
    """

    def __init__(self, first: Bundle, changes: Sequence[Change] = ()) -> None:
        self.become(first, changes)

    def become(self, first: Bundle, changes: Sequence[Change] = ()) -> None:
        """Be this one from now on: with a change more, or without what nothing needs any more."""
        self.bundles = (first, *(change.bundle for change in changes))
        self._changes = tuple(changes)

    @property
    def latest(self) -> Bundle:
        """The bundle that is in force in the end."""
        return self.bundles[-1]

    def at(self, device: int, ts: float) -> Bundle:
        """The bundle in force for one sample."""
        if not self._changes:
            return self.bundles[0]
        return self.bundles[int(self.rows(np.full(1, device, np.int32), np.full(1, ts))[0])]

    def rows(self, device: Codes, ts: Floats) -> NDArray[np.intp]:
        """By sample, shape (n,): the place in ``bundles`` of the one in force."""
        found = np.zeros(len(ts), np.intp)
        for place, change in enumerate(self._changes, 1):
            since = np.full(len(ts), change.since)
            for code, own in change.own.items():
                since[device == code] = own
            found[ts >= since] = place
        return found
