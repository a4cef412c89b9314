"""What is said of one anomalous sample: its line in the archive and its message on the topic."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import orjson

from reporting.contract.events import (
    AnomalyEvent,
    AnomalySample,
    ArchiveLink,
    Band,
    ChartLink,
    MutedBefore,
    Reading,
    Score,
    Scores,
    StreamPosition,
    schema_uri,
    utc,
)
from reporting.contract.severities import SEVERITY_NUMBERS, SeverityName
from reporting.keys import minute_key
from reporting.message import Message
from scoring.bundle import Bundle
from scoring.explanation import Explanation, explain
from scoring.scorer import Scored
from scoring.verdict import Severity, Stage

SEVERITIES: dict[Severity, SeverityName] = {
    Severity.LOW: "low",
    Severity.MEDIUM: "medium",
    Severity.HIGH: "high",
    Severity.CRITICAL: "critical",
}
ChartLinker = Callable[[str], ChartLink | None]
"""Gives the link of a chart from its key, with its true expiry; None where there are no charts."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """An anomalous sample with all that speaks for it: a function of the samples and the bundle, of nothing else.

    Amperes, degrees Celsius, epoch seconds. ``model`` is the bundle's id.
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
    def of(cls, scored: Scored, row: int, *, device: str, bundle: Bundle) -> Evidence:
        """Of one row that ``bundle`` scored. Raises ValueError for scores that are not finite."""
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
            explanation=explain(scored.features[row], scores, bundle, stages),
            model=bundle.id,
        )

    def line(self) -> bytes:
        """The sample's line in its minute object, newline included. No position, time of receipt, revision or link:
        a replay must give the same bytes (rule 9)."""
        return orjson.dumps(
            {"device": self.device, "ts": self.ts, "datetime": utc(self.ts), **self._findings()},
            option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z,
        )

    def message(
        self,
        *,
        source: str,
        bucket: str,
        episode: str,
        position: StreamPosition | None,
        chart: ChartLink | None,
        revision: int,
        recorded: datetime,
        muted: MutedBefore | None = None,
    ) -> Message:
        """The sample's message. Its id depends on the sample and the model, and for an amendment on the record that
        caused it: a message sent twice can be told, and two that differ never share one."""
        cause = f"{position.shard}\n{position.sequence}" if revision and position else ""
        severity = SEVERITIES[self.severity]
        event = AnomalyEvent(
            id=event_id(source, self.device, self.ts, self.model, revision=revision, cause=cause),
            source=source,
            type="anomaly.sample",
            subject=self.device,
            time=utc(self.ts),
            dataschema=schema_uri("anomaly.sample"),
            severitytext=severity,
            severitynumber=SEVERITY_NUMBERS[severity],
            sequence=position.sequence if position else None,
            partitionkey=self.device,
            recordedtime=recorded,
            data=AnomalySample.model_validate(
                {
                    "device": self.device,
                    "summary": self.explanation.sentence,
                    "episode": episode,
                    "ts": self.ts,
                    "position": position,
                    "archive": ArchiveLink(bucket=bucket, key=minute_key(self.device, self.ts)),
                    "chart": chart,
                    "revision": revision,
                    "muted": muted,
                    **self._findings(),
                }
            ),
        )
        return Message(
            id=event.id,
            type=event.type,
            severity=severity,
            device=self.device,
            state="sample",
            schema_uri=event.dataschema,
            body=event.model_dump_json(exclude_none=True),
            text=self._text(chart, muted, None if revision else event.id),
        )

    def _findings(self) -> dict[str, Any]:
        """The part that archive and message share, in the contract's names."""
        told = self.explanation
        return {
            "severity": self.severity.name.lower(),
            "stages": [stage.name.lower() for stage in self.stages if stage.name],
            "actual": Reading(current_a=self.current_a, temperature_c=self.temperature_c).model_dump(),
            "expected": Reading(
                current_a=told.expected_current_a, temperature_c=told.expected_temperature_c
            ).model_dump(),
            **({"expected_band": Band(**asdict(told.band)).model_dump()} if told.band is not None else {}),
            "scores": Scores(
                reconstruction_error=Score(
                    value=self.reconstruction_error,
                    threshold=self.error_threshold,
                    exceeded=bool(self.stages & Stage.RECONSTRUCTION),
                ),
                forest=Score(
                    value=self.forest_score,
                    threshold=self.forest_threshold,
                    exceeded=bool(self.stages & Stage.FOREST),
                ),
            ).model_dump(),
            "contributions": dict(told.shares),
            **({"forest_features": dict(told.forest)} if told.forest is not None else {}),
            "rarity": told.rarity,
            "model": self.model,
        }

    def _text(self, chart: ChartLink | None, muted: MutedBefore | None, event: str | None) -> str:
        """What a person reads in an e-mail or a text message. ``event``: the id, where it leads to the archive line."""
        device = " ".join(self.device.split())
        lines = [
            f"{SEVERITIES[self.severity].upper()}: {device} at {utc(self.ts):%Y-%m-%d %H:%M:%S} UTC",
            self.explanation.sentence,
            f"Reconstruction error {self.reconstruction_error:.4g} (threshold {self.error_threshold:.4g}), "
            f"forest score {self.forest_score:.3f} (threshold {self.forest_threshold:.3f}); {self.explanation.rarity}.",
        ]
        if muted is not None:
            lines.append(muted_words(muted))
        if chart is not None:
            lines.append(f"Chart, until {chart.expires:%Y-%m-%d %H:%M} UTC: {chart.url}")
        if event is not None:
            lines.append(explained_by(event))
        return "\n".join(lines)


def event_id(source: str, device: str, ts: float, model: str, *, revision: int = 0, cause: str = "") -> str:
    """The id of a sample's message. ``cause``: of an amendment, where the record that caused it lies in the stream."""
    identity = f"{source}\n{device}\n{ts!r}\n{model}\n{revision}\n{cause}"
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def explained_by(event: str) -> str:
    """The command that looks at a sample again, for people; ``event``: the id of its message."""
    return f"Run: battery-watch explain {event}"


def muted_words(muted: MutedBefore) -> str:
    """What was not told of an episode, for people."""
    earlier = "1 message" if muted.count == 1 else f"{muted.count} messages"
    return (
        f"This episode began at {utc(muted.opened):%Y-%m-%d %H:%M:%S} UTC; {earlier} of it, from "
        f"{utc(muted.since):%H:%M:%S} on, {'was' if muted.count == 1 else 'were'} muted."
    )
