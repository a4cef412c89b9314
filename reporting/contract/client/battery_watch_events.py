"""Battery Watch's events, typed. One file: the standard library and pydantic, nothing else.

    from battery_watch_events import from_sqs
    event = from_sqs(message)          # as boto3's receive_message gives it; raw delivery or not
    print(event.severitytext, event.subject, event.data.summary)

`from_lambda` and `from_http` read the rest. Made from the contract in Battery Watch (`make contract`): change it there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

SeverityName = Literal["low", "medium", "high", "critical"]
SEVERITY_NUMBERS: dict[str, int] = {"low": 9, "medium": 13, "high": 17, "critical": 21}
"""OpenTelemetry's severity numbers: info, warn, error, fatal."""


HealthType = Literal[
    "health.silence",
    "health.stuck",
    "health.clock_skew",
    "health.gap",
    "health.late",
    "health.lagging",
    "health.quarantine",
    "health.warming",
    "health.bundle",
    "health.misfit",
    "health.undelivered",
    "health.host_clock",
    "health.rewritten",
    "health.overwritten",
]


SCHEMA_VERSION = "2"
KindName = Literal[
    "over_current",
    "drop_out",
    "unsteady_current",
    "current_drift",
    "temperature_high",
    "heating",
    "cooling",
    "temperature_jump",
    "frozen_reading",
    "out_of_range",
    "unusual_pattern",
]
"""The kinds of fault, as `scoring.faults.FaultKind`."""
ReadingName = Literal["current", "temperature"]


class Payload(BaseModel):
    """Payload models are frozen; a field that this version does not know is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Reading(Payload):
    """A current and a temperature."""

    current_a: float = Field(description="Amperes; charge is positive.")
    temperature_c: float = Field(description="Degrees Celsius.")


class Band(Payload):
    """The range in which a normal reading would lie."""

    current_a: tuple[float, float] = Field(description="Amperes, low and high.")
    temperature_c: tuple[float, float] = Field(description="Degrees Celsius, low and high.")


class Score(Payload):
    """One model's score against the threshold it was trained with."""

    value: float
    threshold: float
    exceeded: bool = Field(description="Does the value lie beyond the threshold? `rules` say what made the anomaly.")


class Rule(Payload):
    """A rule that the sample met: `value` lies beyond `limit`."""

    rule: Literal["reconstruction_error", "repeated_errors", "forest", "change", "stuck", "range"]
    reading: ReadingName | None = Field(default=None, description="Where the rule is about one reading.")
    value: float
    limit: float


class Forecast(Payload):
    """When a reading reaches the next severity limit if it goes on as since it went off."""

    reading: ReadingName
    severity: SeverityName = Field(description="Of the limit.")
    limit: float = Field(description="Amperes, or degrees Celsius.")
    at: float = Field(description="Epoch seconds.")
    in_s: float = Field(description="Seconds from the sample on.")
    rate: float = Field(description="Per second.")


class Scores(Payload):
    """Both models' scores: the error alarms above its threshold, the forest below."""

    reconstruction_error: Score
    forest: Score


class StreamPosition(Payload):
    """Where the sample's record lies in the stream."""

    shard: str
    sequence: str


class ArchiveLink(Payload):
    """The archive object that holds this sample, or will hold it in a moment."""

    bucket: str
    key: str


class ChartLink(Payload):
    """The chart that shows this sample. The link dies at `expires`: with its signature, or earlier with the credentials
    that signed it. The object stays; `key` is its stable name."""

    bucket: str
    key: str
    url: str
    expires: datetime


class MutedBefore(Payload):
    """What was archived of an episode but not published, because its device was muted."""

    opened: float = Field(description="When the episode opened: its first anomalous sample, epoch seconds.")
    since: float = Field(description="The first sample that was not published, epoch seconds.")
    count: int = Field(ge=1, description="Messages not published.")


