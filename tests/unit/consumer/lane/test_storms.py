"""Many devices that fall silent at once, in a lane (rule 30)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from lane_rig import Record, Rig, T, named

from consumer.lane.commit_builder import MAX_MESSAGES
from scoring.bundle import Bundle

DEVICES = 400


def fleet(at: Callable[..., Record], second: float) -> list[Record]:
    """A sample of every device."""
    return [at(second + n / 1000, device=named(f"d{n:04}"), number=int(second * 10_000) + n) for n in range(DEVICES)]


def notices(rig: Rig) -> list[tuple[Any, str, int]]:
    """Device, state and number of devices of each notice about silence."""
    data = [json.loads(each.body)["data"] for each in rig.messages if each.type == "health.silence"]
    return [(each.get("device"), each["state"], each.get("devices", {"count": 1})["count"]) for each in data]


def test_bug_38_a_storm_of_equal_notices_does_not_delay_the_one_that_matters(
    plain_bundle: Bundle, at: Callable[..., Record]
) -> None:
    """All but one device fall silent, and that one is in trouble. Its message is in the first commits, not behind
    hundreds of notices; silence and return are a few messages each."""
    rig = Rig(plain_bundle, publish="episodes").open("s")
    rig.batch("s", *fleet(at, 0.0), *(at(float(n), device=named("real"), number=10**6 + n) for n in range(200)))
    rig.batch("s", at(200.0, 12.0, device=named("real"), number=2 * 10**6)).until_quiet()
    commits = [commit for commit in rig.commits if commit.messages]
    opened = next(n for n, commit in enumerate(commits) if any(m.type == "anomaly.opened" for m in commit.messages))
    assert opened <= 2
    assert notices(rig) == [("d0000", "opened", 1), (None, "opened", DEVICES - 1)]
    rig.batch("s", *fleet(at, 400.0), at(500.0, device=named("real"), number=6 * 10**6)).until_quiet()
    assert notices(rig)[2:] == [
        ("real", "opened", 1),
        ("d0000", "closed", 1),
        (None, "closed", DEVICES - 1),
        ("real", "closed", 1),
    ]
    assert max(len(commit.messages) for commit in rig.commits) <= MAX_MESSAGES


def test_rule_30_devices_with_anomalies_leave_first(plain_bundle: Bundle, at: Callable[..., Record]) -> None:
    """Of the messages of a commit; each device keeps its order."""
    rig = Rig(plain_bundle, publish="episodes").open("s")
    bad = at(1.0, temperature=None, device=named("a"))
    rig.batch("s", bad, at(2.0, 12.0, device=named("b"))).turn()
    assert [message.type for message in rig.messages] == ["anomaly.opened", "health.quarantine"]


def test_rule_30_a_restart_in_a_storm_loses_and_doubles_nothing(
    plain_bundle: Bundle, at: Callable[..., Record]
) -> None:
    """What is gathered stands in the head: the successor publishes the same message."""
    last = at(210.0, device=named("real"), number=5 * 10**6)
    rig = Rig(plain_bundle, publish="episodes").open("s")
    rig.batch("s", *fleet(at, 0.0), at(150.0, device=named("real"), number=10**6)).turn()
    assert notices(rig) == [("d0000", "opened", 1)]
    assert len(rig.head.storms[0].devices) == DEVICES - 1
    after = rig.successor().open("s").batch("s", last).until_quiet(T + 10)
    rig.batch("s", last).until_quiet(T + 10)
    assert notices(after) == notices(rig)[1:] == [(None, "opened", DEVICES - 1)]
    assert after.messages[-1].id == rig.messages[-1].id


def test_rule_30_what_is_gathered_leaves_before_the_device_is_heard_of_again(
    plain_bundle: Bundle, at: Callable[..., Record]
) -> None:
    """A device that was silent is in trouble when it comes back."""
    rig = Rig(plain_bundle, publish="episodes").open("s")
    rig.batch("s", *fleet(at, 0.0), at(130.0, device=named("real"), number=10**6))
    rig.batch("s", at(140.0, 12.0, device=named("d0007"), number=2 * 10**6)).until_quiet()
    heard = [
        (event["type"], event["data"]["state"])
        for event in (json.loads(message.body) for message in rig.messages)
        if event["subject"] == "d0007" or "d0007" in str(event["data"].get("devices")) or "devices" in event["data"]
    ]
    assert heard[:3] == [("health.silence", "opened"), ("health.silence", "closed"), ("anomaly.opened", "opened")]
