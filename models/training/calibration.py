"""Calibration: how rare a score is in held-out normal charging."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scoring.config import Calibration, Range
from window.features import FEATURES
from window.samples import Floats, Samples

BAND = 0.99
"""Share of held-out normal samples whose reading lies in the band around the expected value."""
_ROWS = 24


def calibrate(
    reconstruction_error: Floats, forest_score: Floats, normal_hours: float, residual: Range | None = None
) -> Calibration:
    """How often held-out normal samples (n,) reached a score, with more rows for rare scores. ``residual``: from
    `residuals`."""
    return Calibration(
        normal_hours=round(normal_hours, 2),
        reconstruction_error=_table(reconstruction_error),
        forest_score=tuple((-score, times) for score, times in _table(-forest_score)),
        residual=residual,
    )


def residuals(sessions: Sequence[Samples], reconstruction: Floats) -> Range:
    """The range of reading minus expected value for `BAND` of the normal samples, with equally many of the rest below
    and above. ``reconstruction`` (n, 14): of all rows of the sessions."""
    current_a = np.concatenate([s.current_a for s in sessions]) - reconstruction[:, FEATURES.index("current")]
    temperature_c = np.concatenate([s.temperature_c for s in sessions])
    temperature_c = temperature_c - reconstruction[:, FEATURES.index("temperature")]

    def ends(of: Floats) -> tuple[float, float]:
        low, high = np.quantile(of, [(1.0 - BAND) / 2, (1.0 + BAND) / 2]).round(4).tolist()
        return low, high

    return Range(current_a=ends(current_a), temperature_c=ends(temperature_c))


def _table(scores: Floats) -> tuple[tuple[float, int], ...]:
    worst_first = np.sort(scores)[::-1]
    times = np.unique(np.geomspace(1, len(scores), _ROWS).round().astype(int))[::-1]
    # Equal scores reach each other: count them all, or the table would claim too small a number.
    rows = {float(worst_first[k - 1]): int((scores >= worst_first[k - 1]).sum()) for k in times}
    return tuple(sorted(rows.items()))