class Finding(Payload):
    """One anomalous sample with its evidence."""

    ts: float = Field(description="The sample's time, epoch seconds.")
    severity: SeverityName
    kinds: tuple[KindName, ...] = Field(min_length=1, description="What is wrong. The main one first.")
    rules: tuple[Rule, ...] = Field(description="What made it an anomaly: every rule that it met.")
    actual: Reading
    expected: Reading | None = Field(
        default=None, description="What the session's samples before the fault lead to; None where they are too few."
    )
    expected_band: Band | None = Field(default=None, description="Where a normal reading would lie now.")
    forecast: Forecast | None = Field(default=None, description="Where it leads, where it leads to a limit in an hour.")
    reconstruction: Reading = Field(description="What the autoencoder makes of the sample. It is no expectation.")
    scores: Scores
    stages: tuple[Literal["reconstruction", "forest", "change", "stuck", "range"], ...]
    contributions: dict[str, float] = Field(description="Share of each feature in the error; sums to 1.")
    forest_features: dict[str, float] | None = Field(
        default=None,
        description="Where the forest alarmed: by how much its score rises with a feature at its mean, at most 3.",
    )
    rarity: str
    model: str = Field(description="Id of the bundle that scored it.")


class AnomalySample(Finding):
    """An anomalous sample in a message of its own."""

    device: str
    summary: str = Field(description="A sentence for each kind: what happened.")
    kind: KindName = Field(description="The main kind: the first of `kinds`.")
    episode: str = Field(description="Adjacent anomalous samples of a device and of this kind share it.")
    position: StreamPosition | None = Field(default=None, description="None where the sample came from the table.")
    archive: ArchiveLink
    chart: ChartLink | None = None
    revision: int = Field(
        default=0, ge=0, description="0 for the first message about a sample; 1 when a later record amends it."
    )
    muted: MutedBefore | None = Field(
        default=None, description="On the first message of an episode after a mute: what was not published of it."
    )


class SampleLink(Payload):
    """A sample, and where to ask about it."""

    ts: float = Field(description="The sample's time, epoch seconds.")
    event: str = Field(description="Id of its own message, published or not: `battery-watch explain` finds it.")


class AnomalyEpisode(Payload):
    """A step of an episode: adjacent anomalous samples of a device, of one kind of fault, are one incident."""

    device: str
    summary: str = Field(description="One sentence: what happened.")
    kind: KindName
    state: Literal["opened", "escalated", "ongoing", "closed"]
    severity: SeverityName = Field(description="The highest so far.")
    episode: str = Field(description="The same in all messages of an episode.")
    step: int = Field(ge=1, description="Counts the messages of an episode, muted ones included.")
    opened: float = Field(description="Its first anomalous sample, epoch seconds.")
    last: float = Field(description="Its latest anomalous sample so far, epoch seconds.")
    samples: int = Field(ge=0, description="Anomalous samples so far; none where all were withdrawn.")
    reopened: int = Field(ge=0, description="How often it was closed and opened again.")
    revision: int = Field(ge=0, description="How often a sample that came late or was written again has changed it.")
    sample: SampleLink = Field(
        description="The sample that caused the step, if one did; else the first of that severity."
    )
    evidence: Finding | None = Field(default=None, description="The evidence of that sample, if one caused the step.")
    position: StreamPosition | None = Field(default=None, description="Of the record that caused the step, if one did.")
    archive: ArchiveLink = Field(description="Holds the line of that sample.")
    chart: ChartLink | None = None
    muted: MutedBefore | None = Field(
        default=None, description="On the first message of an episode after a mute: what was not published of it."
    )


class Devices(Payload):
    """The devices of a notice about many."""

    count: int = Field(ge=2, description="How many.")
    first: tuple[str, ...] = Field(description="The names of the first few.")


