"""Limits of an anomaly's severity: given by the user, or derived from normal charging."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from models.data.material import Limit
from scoring.config import Range, SeverityLimit, SeverityLimits

LEVELS = ("medium", "high", "critical")
SHARES, OVER_C = (1.0, 1.2, 1.5), (5.0, 10.0, 20.0)
"""Defaults: shares of the largest normal current, and degrees above the highest normal temperature."""
_LEAST_A = 1e-3


def limits(
    given: Mapping[str, Limit], known: Range, degrees: tuple[float, float, float] | None = None
) -> SeverityLimits:
    """The limits ``given`` by name. The others follow from the ``known`` range of normal charging, or from ``degrees``
    for temperatures.

    Raises ValueError if they do not rise from medium over high to critical, or if a current is not positive.
    """
    most_a = max(map(abs, known.current_a))
    found: dict[str, Limit] = {}
    for place, level in enumerate(LEVELS):
        degree = degrees[place] if degrees else round(known.temperature_c[1] + OVER_C[place], 1)
        found[level] = given.get(level, (round(max(SHARES[place] * most_a, (1 + place) * _LEAST_A), 3), degree))
    for level, (current_a, _) in found.items():
        if not current_a > 0:
            raise ValueError(f"--{level}: a current of {current_a:g} A is not positive")
    for lower, upper in pairwise(LEVELS):
        if not (found[lower][0] < found[upper][0] and found[lower][1] < found[upper][1]):
            raise ValueError(
                f"limits of severity must rise: {_said(lower, found, given)} is not below {_said(upper, found, given)}"
            )
    return SeverityLimits.model_validate(
        {level: SeverityLimit(current_a=a, temperature_c=c) for level, (a, c) in found.items()}
    )


def _said(level: str, found: Mapping[str, Limit], given: Mapping[str, Limit]) -> str:
    current_a, temperature_c = found[level]
    source = "" if level in given else ", from the data (give it too)"
    return f"{level} ({current_a:g} A, {temperature_c:g} °C{source})"
