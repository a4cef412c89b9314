"""The message about one anomalous sample."""

from __future__ import annotations

from reporting.anomaly.evidence import Evidence
from reporting.anomaly.publication import SEVERITIES, Publication, event_id, rule_words
from reporting.contract.events import AnomalyEvent, AnomalySample, ArchiveLink, schema_uri, utc
from reporting.contract.health_kinds import filter_severity
from reporting.contract.severities import SEVERITY_NUMBERS
from reporting.keys import minute_key
from reporting.message import Message
from reporting.names import flat


def sample_message(evidence: Evidence, to: Publication, *, episode: str, revision: int) -> Message:
    """The sample's message. ``episode``: the id of its episode; ``revision``: 1 where a later record amends it.

    Its id depends on the sample and the model, and for an amendment on the record that caused it: a message that is
    sent twice has one id, and two messages that differ never share one.
    """
    position = to.position
    cause = f"{position.shard}\n{position.sequence}" if revision and position else ""
    severity = SEVERITIES[evidence.severity]
    content = evidence.finding()
    event = AnomalyEvent(
        id=event_id(to.source, evidence.device, evidence.ts, evidence.model, revision=revision, cause=cause),
        source=to.source,
        type="anomaly.sample",
        subject=evidence.device,
        time=utc(evidence.ts),
        dataschema=schema_uri("anomaly.sample"),
        severitytext=severity,
        severitynumber=SEVERITY_NUMBERS[severity],
        filterseverity=filter_severity("anomaly.sample", severity),
        sequence=position.sequence if position else None,
        partitionkey=evidence.device,
        recordedtime=to.recorded,
        data=AnomalySample.model_validate(
            {
                **content,
                "device": evidence.device,
                "summary": evidence.explanation.sentence,
                "kind": evidence.explanation.kinds[0],
                "episode": episode,
                "position": position,
                "archive": ArchiveLink(bucket=to.bucket, key=minute_key(evidence.device, evidence.ts)),
                "chart": to.chart,
                "revision": revision,
                "muted": to.muted,
            }
        ),
    )
    text = [
        f"{severity.upper()}: {flat(evidence.device)} at {event.time:%Y-%m-%d %H:%M:%S} UTC",
        evidence.explanation.sentence,
        f"{rule_words(evidence.explanation.rules)}.",
        *to.closing_lines(None if revision else event.id),  # no archive line leads to the id of an amendment
    ]
    return Message(
        id=event.id,
        type=event.type,
        severity=severity,
        device=evidence.device,
        state="sample",
        schema_uri=event.dataschema,
        body=event.model_dump_json(exclude_none=True),
        text="\n".join(text),
        kind=evidence.explanation.kinds[0],
    )