class Health(Payload):
    """Something about the data or the watching itself that a user must know."""

    device: str | None = Field(default=None, description="None where it concerns the whole table, or many devices.")
    devices: Devices | None = Field(
        default=None, description="Where it concerns many devices: they had the same within a minute of another one."
    )
    summary: str = Field(description="One sentence: what happened, and what to do where something can be done.")
    state: Literal["opened", "closed"]
    since: float | None = Field(default=None, description="When what it is about began, epoch seconds.")
    until: float | None = Field(default=None, description="When that ended, epoch seconds.")
    count: int | None = Field(default=None, description="Records concerned, as far as known.")
    offset_s: float | None = Field(default=None, description="How far the device's clock is ahead (negative: behind).")
    model: str | None = Field(default=None, description="Id of the bundle, where it is about one.")
    command: str | None = Field(default=None, description="The command that helps.")
    event: str | None = Field(default=None, description="Id of another message, where it is about that message.")


AnomalyType = Literal["anomaly.sample"]
EpisodeType = Literal["anomaly.opened", "anomaly.escalated", "anomaly.ongoing", "anomaly.closed"]


class Envelope(BaseModel):
    """The CloudEvents attributes. Extensions carry no underscore: the specification allows [a-z0-9] only."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    subject: str
    time: datetime = Field(description="Event time: when it happened, not when it was published.")
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str
    severitytext: str
    severitynumber: Annotated[int, Field(ge=1, le=24)]
    filterseverity: str | None = Field(
        default=None,
        description="The severity to filter by: of the end of a health notice that of its beginning, else the same as "
        "severitytext. Not there in version 0.1.0.",
    )
    sequence: str | None = None
    partitionkey: str
    recordedtime: datetime | None = Field(
        default=None, description="When the message was written; not part of its identity."
    )


class AnomalyEvent(Envelope):
    """An anomalous sample, as CloudEvent."""

    type: AnomalyType
    data: AnomalySample


class EpisodeEvent(Envelope):
    """A step of an episode, as CloudEvent."""

    type: EpisodeType
    data: AnomalyEpisode


class HealthEvent(Envelope):
    """A notice about the watching itself, as CloudEvent."""

    type: HealthType
    data: Health


Event = AnomalyEvent | EpisodeEvent | HealthEvent
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
_ENVELOPE: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_SCHEMA = "urn:battery-watch:schema"
_TYPES = (*get_args(AnomalyType), *get_args(EpisodeType), *get_args(HealthType))
_OLD = {f"{_SCHEMA}:{kind}:1" for kind in _TYPES}


def parse(body: str | bytes) -> Event:
    """The event in a message's body, lifted to this version if it is of version 1. Raises pydantic's `ValidationError`
    for one that is not in the contract."""
    event = _ENVELOPE.validate_json(body)
    return parse_fields(event) if event.get("dataschema") in _OLD else _EVENT.validate_json(body)


def parse_fields(fields: Mapping[str, Any]) -> Event:
    """The event of these fields. Lifts and raises as `parse`."""
    return _EVENT.validate_python(_lifted(fields) if fields.get("dataschema") in _OLD else fields)


def known(event_type: str, dataschema: str) -> bool:
    """Is this a type and a version that `parse` reads?"""
    return dataschema in (schema_uri(event_type), f"{_SCHEMA}:{event_type}:1")


def schema_uri(event_type: str) -> str:
    """The name of a type's schema, as in `dataschema` and the message attribute `schema`."""
    return f"{_SCHEMA}:{event_type}:{SCHEMA_VERSION}"


def utc(epoch_s: float) -> datetime:
    """Epoch seconds as an aware UTC datetime."""
    return datetime.fromtimestamp(epoch_s, UTC)


def _lifted(fields: Mapping[str, Any]) -> dict[str, Any]:
    """An event of version 1 as one of this version. What version 1 called expected was the reconstruction; it knew no
    kinds of fault, and of the rules only the two models'."""
    kind, data = str(fields.get("type")), fields.get("data")
    if not isinstance(data, Mapping):
        return {**fields, "dataschema": schema_uri(kind)}
    if kind.startswith("anomaly."):
        data = {**data, "kind": "unusual_pattern"}
        if kind == "anomaly.sample":
            data = _lifted_finding(data)
        elif isinstance(data.get("evidence"), Mapping):
            data["evidence"] = _lifted_finding(data["evidence"])
    return {**fields, "dataschema": schema_uri(kind), "data": data}


