"""From scores to a verdict: whether a sample is an anomaly, by which stages, and how severe it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from scoring.config import EVIDENCE_SAMPLES, BundleConfig
from scoring.detectors import DETECTORS, FOREST, Stage
from scoring.evidence import Past, weigh
from scoring.graph import Scores
from window.samples import Floats


class Severity(IntEnum):
    """How far an anomaly lies beyond the bundle's limits; NONE for a sample that is no anomaly."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


REACH = {"plain": 0, "evidence": EVIDENCE_SAMPLES}
"""How many samples before the judged one a policy looks at, with those that their features reach back to."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Columns of equal length, one row a sample: ``stages`` holds `Stage` bits, ``severity`` `Severity` values.

    ``unscorable``: a score is not finite; such a sample is neither an anomaly nor normal. ``warming``: the session has
    just begun, and only a reading out of bounds makes an anomaly.
    """

    anomaly: NDArray[np.bool_]
    stages: NDArray[np.uint8]
    severity: NDArray[np.int8]
    unscorable: NDArray[np.bool_]
    warming: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.anomaly)


def judge(
    scores: Scores, current_a: Floats, temperature_c: Floats, config: BundleConfig, past: Past | None = None
) -> Verdicts:
    """Verdicts on n samples from their scores and readings (n,), in amperes and degrees Celsius.

    By policy `plain` a sample is an anomaly if either model alarms. Policy `evidence` also looks at ``past``, the
    samples before each, and raises ValueError without it. The severity follows the magnitude of the current or the
    temperature, whichever is more severe; an anomaly below all limits is LOW.
    """
    limits = config.thresholds
    unscorable = ~(np.isfinite(scores.reconstruction_error) & np.isfinite(scores.forest_score))
    stages = np.zeros(len(scores), np.uint8)
    for each in DETECTORS if config.evidence is None else (FOREST,):
        # False for NaN: without the mask below a broken row would pass as normal.
        exceeds = each.exceeds(getattr(scores, each.score), getattr(limits, each.score))
        stages[exceeds] |= int(each.stage)
    if config.evidence is None:
        warming = np.zeros(len(scores), bool)
    elif past is None:
        raise ValueError('policy "evidence" judges a sample by those before it, which were not given')
    else:
        found = weigh(past, limits.reconstruction_error, config.evidence, config.features.session_gap_s)
        for stage, says in (
            (Stage.RECONSTRUCTION, found.error),
            (Stage.CHANGE, found.change),
            (Stage.STUCK, found.stuck),
            (Stage.RANGE, found.outside),
        ):
            stages[says] |= int(stage)
        warming = found.warming
    stages[warming] &= int(Stage.RANGE)
    stages[unscorable] = Stage.NONE
    anomaly = stages != 0
    return Verdicts(anomaly, stages, _severity(anomaly, current_a, temperature_c, config), unscorable, warming)


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
