"""The detectors: the two models by name, the side of the threshold on which each alarms, and their words.

One table, so that no other file compares a score with a threshold in a direction of its own. The names are those of the
wire: of archive lines, events, bundles and window snapshots.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import Any, Literal


class Stage(IntFlag):
    """What calls a sample an anomaly: one of the two models, a change against the samples before it, a reading that
    repeats, or a reading far outside the training range."""

    NONE = 0
    RECONSTRUCTION = 1
    FOREST = 2
    CHANGE = 4
    STUCK = 8
    RANGE = 16


@dataclass(frozen=True, slots=True)
class Detector:
    """One model.

    ``stage``: what a verdict says when it alarms. ``score``: its column among scores, thresholds, calibration tables
    and windows. ``key``: its name among the ``scores`` of an event. ``alarms``: the side of the threshold on which a
    score is an anomaly. ``digits``: how its scores are written for people.
    """

    stage: Stage
    score: Literal["reconstruction_error", "forest_score"]
    key: Literal["reconstruction_error", "forest"]
    label: str
    alarms: Literal["above", "below"]
    digits: str

    @property
    def name(self) -> str:
        """As in the ``stages`` of an event."""
        return str(self.stage.name).lower()

    @property
    def sign(self) -> float:
        """A score times this is larger for a sample that is less normal."""
        return 1.0 if self.alarms == "above" else -1.0

    def exceeds(self, score: Any, threshold: float) -> Any:
        """Does a score, or each of an array of them, alarm? False for NaN."""
        return score > threshold if self.alarms == "above" else score < threshold


RECONSTRUCTION = Detector(
    Stage.RECONSTRUCTION, "reconstruction_error", "reconstruction_error", "reconstruction error", "above", ".4g"
)
FOREST = Detector(Stage.FOREST, "forest_score", "forest", "forest score", "below", ".3f")
DETECTORS = (RECONSTRUCTION, FOREST)
