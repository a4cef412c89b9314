"""The kinds of fault in words, and how far a sample of a kind went."""

from __future__ import annotations

from reporting.anomaly.evidence import Evidence
from scoring.course import ReadingName
from scoring.faults import FaultKind
from scoring.sentence import value

WORDS = {
    FaultKind.OVER_CURRENT: "over-current",
    FaultKind.DROP_OUT: "current drop-out",
    FaultKind.UNSTEADY_CURRENT: "unsteady current",
    FaultKind.CURRENT_DRIFT: "current drift",
    FaultKind.TEMPERATURE_HIGH: "temperature too high",
    FaultKind.HEATING: "heating too fast",
    FaultKind.COOLING: "cooling too fast",
    FaultKind.TEMPERATURE_JUMP: "temperature jump",
    FaultKind.FROZEN_READING: "frozen reading",
    FaultKind.OUT_OF_RANGE: "reading out of range",
    FaultKind.UNUSUAL_PATTERN: "unusual pattern",
}
"""For people."""
_READING: dict[FaultKind, ReadingName] = {
    FaultKind.OVER_CURRENT: "current",
    FaultKind.DROP_OUT: "current",
    FaultKind.UNSTEADY_CURRENT: "current",
    FaultKind.CURRENT_DRIFT: "current",
    FaultKind.TEMPERATURE_HIGH: "temperature",
    FaultKind.HEATING: "temperature",
    FaultKind.COOLING: "temperature",
    FaultKind.TEMPERATURE_JUMP: "temperature",
}
"""The reading that a kind is about."""


def reading(kind: FaultKind, evidence: Evidence) -> tuple[float, float] | None:
    """The reading that a kind is about, and what was usual before the sample, amperes or degrees Celsius; None for a
    kind that no reading grades. Zero was usual where nothing is known."""
    name = _READING.get(kind)
    if name is None:
        return None
    now = evidence.current_a if name == "current" else evidence.temperature_c
    expected = evidence.explanation.expected
    usual = 0.0 if expected is None else expected.current_a if name == "current" else expected.temperature_c
    return now, round(usual, 3)


def worst_words(kind: FaultKind, worst: float) -> str:
    """The reading at the worst sample of an episode."""
    name = _READING[kind]
    return f"{name} {value(name, worst)}"
