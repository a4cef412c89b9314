"""Puts faults into healthy sessions, to see which ones the models find. Seeded, so that anyone can repeat it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from window.samples import Floats, Samples


class Fault(StrEnum):
    """What may go wrong in a charge. `UNITS` says what its strength means."""

    OVER_CURRENT = "over_current"
    DROP_OUT = "drop_out"
    CURRENT_SPIKE = "current_spike"
    CURRENT_DRIFT = "current_drift"
    OSCILLATION = "oscillation"
    TEMPERATURE_SPIKE = "temperature_spike"
    TEMPERATURE_STEP = "temperature_step"
    TEMPERATURE_DRIFT = "temperature_drift"
    COOLING_FAILURE = "cooling_failure"
    RUNAWAY = "runaway"
    FROZEN_CURRENT = "frozen_current"
    FROZEN_TEMPERATURE = "frozen_temperature"
    FROZEN_BOTH = "frozen_both"


UNITS = {
    Fault.OVER_CURRENT: "of the charging current, on top",
    Fault.DROP_OUT: "of the current missing",
    Fault.CURRENT_SPIKE: "of the charging current, on top",
    Fault.CURRENT_DRIFT: "of the charging current a minute",
    Fault.OSCILLATION: "of the charging current either way, in 8 s",
    Fault.TEMPERATURE_SPIKE: "°C",
    Fault.TEMPERATURE_STEP: "°C",
    Fault.TEMPERATURE_DRIFT: "°C/s",
    Fault.COOLING_FAILURE: "°C/s",
    Fault.RUNAWAY: "°C/s at first, e times as fast after 30 s",
    Fault.FROZEN_CURRENT: "",
    Fault.FROZEN_TEMPERATURE: "",
    Fault.FROZEN_BOTH: "",
}


@dataclass(frozen=True, slots=True)
class Grade:
    """A kind of fault with its strength, and how long it lasts, in seconds."""

    fault: Fault
    strength: float
    lasts_s: float


def _grades(fault: Fault, lasts_s: float, *strengths: float) -> tuple[Grade, ...]:
    return tuple(Grade(fault, strength, lasts_s) for strength in strengths)


def _lengths(fault: Fault, *lengths_s: float) -> tuple[Grade, ...]:
    return tuple(Grade(fault, 1.0, lasts_s) for lasts_s in lengths_s)


CATALOGUE = (
    *_grades(Fault.OVER_CURRENT, 60.0, 0.25, 0.35, 0.5, 1.0),
    *_lengths(Fault.DROP_OUT, 3.0, 10.0, 30.0),
    *_grades(Fault.CURRENT_SPIKE, 2.0, 0.35, 0.5, 1.0),
    *_grades(Fault.CURRENT_DRIFT, 180.0, 0.1, 0.2, 0.4),
    *_grades(Fault.OSCILLATION, 60.0, 0.2, 0.35, 0.5),
    *_grades(Fault.TEMPERATURE_SPIKE, 2.0, 2.0, 5.0, 10.0),
    *_grades(Fault.TEMPERATURE_STEP, 60.0, 1.0, 2.0, 4.0),
    *_grades(Fault.TEMPERATURE_DRIFT, 120.0, 0.02, 0.05, 0.1),
    *_grades(Fault.COOLING_FAILURE, 300.0, 0.02, 0.05, 0.1),
    *_grades(Fault.RUNAWAY, 120.0, 0.05, 0.1, 0.2),
    *_lengths(Fault.FROZEN_CURRENT, 30.0, 60.0, 120.0),
    *_lengths(Fault.FROZEN_TEMPERATURE, 30.0, 60.0, 120.0),
    *_lengths(Fault.FROZEN_BOTH, 30.0, 60.0, 120.0),
)
"""The faults of `battery-watch train` and `evaluate --inject`: from barely to clearly visible at 1 Hz."""
BEFORE_S, AFTER_S = 180.0, 60.0
LEAST_SHARE = 0.3
"""A drop-out needs at least this share of the charging current. Near a charge's end there is none left to drop."""
_COOLS_S, _GROWS_S, _PERIOD_S = 600.0, 30.0, 8.0


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault of ``count`` samples from ``first`` on, with its strength. ``charging_a``: the current that shares refer
    to; None for each sample's own."""

    fault: Fault
    strength: float
    first: int
    count: int
    charging_a: float | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """A piece of a healthy session with a fault in it, from sample ``first`` to ``last`` inclusive."""

    samples: Samples
    grade: Grade
    first: int
    last: int


