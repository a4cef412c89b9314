"""What a bundle is trained on: normal sessions, simulated or recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from window.samples import Samples

StepProgress = Callable[[str, int, int], None]
"""Gets the name of a step or a file, how much is done, and of how much."""
LEAST_UNITS, LEAST_SAMPLES = 8, 120
"""Fewer charges cannot be split into training and validation; shorter ones show no charge."""

Limit = tuple[float, float]
"""Amperes and degrees Celsius from which on a severity holds; one of them is enough."""


@dataclass(frozen=True, slots=True)
class Material:
    """Normal sessions, each of `LEAST_SAMPLES` samples at least.

    ``train``: the models learn from these. ``validation``: thresholds and calibration come from these. ``test``:
    neither saw these; empty where there are none to spare. ``fault_injected``: faults are put into these to see what is
    found. ``training``: what the manifest and the card say about the material, without clock or path. ``degrees``:
    temperature limits of the severities, medium to critical, where more is known than the sessions show. ``pieces``:
    short sessions for the models alone.
    """

    train: Sequence[Samples]
    validation: Sequence[Samples]
    test: Sequence[Samples]
    fault_injected: Sequence[Samples]
    training: Mapping[str, Any]
    degrees: tuple[float, float, float] | None = None
    pieces: Sequence[Samples] = ()
