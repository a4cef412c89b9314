"""From scores to a verdict: whether a sample is an anomaly, by which stages, and how severe it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.aftermath import beyond, remaining
from scoring.config import BundleConfig
from scoring.course import courses
from scoring.detectors import DETECTORS, FOREST, Stage
from scoring.evidence import Past, Weighed, weigh
from scoring.faults import critical_soon
from scoring.graph import Scores
from scoring.severity import Severity
from window.samples import Floats


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
    scores: Scores,
    current_a: Floats,
    temperature_c: Floats,
    config: BundleConfig,
    past: Past | None = None,
    *,
    closely: bool = True,
) -> Verdicts:
    """Verdicts on n samples from their scores and readings (n,), in amperes and degrees Celsius.

    By policy `plain` a sample is an anomaly if either model alarms. Policy `evidence` also looks at ``past``, the
    samples before each, and raises ValueError without it: what alarms only for a fault that is over makes no anomaly
    (`scoring.aftermath`). The severity follows the magnitude of the current or the temperature, whichever is more
    severe; an anomaly below all limits is LOW. By policy `evidence` it is at least HIGH where the readings reach the
    critical limit soon if they go on (`scoring.faults`). With ``closely`` false the two are left out, which makes some
    more anomalies, and cheaper.
    """
    limits = config.thresholds
    unscorable = ~(np.isfinite(scores.reconstruction_error) & np.isfinite(scores.forest_score))
    stages = np.zeros(len(scores), np.uint8)
    for each in DETECTORS if config.evidence is None else (FOREST,):
        # False for NaN: without the mask below a broken row would pass as normal.
        exceeds = each.exceeds(getattr(scores, each.score), getattr(limits, each.score))
        stages[exceeds] |= int(each.stage)
    soon = np.zeros(len(scores), bool)
    if config.evidence is None:
        warming = np.zeros(len(scores), bool)
    elif past is None:
        raise ValueError('policy "evidence" judges a sample by those before it, which were not given')
    else:
        found = weigh(past, limits.reconstruction_error, config.evidence, config.features.session_gap_s)
        for stage, says in (
            (Stage.RECONSTRUCTION, found.error),
            (Stage.CHANGE, found.current | found.temperature),
            (Stage.STUCK, found.stuck),
            (Stage.RANGE, found.outside),
        ):
            stages[says] |= int(stage)
        warming = found.warming
        if closely:
            soon = _looked_at_closely(stages, found, past, config)
    stages[warming] &= int(Stage.RANGE)
    stages[unscorable] = Stage.NONE
    anomaly = stages != 0
    severity = _severity(anomaly, current_a, temperature_c, config)
    severity[anomaly & soon] = np.maximum(severity[anomaly & soon], np.int8(Severity.HIGH))
    return Verdicts(anomaly, stages, severity, unscorable, warming)


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


def _looked_at_closely(
    stages: NDArray[np.uint8], found: Weighed, past: Past, config: BundleConfig
) -> NDArray[np.bool_]:
    """Take out of ``stages`` what is over; returns where the critical limit is near."""
    soon = np.zeros(len(stages), bool)
    for row in np.flatnonzero(stages):
        of = courses(past, int(row), config)
        changed = {reading for reading in of if getattr(found, reading)[row]}
        if not any(beyond(course, config) for course in of.values()):
            stages[row] = remaining(Stage(int(stages[row])), of, changed, config)
        soon[row] = any(critical_soon(course, config) for course in of.values())
    return soon
