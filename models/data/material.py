"""What a bundle is made of: normal sessions, simulated or recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from window.samples import Samples

Tell = Callable[[str, int, int], None]
"""Gets the name of a step, how much of it is done, and of how much."""
LEAST_UNITS, LEAST_SAMPLES = 8, 120
"""Fewer charges cannot be split into some to learn from and some to hold out; shorter ones show no charge."""

Limit = tuple[float, float]
"""Amperes and degrees Celsius from which a severity holds; either suffices."""


@dataclass(frozen=True, slots=True)
class Material:
    """Normal sessions, each of `LEAST_SAMPLES` samples at least.

    ``learnt``: the models learn from them. ``held``: thresholds are laid by them. ``fresh``: neither has seen them; ()
    where there are none to spare. ``tried``: faults are put into these, to see what is found. ``training``: what the
    manifest and the card say of all this, without clock or path. ``degrees``: limits of the severities' temperature,
    medium to critical, where more is known than the sessions show. ``pieces``: short ones that only the models learn
    from.
    """

    learnt: Sequence[Samples]
    held: Sequence[Samples]
    fresh: Sequence[Samples]
    tried: Sequence[Samples]
    training: Mapping[str, Any]
    degrees: tuple[float, float, float] | None = None
    pieces: Sequence[Samples] = ()
