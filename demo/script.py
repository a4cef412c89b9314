"""What goes wrong in the demo, and when. The worker's messages are compared with it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np

Part = Literal["upload", "live"]

UPLOAD_S = 1200
"""The device was out of reach for its charge's last 20 minutes."""
MIN_LIVE_S = 30
AFTERMATH_S = 15
"""A message about a sample this long after a fault still counts for the fault: the sample is compared with those before
it, and a heated cell stays warm."""
CALM_S = 11
LEAD_S = 2
ROUND_S = 660
"""Live parts of at least twice this length, and the endless one, repeat all faults in rounds. What comes back within
ten minutes is not told at once (rule 30). In shorter rounds the cell would not cool down between two cooling failures
either, and in the end even the calm would be too hot to be normal."""


class FaultKind(StrEnum):
    """The ways in which a charge goes wrong here."""

    TEMPERATURE_SPIKE = "temperature spike"
    OVER_CURRENT = "over-current"
    DROP_OUT = "drop-out"
    COOLING_FAILURE = "cooling failure"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, over ``[start_s, end_s)`` in whole seconds from the first live sample (the upload lies below 0).

    ``strength`` is in the unit of its kind: the spike's degrees Celsius, the over-current's additional amperes, the
    share of the current that a drop-out takes, the cooling failure's degrees Celsius per second.
    """

    kind: FaultKind
    part: Part
    start_s: int
    end_s: int
    strength: float

    @property
    def says(self) -> str:
        """Its strength in words."""
        match self.kind:
            case FaultKind.TEMPERATURE_SPIKE:
                return f"sensor reads {self.strength:+.0f} °C"
            case FaultKind.OVER_CURRENT:
                return f"{self.strength:+.1f} A"
            case FaultKind.DROP_OUT:
                return "current falls to 0 A"
            case FaultKind.COOLING_FAILURE:
                return f"heats by {self.strength:.2f} °C/s"

    def covers(self, offset_s: float) -> bool:
        """True for a sample taken while it lasts."""
        return self.start_s <= offset_s < self.end_s

    def explains(self, offset_s: float) -> bool:
        """True for a sample inside it or in its aftermath."""
        return self.start_s <= offset_s <= self.end_s + AFTERMATH_S


@dataclass(frozen=True, slots=True)
class Script:
    """All faults of a run in order of time; ``live_s`` seconds are live after `UPLOAD_S` seconds of upload."""

    live_s: int
    faults: tuple[Fault, ...]

    def begun(self, offset_s: float) -> Fault | None:
        """The last fault that has begun at a time."""
        count = bisect_right(self.faults, offset_s, key=lambda fault: fault.start_s)
        return self.faults[count - 1] if count else None

    def at(self, offset_s: float) -> Fault | None:
        """The fault that covers a sample; faults never overlap."""
        fault = self.begun(offset_s)
        return fault if fault and fault.covers(offset_s) else None

    def explains(self, offset_s: float) -> bool:
        """False for a sample about which every message is a false alarm."""
        fault = self.begun(offset_s)
        return fault is not None and fault.explains(offset_s)

    def extended(self) -> Script:
        """The same script with one more round at its end."""
        return Script(self.live_s + ROUND_S, (*self.faults, *_round(self.live_s, ROUND_S)))

    def cut(self, offset_s: int, found: Container[Fault]) -> Script:
        """What was played until somebody ended the run. A fault that still lasted counts only if it was found."""
        played = (fault for fault in self.faults if fault.end_s <= offset_s or fault in found)
        return Script(offset_s, tuple(played))


def write(seed: int, live_s: int) -> Script:
    """The script of a run: four faults in the upload, at places drawn by ``seed``, and what fits of them live.

    From 60 s on all four fit, each with `CALM_S` of calm behind it at least. Raises ValueError below `MIN_LIVE_S`.
    """
    if live_s < MIN_LIVE_S:
        raise ValueError(f"the live part lasts at least {MIN_LIVE_S} s: {live_s} s hold no fault and calm after it")
    rounds = max(1, live_s // ROUND_S)
    length_s = live_s // rounds
    live = [fault for k in range(rounds) for fault in _round(k * length_s, length_s)]
    return Script(live_s, (*_upload(seed), *live))


def _upload(seed: int) -> Iterator[Fault]:
    shifts = np.random.default_rng([seed, 0]).integers(-40, 41, size=4)
    plan = (
        (FaultKind.OVER_CURRENT, -1100, 12, 4.5),
        (FaultKind.TEMPERATURE_SPIKE, -970, 4, 12.0),
        (FaultKind.DROP_OUT, -840, 10, 1.0),
        (FaultKind.COOLING_FAILURE, -710, 18, 0.25),
    )
    for (kind, start_s, lasts_s, strength), shift in zip(plan, shifts, strict=True):
        begin = start_s + int(shift)
        yield Fault(kind, "upload", begin, begin + lasts_s, strength)


# Seconds: the shortest that stands out from noise, and the longest that a round has to show.
_LENGTHS = {
    FaultKind.TEMPERATURE_SPIKE: (2, 4),
    FaultKind.OVER_CURRENT: (3, 10),
    FaultKind.DROP_OUT: (3, 8),
    FaultKind.COOLING_FAILURE: (6, 18),
}


def _round(begin_s: int, length_s: int) -> Iterator[Fault]:
    """As many faults as fit into a round with calm after each, each as long as the round allows."""
    kinds = list(_LENGTHS)
    while LEAD_S + sum(_LENGTHS[kind][0] + CALM_S for kind in kinds) > length_s:
        kinds.pop()
    spare = length_s - LEAD_S - sum(_LENGTHS[kind][0] + CALM_S for kind in kinds)
    wishes = {kind: _LENGTHS[kind][1] - _LENGTHS[kind][0] for kind in kinds}
    share = min(1.0, spare / sum(wishes.values()))
    gaps_s = (spare - sum(int(wish * share) for wish in wishes.values())) // len(kinds)
    start_s = begin_s + LEAD_S
    for kind in kinds:
        lasts_s = _LENGTHS[kind][0] + int(wishes[kind] * share)
        yield Fault(kind, "live", start_s, start_s + lasts_s, _strength(kind, lasts_s))
        start_s += lasts_s + CALM_S + gaps_s


def _strength(kind: FaultKind, lasts_s: int) -> float:
    """A short cooling failure must heat faster to be visible. The others have fixed strengths."""
    match kind:
        case FaultKind.TEMPERATURE_SPIKE:
            return 12.0
        case FaultKind.OVER_CURRENT:
            return 4.5
        case FaultKind.DROP_OUT:
            return 1.0
        case FaultKind.COOLING_FAILURE:
            return 0.25 if lasts_s >= 12 else 0.4
