"""Do two accounts of one sample agree? To the bit, but for rounding, or not at all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Agreement = Literal["bits", "rounding", "no"]
RTOL, ATOL = 1e-6, 1e-9
"""Processors of different families differ by less: in the last bits of sums of a few dozen products."""
_WORDS = ("summary", "rarity")
_ADDED_LATER = ("kinds", "rules", "expected", "expected_band", "forecast", "reconstruction", "forest_features")
"""Earlier versions did not publish these."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that differs: its name with dots, its value then and its value now; None where it is missing."""

    field: str
    then: Any
    now: Any


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Compares the fields that ``now`` has. Fields of a later version are compared only where ``then`` has them too."""
    fields = [name for name in now if name in then or name not in _ADDED_LATER]
    fields += [name for name in _ADDED_LATER if name in then and name not in now]
    return [found for name in fields for found in _compare(name, then.get(name), now.get(name))]


def agreement(found: list[Difference]) -> Agreement:
    """What the differences amount to. If all numbers agree but for rounding, the texts made from them may differ in a
    last digit."""
    if not found:
        return "bits"
    numbers = [each for each in found if each.field not in _WORDS]
    return "rounding" if numbers and all(_rounded(each) for each in numbers) else "no"


def _compare(name: str, then: Any, now: Any) -> Iterator[Difference]:
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for key in {**then, **now}:
            yield from _compare(f"{name}.{key}", then.get(key), now.get(key))
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for place, (one, other) in enumerate(zip(then, now, strict=True)):
            yield from _compare(f"{name}.{place}", one, other)
    elif then != now:
        yield Difference(name, then, now)


def _rounded(found: Difference) -> bool:
    pair = (found.then, found.now)
    # Measured values are not computed: they come from the table as they were written, so no rounding explains a change.
    if found.field.startswith("actual.") or not all(type(each) in (int, float) for each in pair):
        return False
    return math.isclose(*pair, rel_tol=RTOL, abs_tol=ATOL)
