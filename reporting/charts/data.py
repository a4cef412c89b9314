"""What a chart shows. This module imports no drawing library: the worker only builds the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from window.samples import Floats

SEVERITIES = ("none", "low", "medium", "high", "critical")
"""Names of the severity codes 0 to 4."""
_COLUMNS = (
    "current_a",
    "temperature_c",
    "expected_current_a",
    "expected_temperature_c",
    "reconstruction_error",
    "forest_score",
    "severity",
)


@dataclass(frozen=True, slots=True)
class ChartData:
    """All that a chart of one device shows; picklable.

    Columns of shape (n,), any n from 0, in any order: ``ts`` in epoch seconds, measured and expected current in amperes
    and temperature in degrees Celsius, both scores (NaN where there is none), ``severity`` 0 (none) to 4 (critical).
    ``marks``: moments with a line of their own, say a restart: (ts, label). ``spans``: intervals with a name, say a
    simulated fault: (first, last, label). ``blind``: intervals in which nobody watched: (first, last). ``note``: a line
    below the verdict. ``scores``: False leaves out the panels of the scores and the expected values. Raises ValueError
    for columns of unequal length.
    """

    device: str
    ts: Floats
    current_a: Floats
    temperature_c: Floats
    expected_current_a: Floats
    expected_temperature_c: Floats
    reconstruction_error: Floats
    forest_score: Floats
    severity: NDArray[np.int8]
    error_threshold: float
    forest_threshold: float
    model: str
    marks: tuple[tuple[float, str], ...] = ()
    spans: tuple[tuple[float, float, str], ...] = ()
    blind: tuple[tuple[float, float], ...] = ()
    note: str = ""
    scores: bool = True

    def __post_init__(self) -> None:
        for name in _COLUMNS:
            if len(getattr(self, name)) != len(self.ts):
                raise ValueError(f"{name} has {len(getattr(self, name))} rows, ts has {len(self.ts)}")

    def __len__(self) -> int:
        return len(self.ts)
