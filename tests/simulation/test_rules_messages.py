"""Rule 29: what becomes of messages that the topic does not take."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import orjson
import pytest
from sim_cases import BEGIN, Calls, Reading, charge, live, shard, stream
from sim_faults import S3, SNS
from sim_outcome import Outcome
from sim_script import Script
from sim_topic import IN_PART
from sim_world import World

from scoring.bundle import Bundle

STRANGE = (20.0, 30.0, 50.0, 90.0)
UNDELIVERED = "battery-undelivered/"


def _device(reading: Reading, name: str) -> Reading:
    return Reading(reading.ts + {"a": 0.0, "b": 0.25}[name], None, reading.current_a, device=name)


@pytest.fixture(scope="module")
def script() -> Script:
    """Two devices with strange samples."""
    return stream(
        [_device(each, name) for each in charge(2.0, 160.0, period_s=2.0, strange=STRANGE) for name in "ab"],
        [shard(high=0.5), shard(low=0.5)],
    )


def refusing(world: World, *, stubs: bool = False) -> World:
    """With a topic that refuses the first message about the episode of device a, and its stub where ``stubs``."""
    world.edges.subscriber.refuses = begins
    world.edges.subscriber.refuses_stubs = stubs
    return world


def begins(event: Any) -> bool:
    """Is it the first message about the episode of device a?"""
    return bool(event["type"] == "anomaly.opened" and event["subject"] == "a" and not event["data"]["reopened"])


def before_the_end(world: World, events: Iterable[Any]) -> list[Any]:
    """Without what happens after the last record: a run may end before that is published."""
    until = datetime.fromtimestamp(world.ends, UTC)
    return [each for each in events if datetime.fromisoformat(each["time"]) <= until]


def heard(world: World) -> list[Any]:
    """All events in the order in which they were heard."""
    return before_the_end(world, (orjson.loads(each.body) for each in world.edges.subscriber.heard))


def ids(world: World, device: str) -> list[str]:
    """Of the messages about anomalies of a device, in the order in which each was first heard."""
    anomalies = [e for e in heard(world) if e["type"].startswith("anomaly.") and e["subject"] == device]
    return list(dict.fromkeys(event["id"] for event in anomalies))


def told(world: World) -> list[str]:
    """The messages that `health.undelivered` is about, in order, without those heard again."""
    return list(dict.fromkeys(e["data"]["event"] for e in heard(world) if e["type"] == "health.undelivered"))


def set_aside(world: World) -> list[str]:
    """The ids of the messages that lie in the bucket."""
    stored = [orjson.loads(body)["event"] for body in world.edges.bucket.under(UNDELIVERED).values()]
    return sorted(event["id"] for event in before_the_end(world, stored))


def test_bug_37_one_message_that_is_refused_for_good_silences_nobody(script: Script, bundle: Bundle) -> None:
    """Its device neither: a stub goes in its place, its whole lies in the bucket, and a notice says so."""
    undisturbed = World(script, bundle, live()).run()
    world = refusing(World(script, bundle, live())).run()
    ((refused, text),) = world.edges.subscriber.stubs
    stored = world.edges.bucket.under(UNDELIVERED)
    ((key, body),) = stored.items()
    assert key in text
    assert orjson.loads(body)["event"]["id"] == refused
    assert told(world) == [refused]
    assert ids(world, "a") == [each for each in ids(undisturbed, "a") if each != refused]
    assert ids(world, "b") == ids(undisturbed, "b")
    assert Outcome.of(world).archive == Outcome.of(undisturbed).archive


def test_rule_29_if_the_stub_is_refused_too_nobody_hears_the_rest_of_the_episode(
    script: Script, bundle: Bundle
) -> None:
    """All of it lies in the bucket; the next episode of the device is heard."""
    undisturbed = World(script, bundle, live()).run()
    world = refusing(World(script, bundle, live()), stubs=True).run()
    aside = {*set_aside(world)}
    events = [event for event in heard(undisturbed) if event["subject"] == "a"]
    refused = next(event for event in events if begins(event))
    episode = refused["data"]["episode"]
    rest = [e["id"] for e in events[events.index(refused) :] if e["data"].get("episode") == episode]
    assert len(rest) > 4
    assert aside == {*rest}
    assert ids(world, "a") == [each for each in ids(undisturbed, "a") if each not in aside]
    assert ids(world, "b") == ids(undisturbed, "b")
    assert world.edges.subscriber.stubs == []


@pytest.mark.parametrize("stubs", [False, pytest.param(True, marks=pytest.mark.long)])
@pytest.mark.parametrize("edge", [SNS, S3])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_rule_29_a_crash_at_any_call_changes_nothing_about_it(
    script: Script, bundle: Bundle, calls: Calls, stubs: bool, edge: str, moment: str
) -> None:
    """What is set aside is set aside by whoever comes next, with the same id, and told once or more, never not."""
    whole = refusing(World(script, bundle, live()), stubs=stubs).run()
    aside, messages = set_aside(whole), [ids(whole, name) for name in "ab"]
    for call in calls(whole.faults.calls[edge]):
        world = refusing(World(script, bundle, live(downtime_s=(1.0,))), stubs=stubs)
        world.faults.crash_at = (edge, call, moment)
        world.run()
        world.run(until=lambda w, at=world.clock.now + 10.0: w.clock.now > at)  # what it says of the last commit
        assert set_aside(world) == aside, call
        assert [ids(world, name) for name in "ab"] == messages, call
        assert told(world) == told(whole), call
        assert {*world.edges.subscriber.stubs} == {*whole.edges.subscriber.stubs}, call


@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(n, marks=pytest.mark.long) for n in range(6, 20))])
def test_rule_29_refusals_in_passing_change_no_order(script: Script, bundle: Bundle, seed: int) -> None:
    """Half of all batches are taken but for one message, while hosts are killed."""
    undisturbed = World(script, bundle, live()).run()
    plan = live(rates={IN_PART: 0.5}, calm_from=BEGIN + 200.0, kills=2, downtime_s=(1.0,))
    world = World(script, bundle, plan, seed=seed).run()
    assert world.faults.injected[IN_PART]
    for name in "ab":
        assert ids(world, name) == ids(undisturbed, name)
    assert all(before.at <= after.at for before, after in pairwise(world.edges.subscriber.heard))
