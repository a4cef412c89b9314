"""An anomalous sample with its evidence, and its line in the archive."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import orjson

from reporting.contract.events import Band, Reading, Score, utc
from scoring.bundle import Bundle
from scoring.detectors import DETECTORS, FOREST, RECONSTRUCTION, Detector, Stage
from scoring.evidence import Past
from scoring.explanation import Explanation, explain
from scoring.faults import Forecast
from scoring.rules import Rule
from scoring.scorer import Scored
from scoring.severity import Severity


@dataclass(frozen=True, slots=True)
class Evidence:
    """An anomalous sample and why it is one: a function of the samples and the bundle, of nothing else.

    Amperes, degrees Celsius, epoch seconds. ``model``: the id of the bundle.
    """

    device: str
    ts: float
    current_a: float
    temperature_c: float
    reconstruction_error: float
    error_threshold: float
    forest_score: float
    forest_threshold: float
    stages: Stage
    severity: Severity
    explanation: Explanation
    model: str

    @classmethod
    def of(cls, scored: Scored, row: int, *, device: str, bundle: Bundle, past: Past | None = None) -> Evidence:
        """The evidence of one row that ``bundle`` scored. ``past``: what lies before it, a `Past` of one row; for an
        anomaly ``scored`` has it. Raises ValueError for scores that are not finite."""
        scores = scored.scores.take(slice(row, row + 1))
        stages = Stage(int(scored.verdicts.stages[row]))
        return cls(
            device=device,
            ts=float(scored.ts[row]),
            current_a=float(scored.current_a[row]),
            temperature_c=float(scored.temperature_c[row]),
            reconstruction_error=float(scores.reconstruction_error[0]),
            error_threshold=bundle.config.thresholds.reconstruction_error,
            forest_score=float(scores.forest_score[0]),
            forest_threshold=bundle.config.thresholds.forest_score,
            stages=stages,
            severity=Severity(int(scored.verdicts.severity[row])),
            explanation=explain(scored.features[row], scores, past or scored.past_of(row), stages, bundle),
            model=bundle.id,
        )

    def line(self) -> bytes:
        """The sample's line in its minute object, newline included. It has no position, time of receipt, revision or
        link: a replay must give the same bytes (rule 9)."""
        return orjson.dumps(self.content(), option=orjson.OPT_APPEND_NEWLINE)

    def content(self) -> dict[str, Any]:
        """What the line says, as plain JSON values."""
        written = utc(self.ts).isoformat().replace("+00:00", "Z")
        return {"device": self.device, "ts": self.ts, "datetime": written, **self.finding()}

    def finding(self) -> dict[str, Any]:
        """What archive and messages share, in the contract's names, as plain JSON values (`events.Finding`)."""
        why = self.explanation
        return {
            "ts": self.ts,
            "severity": self.severity.name.lower(),
            "kinds": list(why.kinds),
            "rules": [_rule(rule) for rule in why.rules],
            "stages": [stage.name.lower() for stage in self.stages if stage.name],
            "actual": Reading(current_a=self.current_a, temperature_c=self.temperature_c).model_dump(),
            **({"expected": Reading(**asdict(why.expected)).model_dump()} if why.expected is not None else {}),
            **({"expected_band": Band(**asdict(why.band)).model_dump(mode="json")} if why.band is not None else {}),
            **({"forecast": _forecast(why.forecast)} if why.forecast is not None else {}),
            "reconstruction": Reading(**asdict(why.reconstruction)).model_dump(),
            "scores": {each.key: self._score(each) for each in DETECTORS},
            "contributions": dict(why.shares),
            **({"forest_features": dict(why.forest)} if why.forest is not None else {}),
            "rarity": why.rarity,
            "model": self.model,
        }

    def _score(self, detector: Detector) -> dict[str, Any]:
        value = getattr(self, detector.score)
        threshold = {RECONSTRUCTION: self.error_threshold, FOREST: self.forest_threshold}[detector]
        return Score(value=value, threshold=threshold, exceeded=bool(detector.exceeds(value, threshold))).model_dump()


def _rule(rule: Rule) -> dict[str, Any]:
    found = {"rule": rule.name, "value": rule.value, "limit": rule.limit}
    return found if rule.reading is None else {**found, "reading": rule.reading}


def _forecast(forecast: Forecast) -> dict[str, Any]:
    return {**asdict(forecast), "severity": forecast.severity.name.lower()}
