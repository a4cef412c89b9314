"""The contract refuses what is not in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from reporting.contract.events import parse, schema_uri, utc
from reporting.contract.severities import SEVERITY_NUMBERS

HEALTH: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "urn:battery-watch:device4",
    "type": "health.silence",
    "subject": "d",
    "time": "2026-07-25T14:25:07Z",
    "datacontenttype": "application/json",
    "dataschema": "urn:battery-watch:schema:health.silence:2",
    "severitytext": "high",
    "severitynumber": 17,
    "partitionkey": "d",
    "data": {"device": "d", "summary": "No sample.", "state": "opened"},
}


def test_an_event_of_the_contract_is_read() -> None:
    """By its type."""
    event = parse(json.dumps(HEALTH))
    assert (event.type, event.data.summary) == ("health.silence", "No sample.")
    assert event.time == datetime(2026, 7, 25, 14, 25, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "health.nonsense"},
        {"type": "anomaly.sample"},
        {"specversion": "0.3"},
        {"severitynumber": 0},
        {"severitynumber": 25},
        {"trace_parent": "x"},
        {"data": {"device": "d", "summary": "No sample.", "state": "opened", "more": 1}},
        {"data": {"device": "d", "summary": "No sample.", "state": "paused"}},
        {"data": {"device": "d", "summary": "No sample."}},
    ],
)
def test_what_is_not_in_the_contract_is_a_fault(change: dict[str, Any]) -> None:
    """Unknown types, fields and values; payloads of another type."""
    with pytest.raises(ValidationError):
        parse(json.dumps({**HEALTH, **change}))


def test_names_and_times() -> None:
    """Schemas are named by type and version; times are UTC and aware."""
    assert schema_uri("anomaly.sample") == "urn:battery-watch:schema:anomaly.sample:2"
    assert utc(0.25) == datetime(1970, 1, 1, 0, 0, 0, 250_000, tzinfo=UTC)
    assert list(SEVERITY_NUMBERS) == ["low", "medium", "high", "critical"]
    assert sorted(SEVERITY_NUMBERS.values()) == list(SEVERITY_NUMBERS.values())