def charging_current(session: Samples) -> float:
    """The charger's full current: the 95 % quantile of the current's magnitude."""
    return float(np.quantile(np.abs(session.current_a), 0.95))


def inject(into: Samples, injection: Injection) -> Samples:
    """The same session with the fault in it. After a real heating the cell stays warm and cools down; all other faults
    end at once."""
    current_a, temperature_c = into.current_a.copy(), into.temperature_c.copy()
    first, strength = injection.first, injection.strength
    rows = slice(first, injection.first + injection.count)
    since_s = into.ts - into.ts[first]
    inside_s = since_s[rows]
    share_a = strength * (current_a[rows] if injection.charging_a is None else injection.charging_a)
    match injection.fault:
        case Fault.OVER_CURRENT | Fault.CURRENT_SPIKE:
            current_a[rows] += share_a
        case Fault.DROP_OUT:
            current_a[rows] *= 1.0 - strength
        case Fault.CURRENT_DRIFT:
            current_a[rows] += share_a * inside_s / 60.0
        case Fault.OSCILLATION:
            current_a[rows] += share_a * np.sin(2 * np.pi * (inside_s + 1.0) / _PERIOD_S)
        case Fault.TEMPERATURE_SPIKE | Fault.TEMPERATURE_STEP:
            temperature_c[rows] += strength
        case Fault.TEMPERATURE_DRIFT:
            temperature_c[rows] += strength * inside_s
        case Fault.COOLING_FAILURE | Fault.RUNAWAY:
            lasts_s = float(inside_s[-1])
            heated = _heated(injection.fault, strength, np.clip(since_s, 0.0, lasts_s))
            temperature_c += heated * np.exp(-np.maximum(since_s - lasts_s, 0.0) / _COOLS_S)
        case Fault.FROZEN_CURRENT:
            current_a[rows] = current_a[first]
        case Fault.FROZEN_TEMPERATURE:
            temperature_c[rows] = temperature_c[first]
        case Fault.FROZEN_BOTH:
            current_a[rows], temperature_c[rows] = current_a[first], temperature_c[first]
    return replace(into, current_a=current_a, temperature_c=temperature_c)


def _heated(fault: Fault, rate: float, since_s: Floats) -> Floats:
    """Added degrees: without cooling a cell warms steadily; in a runaway the heat makes more heat."""
    if fault == Fault.RUNAWAY:
        return rate * _GROWS_S * np.expm1(since_s / _GROWS_S)
    return rate * since_s


def trials(sessions: Sequence[Samples], seed: int, *, count: int, grades: Sequence[Grade] = CATALOGUE) -> list[Trial]:
    """``count`` faults of each grade at random places of random sessions. Each comes with a piece of its session that
    begins three minutes before it. The same seed gives the same faults.

    Skips sessions that are too short for a fault. Raises ValueError if all are.
    """
    found: list[Trial] = []
    for number, grade in enumerate(grades):
        rng = np.random.default_rng([seed, number])
        length_s = BEFORE_S + grade.lasts_s + AFTER_S
        fit = [s for s in sessions if len(s) and s.ts[-1] - s.ts[0] > length_s]
        if not fit:
            raise ValueError(f"no session is long enough for {grade.fault}: it takes {length_s:.0f} s")
        found.extend(_trial(fit, grade, rng) for _ in range(count))
    return found


def _trial(sessions: Sequence[Samples], grade: Grade, rng: np.random.Generator) -> Trial:
    while True:
        session = sessions[int(rng.integers(len(sessions)))]
        charging_a = charging_current(session)
        onset = float(rng.uniform(session.ts[0] + BEFORE_S, session.ts[-1] - grade.lasts_s - AFTER_S))
        at, first, end, until = np.searchsorted(
            session.ts, [onset - BEFORE_S, onset, onset + grade.lasts_s, onset + grade.lasts_s + AFTER_S]
        )
        usual_a = float(np.mean(np.abs(session.current_a[max(0, first - 10) : first + 1])))
        holes = np.diff(session.ts[at:until]).max(initial=0.0) > 60.0
        enough = grade.fault != Fault.DROP_OUT or usual_a >= LEAST_SHARE * charging_a
        if end > first and enough and not holes:
            break
    piece = session.take(slice(int(at), int(until)))
    injection = Injection(grade.fault, grade.strength, int(first - at), int(end - first), charging_a)
    return Trial(inject(piece, injection), grade, injection.first, injection.first + injection.count - 1)
