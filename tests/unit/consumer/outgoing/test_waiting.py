"""What waits for the next commit: what was carried, what is new, and in which order it leaves."""

from __future__ import annotations

import json
from math import inf

import pytest

from consumer.outgoing.waiting import RETRY_FROM_S, RETRY_TO_S, Waiting
from consumer.state.delivery import Delivered, SetAside
from reporting.anomaly.episode import Episode
from reporting.anomaly.episodes import Episodes
from reporting.message import Message

NOW = 1000.0


def message(name: str, device: str, kind: str = "anomaly.opened", *, many: bool = False) -> Message:
    data = {"device": None, "devices": {"count": 2, "first": []}} if many else {"device": device}
    body = json.dumps({"id": name, "time": "2026-07-25T14:25:00Z", "data": data})
    return Message(name, kind, "high", device, "opened", "urn:s", body, "HIGH\nText")


@pytest.fixture
def waiting() -> Waiting:
    """Nothing waits."""
    return Waiting("s", "table")


def names(messages: tuple[Message, ...]) -> list[str]:
    return [each.id for each in messages]


def test_rule_29_what_was_carried_is_first_of_its_device(waiting: Waiting) -> None:
    """And is tried again by itself after a while, longer and longer."""
    carried = (message("a1", "a", "health.late"), message("a2", "a", "health.late"))
    waits = []
    for n in range(6):
        assert waiting.delivered(Delivered(carried), NOW * n) == []
        waits.append(next(s for s in (RETRY_FROM_S, 0.4, 0.8, 1.6, RETRY_TO_S) if waiting.due(NOW * n + s)))
        assert not waiting.due(NOW * n + waits[-1] - 0.01)
        assert names(waiting.drain()) == ["a1", "a2"]
    assert waits == [0.2, 0.4, 0.8, 1.6, 2.5, 2.5]
    waiting.delivered(Delivered(carried), NOW)
    waiting.add([message("a3", "a", "health.late"), message("b1", "b", "health.late")], now=NOW)
    assert waiting.due(NOW)
    assert len(waiting) == 4
    assert names(waiting.drain()) == ["a1", "a2", "a3", "b1"]
    assert not waiting.due(inf)


def test_rule_29_a_heartbeat_takes_nothing_of_what_is_carried(waiting: Waiting) -> None:
    """It is a commit without messages."""
    waiting.delivered(Delivered((message("a1", "a"),)), NOW)
    waiting.delivered(Delivered(), NOW + 1.0)
    assert waiting.due(NOW + 1.0)
    assert names(waiting.drain()) == ["a1"]


def test_rule_29_what_was_set_aside_gets_a_notice_but_not_a_notice_about_it(waiting: Waiting) -> None:
    """That would go on for ever. Episodes that are set aside stand in the head while they can still change."""
    aside = [
        SetAside(message("x", "a", kind), "InvalidParameter", "s3://b/x")
        for kind in ("anomaly.opened", "health.undelivered")
    ]
    (notice,) = waiting.delivered(Delivered(aside=tuple(aside), episodes=frozenset({"e", "gone"})), NOW)
    assert (notice.type, notice.device, notice.event) == ("health.undelivered", "a", "x")
    assert "s3://b/x" in notice.summary
    episode = Episode("a", 100.0, 130.0, 110.0, 131)
    waiting.delivered(Delivered(episodes=frozenset({episode.id})), NOW)
    assert waiting.stored(Episodes({"a": [episode]}), NOW)["undelivered"] == [episode.id]


def test_rule_30_devices_with_anomalies_leave_first_but_pass_no_message_about_many(waiting: Waiting) -> None:
    """One of the many may be the device itself."""
    quiet, many = message("q", "q", "health.late"), message("many", "table", "health.silence", many=True)
    later = message("r", "r", "health.late")
    waiting.add([quiet, message("a1", "a"), many, later, message("a2", "a"), message("b", "b")], now=NOW)
    assert names(waiting.drain()) == ["a1", "q", "many", "a2", "b", "r"]
