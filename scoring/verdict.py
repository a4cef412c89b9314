"""From scores to a verdict: is the sample an anomaly, which model says so, how severe is it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray

from scoring.config import BundleConfig
from scoring.graph import Scores
from window.samples import Floats


class Severity(IntEnum):
    """How far a sample lies beyond the bundle's limits; NONE for one that is no anomaly."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class Stage(IntFlag):
    """The models that call a sample an anomaly."""

    NONE = 0
    RECONSTRUCTION = 1
    FOREST = 2


REACH = {"plain": 0}
"""How many samples before the judged one a policy looks at."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Columns of equal length, one row a sample: ``stages`` holds `Stage` bits, ``severity`` `Severity` values.

    ``unscorable``: a score is not finite, so nothing can be said; never an anomaly, and never normal either.
    """

    anomaly: NDArray[np.bool_]
    stages: NDArray[np.uint8]
    severity: NDArray[np.int8]
    unscorable: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.anomaly)


def judge(scores: Scores, current_a: Floats, temperature_c: Floats, config: BundleConfig) -> Verdicts:
    """Verdicts on n samples from their scores and readings (n,), in amperes and degrees Celsius.

    An anomaly is what either model calls one. Severity follows the magnitude of the current and the temperature,
    whichever reaches higher; an anomaly below all limits is LOW.
    """
    limits = config.thresholds
    unscorable = ~(np.isfinite(scores.reconstruction_error) & np.isfinite(scores.forest_score))
    # Both comparisons are false for NaN: without the mask a broken row would pass as normal.
    stages = np.where(scores.reconstruction_error > limits.reconstruction_error, Stage.RECONSTRUCTION, 0)
    stages = stages | np.where(scores.forest_score < limits.forest_score, Stage.FOREST, 0)
    stages = np.where(unscorable, 0, stages).astype(np.uint8)
    anomaly = stages != 0
    return Verdicts(anomaly, stages, _severity(anomaly, current_a, temperature_c, config), unscorable)


def _severity(
    anomaly: NDArray[np.bool_], current_a: Floats, temperature_c: Floats, config: BundleConfig
) -> NDArray[np.int8]:
    severity = np.where(anomaly, np.int8(Severity.LOW), np.int8(Severity.NONE))
    for level, limit in (
        (Severity.MEDIUM, config.severity.medium),
        (Severity.HIGH, config.severity.high),
        (Severity.CRITICAL, config.severity.critical),
    ):
        reached = (np.abs(current_a) >= limit.current_a) | (temperature_c >= limit.temperature_c)
        severity[anomaly & reached] = level
    return severity
