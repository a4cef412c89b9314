"""Kinds of faults: what is wrong, by the readings; and where it leads.

A sample may show several kinds: one of each reading, and a reading that repeats. Only where no reading says anything is
it an unusual pattern.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from scoring.aftermath import goes_on, is_own
from scoring.config import BundleConfig
from scoring.course import FASTEST_C_S, Course, ReadingName
from scoring.detectors import Stage
from scoring.severity import Severity

NEAR_S = 300.0
"""A fault that reaches the critical limit within this time is at least high."""
_FURTHEST_S = 3600.0
"""A forecast of more than an hour says nothing."""
_LEAST_SAMPLES = 3


class FaultKind(StrEnum):
    """What is wrong with a battery or its logger."""

    OVER_CURRENT = "over_current"
    DROP_OUT = "drop_out"
    UNSTEADY_CURRENT = "unsteady_current"
    CURRENT_DRIFT = "current_drift"
    TEMPERATURE_HIGH = "temperature_high"
    HEATING = "heating"
    COOLING = "cooling"
    TEMPERATURE_JUMP = "temperature_jump"
    FROZEN_READING = "frozen_reading"
    OUT_OF_RANGE = "out_of_range"
    UNUSUAL_PATTERN = "unusual_pattern"


KINDS_OF: dict[ReadingName, tuple[FaultKind, ...]] = {
    "current": (FaultKind.OVER_CURRENT, FaultKind.DROP_OUT, FaultKind.UNSTEADY_CURRENT, FaultKind.CURRENT_DRIFT),
    "temperature": (FaultKind.TEMPERATURE_HIGH, FaultKind.HEATING, FaultKind.COOLING, FaultKind.TEMPERATURE_JUMP),
}
"""The kinds that are about one reading."""


def blamed(kinds: Collection[FaultKind]) -> set[ReadingName]:
    """The readings that these kinds are about; both where none is about one alone."""
    found = {reading for reading, of in KINDS_OF.items() if any(kind in of for kind in kinds)}
    return found or {*KINDS_OF}


@dataclass(frozen=True, slots=True)
class Forecast:
    """If it goes on like this: ``reading`` reaches the limit of ``severity`` in ``in_s`` seconds. ``limit``: in amperes
    or degrees Celsius; ``at``: epoch seconds; ``rate``: per second."""

    reading: ReadingName
    severity: Severity
    limit: float
    at: float
    in_s: float
    rate: float


def kinds_of(
    stages: Stage,
    courses: Mapping[ReadingName, Course],
    readings: Mapping[ReadingName, float],
    changed: Collection[ReadingName],
    config: BundleConfig,
) -> tuple[FaultKind, ...]:
    """The kinds of an anomalous sample, in the order of `FaultKind`, at least one. ``readings``: its own; ``changed``:
    the readings that a rule of policy `evidence` found changed."""
    found = _of_current(courses.get("current"), readings["current"], changed, config)
    warm = courses.get("temperature")
    if found and warm is not None and not is_own(warm, changed) and not critical_soon(warm, config):
        warm = None
    found |= _of_temperature(warm, readings["temperature"], changed, config)
    if Stage.STUCK in stages:
        found.add(FaultKind.FROZEN_READING)
    if Stage.RANGE in stages and not _explained(found, readings, config):
        found.add(FaultKind.OUT_OF_RANGE)
    return tuple(kind for kind in FaultKind if kind in found) or (FaultKind.UNUSUAL_PATTERN,)


def forecast(course: Course | None, config: BundleConfig) -> Forecast | None:
    """When the next severity limit is reached if a reading goes on as since it went off; None where it does not go
    towards one, or only later than in an hour."""
    if course is None or not goes_on(course) or course.jumped or len(course.values) - course.onset < _LEAST_SAMPLES:
        return None
    now, rate = course.now, course.rate()
    if course.reading == "current" and now < 0.0:
        now, rate = -now, -rate
    if rate <= (FASTEST_C_S if course.reading == "temperature" else 0.0):
        return None
    for severity, limits in (
        (Severity.MEDIUM, config.severity.medium),
        (Severity.HIGH, config.severity.high),
        (Severity.CRITICAL, config.severity.critical),
    ):
        limit = limits.current_a if course.reading == "current" else limits.temperature_c
        if now < limit:
            in_s = (limit - now) / rate
            if in_s > _FURTHEST_S:
                return None
            return Forecast(course.reading, severity, limit, course.ts[-1] + in_s, in_s, rate)
    return None


def critical_soon(course: Course | None, config: BundleConfig) -> bool:
    """Does a reading reach the critical limit within `NEAR_S` if it goes on?"""
    found = forecast(course, config)
    if found is None or course is None:
        return False
    critical = config.severity.critical
    limit = critical.current_a if course.reading == "current" else critical.temperature_c
    return limit - abs(course.now) <= found.rate * NEAR_S


def _of_current(
    course: Course | None, current_a: float, changed: Collection[ReadingName], config: BundleConfig
) -> set[FaultKind]:
    if course is not None:
        if course.swing is not None:
            return {FaultKind.UNSTEADY_CURRENT}
        if _is_at_fault(course, config):
            if not course.jumped:
                return {FaultKind.CURRENT_DRIFT}
            return {FaultKind.OVER_CURRENT if abs(course.extreme) > abs(course.before) else FaultKind.DROP_OUT}
        if "current" in changed and not course.excursions:
            return {FaultKind.CURRENT_DRIFT}
    return {FaultKind.OVER_CURRENT} if abs(current_a) >= config.severity.medium.current_a else set()


def _of_temperature(
    course: Course | None, temperature_c: float, changed: Collection[ReadingName], config: BundleConfig
) -> set[FaultKind]:
    if course is not None:
        if _is_at_fault(course, config):
            if course.jumped:
                return {FaultKind.TEMPERATURE_JUMP}
            return {FaultKind.HEATING if course.extreme > course.before else FaultKind.COOLING}
        if "temperature" in changed and not course.excursions:
            return {FaultKind.HEATING if course.rate() > 0 else FaultKind.COOLING}
    return {FaultKind.TEMPERATURE_HIGH} if temperature_c >= config.severity.medium.temperature_c else set()


def _is_at_fault(course: Course, config: BundleConfig) -> bool:
    """Is the reading what is wrong? Policy `plain` knows no fault that is over: there it is also as long as features
    see it."""
    if config.evidence is None:
        return course.is_off or course.is_back
    return goes_on(course)


def _explained(found: Collection[FaultKind], readings: Mapping[ReadingName, float], config: BundleConfig) -> bool:
    """Does every reading that is out of bounds have a kind already?"""
    bounds = config.evidence.bounds if config.evidence else None
    if bounds is None:
        return False
    inside = {
        "current": bounds.current_a[0] <= readings["current"] <= bounds.current_a[1],
        "temperature": bounds.temperature_c[0] <= readings["temperature"] <= bounds.temperature_c[1],
    }
    return all(inside[reading] or any(kind in found for kind in kinds) for reading, kinds in KINDS_OF.items())
