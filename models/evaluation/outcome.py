"""How a finished bundle does on normal sessions and on faults put into them: for its manifest and its card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from models.data.material import Material
from models.data.sessions import hours
from models.evaluation.evaluate import Detector, episodes, injected, of_bundle
from models.evaluation.faults import AFTER_S, BEFORE_S, CATALOGUE, trials
from scoring.bundle import Bundle
from window.samples import Samples


def outcome(bundle: Bundle, material: Material, seed: int, per_grade: int) -> dict[str, Any]:
    """The manifest's ``held_out`` (validation) and ``fresh`` (test sessions, if there are any), and its ``faults``:
    ``per_grade`` of each grade of the catalogue that fits into the sessions."""
    detect = of_bundle(bundle)
    longest_s = max(float(s.ts[-1] - s.ts[0]) for s in material.fault_injected)
    grades = [grade for grade in CATALOGUE if BEFORE_S + grade.lasts_s + AFTER_S < longest_s]
    found = injected(detect, trials(material.fault_injected, seed, count=per_grade, grades=grades))
    return {
        "held_out": _normal(detect, material.validation),
        **({"fresh": _normal(detect, material.test)} if material.test else {}),
        "faults": [asdict(row) for row in found],
    }


def _normal(detect: Detector, sessions: Sequence[Samples]) -> dict[str, Any]:
    alarms = detect(sessions)
    return {
        "hours": round(hours(sessions), 2),
        "sessions": len(sessions),
        "samples": sum(map(len, sessions)),
        "false_samples": sum(int(alarm.sum()) for alarm in alarms),
        "false_episodes": sum(
            episodes(s.ts, alarm, np.zeros(len(s), bool)) for s, alarm in zip(sessions, alarms, strict=True)
        ),
    }
