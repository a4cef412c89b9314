"""What every message on the topic must be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft7Validator

# The required part of the specification's own schema, CloudEvents 1.0.2 in JSON (cloudevents.json).
CLOUDEVENT = Draft7Validator(
    {
        "type": "object",
        "required": ["id", "source", "specversion", "type"],
        "properties": {
            "id": {"type": "string", "minLength": 1},
            "source": {"type": "string", "minLength": 1},
            "specversion": {"const": "1.0"},
            "type": {"type": "string", "minLength": 1},
            "datacontenttype": {"const": "application/json"},
            "dataschema": {"type": "string", "minLength": 1, "pattern": "^[a-z]+:"},
            "subject": {"type": "string", "minLength": 1},
            "data": {"type": "object"},
        },
        # Extensions are strings, numbers or booleans; data alone has structure.
        "additionalProperties": {"type": ["string", "integer", "boolean"]},
    }
)
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.fixture(scope="session")
def cloudevent() -> Callable[[str], dict[str, Any]]:
    """Parses a message's body and checks that it is a CloudEvent as the specification wants it."""

    def check(body: str) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(body)
        CLOUDEVENT.validate(event)
        for name in event:
            assert re.fullmatch("[a-z0-9]{1,20}", name), name
        for name in ("time", "recordedtime"):
            if name in event:
                assert RFC_3339.fullmatch(event[name]), event[name]
        assert None not in event.values()
        return event

    return check
