"""Messages judged by others: JSON Schema by jsonschema, the envelope by the CloudEvents SDK."""

from __future__ import annotations

import json
from functools import cache

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from jsonschema import Draft202012Validator, FormatChecker
from repository import ROOT

CONTRACT = ROOT / "reporting" / "contract"


def independently_valid(body: str) -> None:
    """Raises where a message's body does not follow the committed schema of its type, or is no CloudEvent 1.0."""
    told = json.loads(body)
    validator(told["type"]).validate(told)
    event = JSONFormat().read(CloudEvent, body)
    assert (event.get_id(), event.get_type(), event.get_subject()) == (told["id"], told["type"], told["subject"])
    assert event.get_data() == told["data"]
    assert event.get_specversion() == "1.0"


@cache
def validator(kind: str) -> Draft202012Validator:
    """By the committed schema of a type, formats included."""
    schema = json.loads((CONTRACT / "schemas" / f"{kind}.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())
