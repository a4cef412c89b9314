"""Faults put into healthy sessions, to see which ones the models find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from window.samples import Samples


class Fault(StrEnum):
    """What may go wrong in a charge. Strength: share of the current, none, degrees, degrees per second."""

    OVER_CURRENT = "over_current"
    DROP_OUT = "drop_out"
    TEMPERATURE_SPIKE = "temperature_spike"
    COOLING_FAILURE = "cooling_failure"


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault from sample ``first`` on, over ``count`` samples, with its strength."""

    fault: Fault
    strength: float
    first: int
    count: int


STRENGTHS: tuple[tuple[Fault, float], ...] = (
    *((Fault.OVER_CURRENT, s) for s in (0.2, 0.4, 0.6, 1.0)),
    (Fault.DROP_OUT, 1.0),
    *((Fault.TEMPERATURE_SPIKE, s) for s in (3.0, 6.0, 10.0)),
    *((Fault.COOLING_FAILURE, s) for s in (0.1, 0.2, 0.3)),
)
LASTS = {
    Fault.OVER_CURRENT: 20,
    Fault.DROP_OUT: 6,
    Fault.TEMPERATURE_SPIKE: 4,
    Fault.COOLING_FAILURE: 40,
}


def inject(into: Samples, injection: Injection) -> Samples:
    """The same session with the fault in it; what follows a cooling failure stays warm and cools down."""
    current_a, temperature_c = into.current_a.copy(), into.temperature_c.copy()
    rows = slice(injection.first, injection.first + injection.count)
    since_s = into.ts - into.ts[injection.first]
    match injection.fault:
        case Fault.OVER_CURRENT:
            current_a[rows] *= 1.0 + injection.strength
        case Fault.DROP_OUT:
            current_a[rows] *= 1.0 - injection.strength
        case Fault.TEMPERATURE_SPIKE:
            temperature_c[rows] += injection.strength
        case Fault.COOLING_FAILURE:
            lasts_s = since_s[min(rows.stop, len(into)) - 1]
            cooling = np.exp(-np.maximum(since_s - lasts_s, 0.0) / 600.0)
            temperature_c += injection.strength * np.clip(since_s, 0.0, lasts_s) * cooling
    return replace(into, current_a=current_a, temperature_c=temperature_c)


def places(sessions: Sequence[Samples], rng: np.random.Generator, count: int) -> list[tuple[Samples, int]]:
    """``count`` places for faults: the session cut to five minutes around it, and the sample where it begins."""
    found = []
    for _ in range(count):
        session = sessions[int(rng.integers(len(sessions)))]
        first = int(rng.integers(100, len(session) - 200))
        found.append((session.take(slice(first - 100, first + 200)), 100))
    return found
