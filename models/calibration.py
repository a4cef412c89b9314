"""Thresholds and calibration from the scores of held-out normal charging."""

from __future__ import annotations

import numpy as np

from scoring.config import Calibration, Thresholds
from scoring.graph import Scores
from window.samples import Floats

ERROR_MARGIN = 1.2
"""The error's threshold lies this much above the worst held-out normal sample: one policy sample decides, and the
next charge has a worst sample too."""
FOREST_MARGIN = 0.01
STARTS_PASSED = 0.99
"""Share of the samples in simulated starts that must pass. These are drawn from far wider conditions, and far more
often, than charges start: to pass the very worst would hide every step of the current that is smaller."""
_ROWS = 24


def thresholds(running: Scores, starts: Scores) -> Thresholds:
    """Thresholds beyond every sample of the held-out charges once they run, and beyond most samples of starts."""
    return Thresholds(
        reconstruction_error=max(
            float(running.reconstruction_error.max()) * ERROR_MARGIN,
            float(np.quantile(starts.reconstruction_error, STARTS_PASSED)),
        ),
        forest_score=min(
            float(running.forest_score.min()) - FOREST_MARGIN,
            float(np.quantile(starts.forest_score, 1.0 - STARTS_PASSED)),
        ),
    )


def calibrate(reconstruction_error: Floats, forest_score: Floats, normal_hours: float) -> Calibration:
    """How often held-out normal samples (n,) reached a score, densest at the rare end."""
    return Calibration(
        normal_hours=round(normal_hours, 2),
        reconstruction_error=_table(reconstruction_error),
        forest_score=tuple((-score, times) for score, times in _table(-forest_score)),
    )


def _table(scores: Floats) -> tuple[tuple[float, int], ...]:
    worst_first = np.sort(scores)[::-1]
    times = np.unique(np.geomspace(1, len(scores), _ROWS).round().astype(int))[::-1]
    # Equal scores reach each other: count them all, or the table would claim too much.
    rows = {float(worst_first[k - 1]): int((scores >= worst_first[k - 1]).sum()) for k in times}
    return tuple(sorted(rows.items()))
