"""A notice about the watching itself, as a message."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from reporting.contract.events import parse
from reporting.contract.health_kinds import HEALTH_KINDS
from reporting.health.notice import Notice
from reporting.message import Message

LATE = Notice(
    type="health.late",
    device="rack/7",
    at=1_784_989_507.25,
    state="opened",
    summary="3 samples of rack/7 came more than 25 minutes late and were not scored.",
    since=1_784_980_000.0,
    until=1_784_980_002.0,
    count=3,
    command="battery-watch replay --table device4 --since 2026-07-25T11:46:40Z",
)
RECORDED = datetime(2026, 7, 25, 14, 25, 8, tzinfo=UTC)


def message(notice: Notice = LATE, recorded: datetime = RECORDED) -> Message:
    return notice.message(source="urn:battery-watch:device4", table="device4", recorded=recorded)


def test_the_message_is_a_cloudevent(cloudevent: Callable[[str], dict[str, Any]]) -> None:
    """It says what happened, when by event time, and which command helps."""
    event = cloudevent(message().body)
    assert (event["type"], event["subject"], event["partitionkey"]) == ("health.late", "rack/7", "rack/7")
    assert (event["time"], event["recordedtime"]) == ("2026-07-25T14:25:07.250000Z", "2026-07-25T14:25:08Z")
    assert (event["severitytext"], event["severitynumber"]) == ("low", 9)
    assert event["data"] == {
        "device": "rack/7",
        "summary": LATE.summary,
        "state": "opened",
        "since": 1_784_980_000.0,
        "until": 1_784_980_002.0,
        "count": 3,
        "command": LATE.command,
    }
    assert parse(message().body).type == "health.late"


def test_what_concerns_the_whole_table_has_the_table_for_subject(cloudevent: Callable[[str], dict[str, Any]]) -> None:
    """An attribute may not be empty."""
    told = message(replace(LATE, type="health.gap", device=None, command=None))
    event = cloudevent(told.body)
    assert (event["subject"], told.device) == ("device4", "device4")
    assert "device" not in event["data"]
    assert parse(told.body).data.device is None


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"summary": "said otherwise"}, True),
        ({"count": 4}, True),
        ({"device": "other"}, False),
        ({"at": 1_784_989_508.0}, False),
        ({"since": 1_784_980_001.0}, False),
        ({"until": 1_784_980_003.0}, False),
        ({"state": "closed"}, False),
        ({"type": "health.silence"}, False),
    ],
)
def test_the_id_tells_a_notice_sent_twice(change: dict[str, Any], same: bool) -> None:
    """It depends on what happened to whom and when alone: two runs of late samples that end at the same stamp are
    two notices."""
    assert (message(replace(LATE, **change)).id == message().id) is same
    assert message(recorded=datetime(2027, 1, 1, tzinfo=UTC)).id == message().id


def test_every_kind_has_its_severity_and_what_closes_is_low() -> None:
    """Good news wakes nobody."""
    for kind, of in HEALTH_KINDS.items():
        assert message(replace(LATE, type=kind)).severity == of.severity
        assert message(replace(LATE, type=kind, state="closed")).severity == "low"


def test_the_end_of_a_notice_passes_the_filters_that_its_beginning_passes() -> None:
    """Who heard that a device is silent hears that it sends again, whatever severities a filter names."""
    for kind, of in HEALTH_KINDS.items():
        opened, closed = (message(replace(LATE, type=kind, state=state)) for state in ("opened", "closed"))
        for told in (opened, closed):
            event = json.loads(told.body)
            assert (event["filterseverity"], told.attributes["filterseverity"]) == (of.severity, of.severity)
        assert (closed.severity, json.loads(closed.body)["severitytext"]) == ("low", "low")


def test_people_get_a_sentence_and_the_command() -> None:
    """One line each; no line for a command that there is not."""
    assert message().text.split("\n") == [
        "LOW: rack/7 at 2026-07-25 14:25:07 UTC",
        LATE.summary,
        "Run: battery-watch replay --table device4 --since 2026-07-25T11:46:40Z",
    ]
    assert len(message(replace(LATE, command=None)).text.split("\n")) == 2


def test_the_attributes_name_type_and_state() -> None:
    """For filter policies."""
    assert message().attributes["type"] == "health.late"
    assert message().attributes["state"] == "opened"
    assert json.loads(message().body)["dataschema"] == message().attributes["schema"]
