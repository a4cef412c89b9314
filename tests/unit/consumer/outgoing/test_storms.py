"""Many equal notices are one message, and within a device nothing overtakes (rule 30)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import Any

import pytest

from consumer.outgoing.storms import NAMED, STORM_S, Storms
from consumer.state.head import Head, Storm
from reporting.contract.events import HealthType
from reporting.health.notice import Notice

T = 1_784_989_500.0


def told(device: str | None, at: float, state: Any = "opened", kind: HealthType = "health.silence") -> Notice:
    return Notice(kind, device, T + at, state, f"{device} {state}.", since=T + at - 120)


def said(notices: list[Notice]) -> list[tuple[str | None, str, int]]:
    """Device, state, and how many devices."""
    return [(each.device, each.state, each.devices.count if each.devices else 1) for each in notices]


def taken(storms: Storms, *notices: Notice) -> list[Notice]:
    return [leaving for notice in notices for leaving in storms.take(notice, notice.at)]


def test_rule_30_the_first_leaves_at_once_and_the_others_as_one() -> None:
    """A minute after the first; it names a handful and says how many they are."""
    storms = Storms(lane="table")
    assert said(taken(storms, *(told(f"d{n:04}", n / 1000) for n in range(5000)))) == [("d0000", "opened", 1)]
    assert storms.due == T + STORM_S
    assert said(storms.fire(T + STORM_S - 0.1)) == []
    (many,) = storms.fire(T + STORM_S)
    assert many.devices is not None
    assert (many.devices.count, many.devices.first) == (4999, ("d0001", "d0002", "d0003", "d0004", "d0005"))
    assert many.summary == "4,999 further devices send nothing: d0001, d0002, d0003, d0004, d0005 and 4,994 more."
    assert (many.device, many.at, many.since) == (None, T + STORM_S, pytest.approx(T + 0.001 - 120))
    message = many.message(source="s", table="t", recorded=datetime(2026, 7, 25, tzinfo=UTC))
    assert len(message.body) < 1000
    assert said(taken(storms, told("d0000", 70.0), told("x", 71.0))) == [("d0000", "opened", 1)]


def test_one_further_device_has_its_own_notice() -> None:
    """There is nothing to sum up."""
    storms = Storms()
    second = told("b", 10.0)
    taken(storms, told("a", 0.0), second)
    assert storms.fire(T + STORM_S) == [second]


def test_a_lone_device_waits_for_nothing() -> None:
    """What comes again of the first device leaves at once, as before; so does what is about the table."""
    storms = Storms()
    assert len(taken(storms, told("a", 0.0), told("a", 1.0), told(None, 2.0, kind="health.gap"))) == 3
    assert said(taken(storms, told("a", 3.0, "closed"))) == [("a", "closed", 1)]


def test_what_is_about_the_delivery_changes_nothing_in_how_the_others_are_gathered() -> None:
    """A refused message is no news of a device's data, and depends on the topic."""

    def heard(*more: Notice) -> list[tuple[str | None, str, int]]:
        storms = Storms()
        notices = [told("a", 0.0), *more, told("b", 3.0, "closed"), told("c", 4.0, "closed"), told("c", 5.0)]
        leaving = taken(storms, *notices) + storms.release("b", T + 6.0) + storms.fire(T + 200.0)
        return said([each for each in leaving if each.type == "health.silence"])

    refused = [told(device, 1.0, kind="health.undelivered") for device in "abc"]
    assert heard(*refused) == heard()


def test_each_refused_message_of_a_device_is_named() -> None:
    """Two notices about one device are about two messages: they are not merged into one."""
    storms = Storms()
    refused = [
        replace(told(device, at, kind="health.undelivered"), event=f"m{at:g}")
        for device, at in (("a", 0.0), ("b", 1.0), ("b", 2.0), ("b", 3.0))
    ]
    leaving = taken(storms, *refused) + storms.fire(T + 200.0)
    assert [each.event for each in leaving] == ["m0", "m1", "m2", "m3"]


def test_rule_30_within_a_device_nothing_overtakes() -> None:
    """What is gathered of it leaves before its next message; its end never before its beginning."""
    storms = Storms()
    taken(storms, told("a", 0.0), told("b", 1.0), told("c", 2.0))
    assert said(storms.release("x", T + 3.0)) == []
    assert said(storms.release("c", T + 4.0)) == [(None, "opened", 2)]
    assert said(taken(storms, told("d", 5.0), told("d", 6.0, "closed"), told("e", 7.0, "closed"))) == []
    assert said(storms.fire(T + STORM_S)) == [("d", "opened", 1)]
    assert said(storms.fire(T + 6.0 + STORM_S)) == [(None, "closed", 2)]


def test_rule_30_a_successor_goes_on_where_the_last_owner_stood() -> None:
    """What is gathered stands in the head."""
    storms = Storms(lane="table")
    taken(storms, *(told(f"d{n}", n) for n in range(9)))
    head = Head(lane="table", owner="me", bundle="b", **storms.stored(T + 9.0))
    again = Storms.restore(Head.model_validate_json(head.encode()))
    assert again.fire(T + STORM_S) == storms.fire(T + STORM_S)
    assert storms.stored(T + STORM_S) == {"storms": []}
    assert head.storms[0] == Storm(
        "health.silence", "opened", T, "d0", tuple(f"d{n}" for n in range(1, 9)), head.storms[0].notice
    )
    assert len(head.storms[0].devices) > NAMED


@pytest.mark.parametrize("seed", range(200))
def test_rule_30_in_any_storm_each_device_is_told_in_order(seed: int) -> None:
    """Random notices and messages of a few devices, with restarts: every notice is told once, alone or among many, and
    those of a device in the order in which they happened."""
    rng = Random(seed)
    storms, happened, at = Storms(lane="l"), dict[str, list[str]](), 0.0
    heard: dict[str, list[str]] = {}
    members: dict[tuple[str, str], list[str]] = {}

    def hear(notices: list[Notice]) -> None:
        for each in notices:
            kind = f"{each.type} {each.state}"
            names = [each.device] if each.devices is None else members_of(kind, each.devices.count)
            for name in names:
                assert name is not None
                heard.setdefault(name, []).append(kind)
                if name in members.get(("", kind), []):
                    members[("", kind)].remove(name)

    def members_of(kind: str, number: int) -> list[str]:
        waiting = members[("", kind)]
        assert len(waiting) == number
        return list(waiting)

    for n in count():
        if n == 120:
            break
        at += rng.choice([0.0, 0.5, 5.0, 30.0])
        device = rng.choice("abcd")
        if rng.random() < 0.2:
            hear(storms.release(device, T + at))
            assert heard.get(device, []) == happened.get(device, [])
            heard.setdefault(device, []).append("message")
            happened.setdefault(device, []).append("message")
            continue
        kind: HealthType = rng.choice(["health.silence", "health.stuck"])
        notice = told(device, at, rng.choice(["opened", "closed"]), kind)
        name = f"{notice.type} {notice.state}"
        leaving = storms.take(notice, T + at)
        at_once = bool(leaving) and leaving[-1] is notice
        hear(leaving[: len(leaving) - at_once])
        happened.setdefault(device, []).append(name)
        if at_once:
            heard.setdefault(device, []).append(name)
        else:
            members.setdefault(("", name), []).append(device)
        if rng.random() < 0.1:
            head = Head(lane="l", owner="me", bundle="b", **storms.stored(T + at))
            storms = Storms.restore(Head.model_validate_json(head.encode()))
    hear(storms.fire(T + 1e9))
    assert heard == happened
