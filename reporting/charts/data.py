"""What a chart shows. This module imports no drawing library: the worker only builds the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.config import BundleConfig
from scoring.faults import FaultKind, blamed
from window.samples import Floats

SEVERITIES = ("none", "low", "medium", "high", "critical")
"""Names of the severity codes 0 to 4."""
_COLUMNS = (
    "current_a",
    "temperature_c",
    "reconstructed_current_a",
    "reconstructed_temperature_c",
    "reconstruction_error",
    "forest_score",
    "severity",
    "stages",
    "blamed",
)
CURRENT, TEMPERATURE = 1, 2
"""Bits of ``blamed``."""


@dataclass(frozen=True, slots=True)
class ChartData:
    """All that a chart of one device shows; picklable.

    Columns of shape (n,), any n from 0, in any order: ``ts`` in epoch seconds, current in amperes and temperature in
    degrees Celsius as measured and as the autoencoder made them, both scores (NaN where there is none), ``severity`` 0
    (none) to 4 (critical), ``stages`` of the verdict (`scoring.detectors.Stage` bits), and which readings are
    ``blamed`` (bits `CURRENT` and `TEMPERATURE`). ``error_limit`` and ``forest_limit``: beyond these a score alone
    makes an anomaly. ``marks``: moments with a line of their own, say a restart: (ts, label). ``spans``: intervals with
    a name, say a simulated fault: (first, last, label). ``blind``: intervals in which nobody watched: (first, last).
    ``note``: a line below the verdict. ``counted``: how many samples there are, where not all are drawn. ``scores``:
    False leaves out the panels of the scores and the reconstruction. Raises ValueError for columns of unequal length.
    """

    device: str
    ts: Floats
    current_a: Floats
    temperature_c: Floats
    reconstructed_current_a: Floats
    reconstructed_temperature_c: Floats
    reconstruction_error: Floats
    forest_score: Floats
    severity: NDArray[np.int8]
    stages: NDArray[np.int8]
    blamed: NDArray[np.int8]
    error_limit: float
    forest_limit: float
    model: str
    marks: tuple[tuple[float, str], ...] = ()
    spans: tuple[tuple[float, float, str], ...] = ()
    blind: tuple[tuple[float, float], ...] = ()
    note: str = ""
    counted: int | None = None
    scores: bool = True

    def __post_init__(self) -> None:
        for name in _COLUMNS:
            if len(getattr(self, name)) != len(self.ts):
                raise ValueError(f"{name} has {len(getattr(self, name))} rows, ts has {len(self.ts)}")

    def __len__(self) -> int:
        return len(self.ts)


def blame(kinds: Sequence[Sequence[FaultKind]]) -> NDArray[np.int8]:
    """The bits of ``blamed`` from the kinds of fault of each row, shape (n,)."""
    found = np.zeros(len(kinds), np.int8)
    for row, of in enumerate(kinds):
        if of:
            readings = blamed(of)
            found[row] = CURRENT * ("current" in readings) + TEMPERATURE * ("temperature" in readings)
    return found


def limits_of(config: BundleConfig) -> tuple[float, float]:
    """``error_limit`` and ``forest_limit`` of a bundle."""
    once = config.evidence.once if config.evidence is not None else 1.0
    return once * config.thresholds.reconstruction_error, config.thresholds.forest_score
