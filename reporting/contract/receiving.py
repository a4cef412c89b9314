"""Reads events from SQS, in a Lambda function or from HTTP, wrapped by SNS or raw."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ConfigDict, ValidationError

from reporting.contract.events import (
    AnomalyType,
    Envelope,
    EpisodeType,
    Event,
    known,
    parse,
)
from reporting.contract.health_kinds import HealthType

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