def _lifted_finding(data: Mapping[str, Any]) -> dict[str, Any]:
    lifted = {name: value for name, value in data.items() if name not in ("expected", "expected_band")}
    rules = [
        {"rule": name, "value": score.get("value"), "limit": score.get("threshold")}
        for name, score in data.get("scores", {}).items()
        if score.get("exceeded")
    ]
    return {**lifted, "reconstruction": data.get("expected"), "kinds": ["unusual_pattern"], "rules": rules}


TYPES: tuple[str, ...] = (*get_args(EpisodeType), *get_args(AnomalyType), *get_args(HealthType))
"""Every type of event in this version of the contract."""
_WRAPPINGS = ("Message", "Body", "body")
"""The fields that hold the published text: of SNS without raw delivery, of SQS, of a record for Lambda."""
_MOST_FAULTS = 3
"""The message of an error names so many faults of an event."""


class NotAnEvent(ValueError):
    """What came is no event: the text of a mail, say, a message of another sender, or an event with broken data. The
    message says what is wrong, without the whole of what came."""


class OtherEvent(Envelope):
    """An event of a type, or of a version of its schema, that is not in this version of the contract. Its envelope is
    checked; ``data`` is as it came."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Confirmation:
    """SNS asks an HTTP endpoint whether it wants this subscription: request ``url`` if ``topic_arn`` is yours."""

    topic_arn: str
    url: str


def from_sqs(message: Mapping[str, Any] | str) -> Event | OtherEvent:
    """The event in an SQS message as boto3 gives it, or in its body alone, with or without raw message delivery.

    Raises `NotAnEvent`, a ValueError, also for a broken event.
    """
    return _event(message)


def from_lambda(event: Mapping[str, Any]) -> list[Event | OtherEvent]:
    """The events with which SNS or SQS called a Lambda function. Raises as `from_sqs`."""
    records = event.get("Records")
    if not isinstance(records, list):
        raise NotAnEvent("no Records: this is no call by SNS or SQS")
    return [_event(record.get("Sns", record) if isinstance(record, dict) else record) for record in records]


def from_http(body: str | bytes) -> Event | OtherEvent | Confirmation:
    """What SNS posted to an HTTP endpoint. Does not check the signature, which proves that it was SNS. Raises as
    `from_sqs`."""
    content = _json(body)
    if isinstance(content, dict) and content.get("Type") == "SubscriptionConfirmation":
        return Confirmation(str(content.get("TopicArn")), str(content.get("SubscribeURL")))
    return _event(content)


def unwrapped(content: Any) -> Any:
    """The published content without its wrappings: an event's fields, or text. ``content``: JSON, parsed or not."""
    while not (isinstance(content, dict) and "specversion" in content):
        inside = content
        if isinstance(content, dict):
            inside = next((content[name] for name in _WRAPPINGS if name in content), None)
        if not isinstance(inside, str | bytes):
            break
        try:
            content = json.loads(inside)
        except ValueError:
            return inside
    return content


def _event(message: Any) -> Event | OtherEvent:
    content = unwrapped(message)
    if not (isinstance(content, dict) and "specversion" in content):
        raise NotAnEvent(f"no CloudEvent: {str(content)[:80]!r}")
    kind = content.get("type")
    try:
        if kind in TYPES and known(kind, str(content.get("dataschema"))):
            return parse(json.dumps(content))
        return OtherEvent.model_validate(content)
    except ValidationError as error:
        raise NotAnEvent(f"a broken event: {_faults(error)}") from None  # which shows parts of what came


def _faults(error: ValidationError) -> str:
    """What is wrong, and where."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    named = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}"[:200] for each in found[:_MOST_FAULTS]]
    more = f"; and {len(found) - _MOST_FAULTS} more" if len(found) > _MOST_FAULTS else ""
    return "; ".join(named) + more


def _json(body: str | bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise NotAnEvent(f"no JSON: {str(body)[:80]!r}") from None
