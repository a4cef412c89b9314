"""The message about one step of an episode."""

from __future__ import annotations

import hashlib

from reporting.anomaly.episodes import Kind, Step
from reporting.anomaly.evidence import Evidence
from reporting.anomaly.faults import WORDS, worst_words
from reporting.anomaly.publication import SEVERITIES, Publication, event_id, rule_words
from reporting.contract.events import AnomalyEpisode, ArchiveLink, EpisodeEvent, schema_uri, utc
from reporting.contract.health_kinds import filter_severity
from reporting.contract.severities import SEVERITY_NUMBERS
from reporting.duration import duration
from reporting.keys import minute_key
from reporting.message import Message
from reporting.names import flat


def episode_message(
    step: Step, to: Publication, *, evidence: Evidence | None, model: str, publish_as: Kind | None = None
) -> Message:
    """The step's message. ``evidence``: of the sample that caused it, None where time did: a later owner might not know
    that sample as it was. ``model``: the bundle of the sample that the message names. ``publish_as``: another kind of
    step, because the opening was muted.

    Its id depends on the episode and on how many steps were before it.
    """
    episode = step.episode
    kind = publish_as or step.kind
    severity = SEVERITIES[episode.severity]
    loudest = max(episode.severity, episode.loudest or episode.severity)
    summary = _summary(kind, step, "" if evidence is None else evidence.explanation.about(episode.kind))
    ts = episode.peak if evidence is None else evidence.ts
    sample = event_id(to.source, episode.device, ts, model)
    event = EpisodeEvent(
        id=hashlib.sha256(f"{to.source}\n{episode.device}\n{episode.id}\n{episode.steps}".encode()).hexdigest()[:32],
        source=to.source,
        type=f"anomaly.{kind}",
        subject=episode.device,
        time=utc(step.at),
        dataschema=schema_uri(f"anomaly.{kind}"),
        severitytext=severity,
        severitynumber=SEVERITY_NUMBERS[severity],
        filterseverity=filter_severity(f"anomaly.{kind}", SEVERITIES[loudest]),
        sequence=to.position.sequence if to.position else None,
        partitionkey=episode.device,
        recordedtime=to.recorded,
        data=_data(step, kind, to, summary=summary, evidence=evidence, ts=ts, sample=sample),
    )
    text = [
        f"{severity.upper()}: {flat(episode.device)}, {WORDS[episode.kind]}, {kind} at "
        f"{event.time:%Y-%m-%d %H:%M:%S} UTC",
        summary,
        *([] if evidence is None else [f"{rule_words(evidence.explanation.rules)}."]),
        *to.closing_lines(sample),
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
        kind=episode.kind,
    )


def _data(
    step: Step, kind: Kind, to: Publication, *, summary: str, evidence: Evidence | None, ts: float, sample: str
) -> AnomalyEpisode:
    episode = step.episode
    return AnomalyEpisode.model_validate(
        {
            "device": episode.device,
            "summary": summary,
            "kind": episode.kind,
            "state": kind,
            "severity": SEVERITIES[episode.severity],
            "episode": episode.id,
            "step": episode.steps,
            "opened": episode.opened,
            "last": episode.last,
            "samples": episode.samples,
            "reopened": episode.reopened,
            "revision": episode.revision,
            "sample": {"ts": ts, "event": sample},
            "evidence": None if evidence is None else evidence.finding(),
            "position": to.position,
            "archive": ArchiveLink(bucket=to.bucket, key=minute_key(episode.device, ts)),
            "chart": to.chart,
            "muted": to.muted,
        }
    )


def _summary(kind: Kind, step: Step, sentence: str) -> str:
    episode = step.episode
    severity = SEVERITIES[episode.severity]
    if kind == "opened" and sentence:
        return f"Again: {sentence}" if episode.reopened else sentence
    if kind == "escalated" and sentence:
        return f"Now {severity}: {sentence}"
    if episode.samples == 0:
        return "Withdrawn: its samples were written again with other readings and are no longer anomalous."
    samples = "1 anomalous sample" if episode.samples == 1 else f"{episode.samples} anomalous samples"
    worst = f"{severity} at worst" if episode.worst is None else f"{worst_words(episode.kind, episode.worst)} at worst"
    words = WORDS[episode.kind]
    seen = f"{worst}, at {utc(episode.peak):%H:%M:%S} UTC; {samples}"
    name, back = f"{words[0].upper()}{words[1:]}", _back(episode.reopened)
    if kind == "closed":
        return f"{name} over after {duration(episode.last - episode.opened)}{back}: {seen}."
    if kind == "opened":
        return f"{f'Again: {words}' if back else name} since {utc(episode.opened):%H:%M:%S} UTC{back}: {seen}."
    return f"{name} for {duration(step.at - episode.opened)} so far{back}: {seen}."


def _back(count: int) -> str:
    """How often something came back."""
    return f", came back {'once' if count == 1 else f'{count} times'}" if count else ""
