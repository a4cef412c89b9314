"""What is said of an episode's step: its message on the topic."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from reporting.anomaly.episodes import Kind, Step
from reporting.anomaly.evidence import SEVERITIES, event_id, explained_by, muted_words
from reporting.contract.events import (
    AnomalyEpisode,
    ArchiveLink,
    ChartLink,
    EpisodeEvent,
    MutedBefore,
    StreamPosition,
    schema_uri,
    utc,
)
from reporting.contract.severities import SEVERITY_NUMBERS
from reporting.keys import minute_key
from reporting.message import Message, span

NOT_SHARED = ("device", "datetime")
"""Of an archive line, what a message has in another place."""


def message(
    step: Step,
    *,
    line: Mapping[str, Any] | None,
    model: str,
    sentence: str,
    source: str,
    bucket: str,
    position: StreamPosition | None,
    chart: ChartLink | None,
    recorded: datetime,
    muted: MutedBefore | None = None,
    told_as: Kind | None = None,
) -> Message:
    """The step's message. ``line`` and ``sentence``: the archive line of the sample that caused it, and what is said of
    that one; None and empty where time did, for a later owner might not know the line as it was. ``model``: the bundle
    of the sample that is named. ``told_as``: another step, because the opening was muted.

    Its id depends on the episode and on how many steps were before it.
    """
    episode = step.episode
    kind = told_as or step.kind
    severity = SEVERITIES[episode.severity]
    summary = _summary(kind, step, sentence)
    ts = episode.peak if line is None else float(line["ts"])
    sample = event_id(source, episode.device, ts, model)
    event = EpisodeEvent(
        id=hashlib.sha256(f"{source}\n{episode.device}\n{episode.id}\n{episode.steps}".encode()).hexdigest()[:32],
        source=source,
        type=f"anomaly.{kind}",
        subject=episode.device,
        time=utc(step.at),
        dataschema=schema_uri(f"anomaly.{kind}"),
        severitytext=severity,
        severitynumber=SEVERITY_NUMBERS[severity],
        sequence=position.sequence if position else None,
        partitionkey=episode.device,
        recordedtime=recorded,
        data=AnomalyEpisode.model_validate(
            {
                "device": episode.device,
                "summary": summary,
                "state": kind,
                "severity": severity,
                "episode": episode.id,
                "step": episode.steps,
                "opened": episode.opened,
                "last": episode.last,
                "samples": episode.samples,
                "reopened": episode.reopened,
                "revision": episode.revision,
                "sample": {"ts": ts, "event": sample},
                "evidence": None if line is None else {k: v for k, v in line.items() if k not in NOT_SHARED},
                "position": position,
                "archive": ArchiveLink(bucket=bucket, key=minute_key(episode.device, ts)),
                "chart": chart,
                "muted": muted,
            }
        ),
    )
    text = [
        f"{severity.upper()}: {' '.join(episode.device.split())}, {kind} at {event.time:%Y-%m-%d %H:%M:%S} UTC",
        summary,
        *([_scores(line["scores"])] if line is not None else []),
        *([muted_words(muted)] if muted is not None else []),
        *([f"Chart, until {chart.expires:%Y-%m-%d %H:%M} UTC: {chart.url}"] if chart is not None else []),
        explained_by(sample),
    ]
    return Message(
        id=event.id,
        type=event.type,
        severity=severity,
        device=episode.device,
        state=kind,
        schema_uri=event.dataschema,
        body=event.model_dump_json(exclude_none=True),
        text="\n".join(text),
    )


def _summary(kind: Kind, step: Step, sentence: str) -> str:
    episode = step.episode
    severity = SEVERITIES[episode.severity]
    if kind == "opened" and sentence:
        return f"Again: {sentence}" if episode.reopened else sentence
    if kind == "escalated" and sentence:
        return f"Now {severity}: {sentence}"
    if episode.samples == 0:
        return "Withdrawn: the samples that were anomalous have been written again with other readings."
    samples = "1 anomalous sample" if episode.samples == 1 else f"{episode.samples} anomalous samples"
    worst = f"{severity} at worst, at {utc(episode.peak):%H:%M:%S} UTC"
    if kind == "closed":
        return f"Over after {span(episode.last - episode.opened)}: {samples}, {worst}."
    return f"Anomalous for {span(step.at - episode.opened)} now: {samples} so far, {worst}."


def _scores(scores: Mapping[str, Any]) -> str:
    error, forest = scores["reconstruction_error"], scores["forest"]
    return (
        f"Reconstruction error {error['value']:.4g} (threshold {error['threshold']:.4g}), "
        f"forest score {forest['value']:.3f} (threshold {forest['threshold']:.3f})."
    )
