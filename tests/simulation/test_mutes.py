"""Rule 22: mutes go by event time, and are decided before the outbox is written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from sim_cases import BEGIN, Calls, Reading, charge, shard, stream
from sim_faults import S3, SNS, Clock
from sim_outcome import Outcome
from sim_pace import Pace
from sim_plan import Plan
from sim_script import Script
from sim_world import World

from reporting.contract.events import schema_uri
from reporting.message import Publish
from reporting.mutes import Mute, Mutes
from scoring.bundle import Bundle

STRANGE = [30.0, 41.0, 52.0, 63.0, 64.0, 75.0, 110.0, 230.0, 231.0]
SINCE, UNTIL = 50.0, 70.0
MUTE = Mute("m1", "device4", BEGIN + SINCE, BEGIN + UNTIL, "new fan", "ann")


@dataclass
class Known:
    """Mutes that every host knows, from a time on."""

    clock: Clock
    mutes: Mutes
    since: float = 0.0
    none: Mutes = Mutes()  # noqa: RUF009 - it is immutable

    @property
    def current(self) -> Mutes:
        return self.mutes if self.clock.now >= self.since else self.none

    def begin(self) -> None:
        pass

    def stop(self) -> None:
        pass


@pytest.fixture(scope="module")
def script() -> Script:
    """Two shards that share a device's samples; an episode begins before the mute and outlives it."""
    return stream(charge(1.0, 250.0, strange=STRANGE), [shard(high=0.5), shard(low=0.5)])


def plan(**more: object) -> Plan:
    """A host that reads from the tip while records come, with small pages."""
    chosen = {"pace": Pace(page=7, credit=40), **more}
    return Plan(begins=BEGIN - 40.0, calm_until=BEGIN, start="latest", **chosen)  # type: ignore[arg-type]


def muted(script: Script, bundle: Bundle, *mutes: Mute, seed: int = 0, since: float = 0.0, **more: object) -> World:
    """A world in which every host knows the mutes."""
    world = telling(World(script, bundle, plan(**more), seed=seed))
    world.edges.mutes = Known(world.clock, Mutes(mutes), since)
    return world


def telling(world: World, publish: Publish = "samples") -> World:
    """The same world, before it begins, with something else on its topic."""
    world.edges.publish = publish
    return world


def without(messages: list[Any], since: float, until: float) -> list[Any]:
    """What is to be heard where the rest is muted: the messages of an undisturbed run outside of the interval, and on
    the first of an episode after it what was left out."""
    told, left_out = [], dict[str, list[float]]()
    first = {}
    for message in messages:
        data = message["data"]
        first.setdefault(data["episode"], data["ts"])
        if since <= data["ts"] < until:
            left_out.setdefault(data["episode"], []).append(data["ts"])
            continue
        times = left_out.pop(data["episode"], []) if data["ts"] >= until else []
        more = {"muted": {"opened": first[data["episode"]], "since": min(times), "count": len(times)}} if times else {}
        told.append({**message, "data": {**data, **more}})
    return told


def books(world: World) -> Counter[str]:
    """The head's counts, all days and devices."""
    days = world.durable_head().ledger.values()
    return sum((Counter(counts) for devices in days for counts in devices.values()), Counter())


def check(calm: Outcome, world: World) -> None:
    """Against the run without a mute: the archive is the same, and what is published is what the mute leaves."""
    found = Outcome.of(world)
    expected = without(calm.messages["device4"], BEGIN + SINCE, BEGIN + UNTIL)
    assert found.messages["device4"] == expected
    assert (found.archive, found.counts) == (calm.archive, calm.counts)
    assert (found.conflicts, found.imbalance, found.guesses) == ((), 0, 0)
    assert books(world)["muted"] == len(calm.messages["device4"]) - len(expected)


def test_rule_22_a_mute_leaves_out_what_it_covers_by_event_time(script: Script, bundle: Bundle) -> None:
    """Live, or read hours after the mute has ended."""
    calm = Outcome.of(telling(World(script, bundle, plan())).run())
    times = [m["data"]["ts"] - BEGIN for m in calm.messages["device4"]]
    assert any(SINCE <= t < UNTIL for t in times)
    check(calm, muted(script, bundle, MUTE).run())
    late = Plan(begins=BEGIN + 7200.0)
    world = telling(World(script, bundle, late))
    world.edges.mutes = Known(world.clock, Mutes([MUTE]))
    check(Outcome.of(telling(World(script, bundle, late)).run()), world.run())


def test_rule_22_a_crash_at_any_call_changes_nothing_about_it(script: Script, bundle: Bundle, calls: Calls) -> None:
    """Nothing that was muted is published by a successor, nothing else is lost, and the counts are right."""
    calm = Outcome.of(telling(World(script, bundle, plan())).run())
    crashes = 0
    for edge in (S3, SNS):
        for call in calls(60):
            world = muted(script, bundle, MUTE, downtime_s=(0.0,))
            world.faults.crash_at = (edge, call, "after")
            check(calm, world.run())
            crashes += world.faults.injected["crash"]
    assert crashes > 2


def test_rule_22_killed_stopped_and_stalled_it_is_the_same(script: Script, bundle: Bundle) -> None:
    """Over seeded schedules with two hosts and failing sinks."""
    calm = Outcome.of(telling(World(script, bundle, plan())).run())
    rates = {"s3 503": 0.05, "s3 time-out though written": 0.05, "sns 429": 0.1}
    for seed in range(8):
        more = {"rates": rates, "kills": 3, "stops": 1, "hosts": 2, "calm_from": BEGIN + 250.0}
        check(calm, muted(script, bundle, MUTE, seed=seed, **more).run())


def test_rule_22_a_mute_learned_late_mutes_what_is_not_decided(script: Script, bundle: Bundle) -> None:
    """Whenever a worker learns of it, and crashes: what it does not cover is published, and nothing with two bodies."""
    calm = Outcome.of(telling(World(script, bundle, plan())).run())
    uncovered = {m["id"] for m in without(calm.messages["device4"], BEGIN + SINCE, BEGIN + UNTIL)}
    everything = {m["id"] for m in calm.messages["device4"]}
    for seed, learned in enumerate([45.0, 55.0, 64.5, 66.0, 69.0, 90.0]):
        world = muted(script, bundle, MUTE, seed=seed, since=BEGIN + learned, kills=4, calm_from=BEGIN + 120.0).run()
        found = Outcome.of(world)
        heard = {m["id"] for m in found.messages["device4"]}
        assert uncovered <= heard <= everything
        assert (found.conflicts, found.imbalance) == ((), 0)
        assert found.archive == calm.archive
        assert books(world)["muted"] == len(everything - heard)


def of_a_muted(steps: list[Any], since: float, until: float) -> list[Any]:
    """What is to be heard of one episode, of which these are all steps: none in the interval, the next one after it as
    the opening if that was left out, and no end of what nobody was told of. Without what it says in words."""
    told, times, unopened = [], list[float](), False
    for step in steps:
        at, state = datetime.fromisoformat(step["time"]).timestamp(), step["data"]["state"]
        if unopened if state == "closed" else since <= at < until:
            times.append(at)
            unopened = state != "closed" and (unopened or state == "opened")
            continue
        data = {**step["data"], "state": "opened" if unopened else state, "summary": ""}
        if times:
            data["muted"] = {"opened": data["opened"], "since": min(times), "count": len(times)}
        kind = f"anomaly.{data['state']}"
        told.append({**step, "type": kind, "dataschema": schema_uri(kind), "data": data})
        times, unopened = [], False
    return told


@pytest.fixture(scope="module")
def two_episodes() -> Script:
    """One of eight minutes, and one of a single sample."""
    strange = [*(float(t) for t in range(30, 500, 10)), 700.0]
    return stream(charge(2.0, 1300.0, period_s=2.0, strange=strange), [shard(high=0.5), shard(low=0.5)])


@pytest.fixture(scope="module")
def both_told(two_episodes: Script, bundle: Bundle) -> Outcome:
    """What comes of them where nobody mutes anything."""
    return Outcome.of(telling(World(two_episodes, bundle, plan()), "episodes").run())


@pytest.mark.parametrize(
    ("since", "until", "heard"),
    [
        (20.0, 100.0, ["opened", "closed", "opened", "closed"]),
        (300.0, 340.0, ["opened", "closed", "opened", "closed"]),
        (20.0, 580.0, ["opened", "closed"]),
        (20.0, 1600.0, []),
        (400.0, 550.0, ["opened", "ongoing", "closed", "opened", "closed"]),
        (690.0, 1600.0, ["opened", "ongoing", "closed"]),
    ],
)
def test_rule_22_of_a_muted_episode_nobody_hears_an_end_without_a_beginning(
    since: float, until: float, heard: list[str], two_episodes: Script, both_told: Outcome, bundle: Bundle
) -> None:
    """Whatever of it is covered, and killed in between; the archive and the counts are those of the calm run."""
    calm = both_told
    steps = calm.messages["device4"]
    assert [step["data"]["state"] for step in steps] == ["opened", "ongoing", "closed", "opened", "closed"]
    for seed in range(2):
        mute = Mute("m1", "device4", BEGIN + since, BEGIN + until, "new fan", "ann")
        world = muted(two_episodes, bundle, mute, seed=seed, kills=3, calm_from=BEGIN + 1300.0)
        found = Outcome.of(telling(world, "episodes").run())
        told = found.messages.get("device4", [])
        assert [step["data"]["state"] for step in told] == heard
        assert [{**s, "data": {**s["data"], "summary": ""}} for s in told] == of_a_muted(
            steps, BEGIN + since, BEGIN + until
        )
        assert (found.archive, found.counts, found.conflicts, found.imbalance) == (calm.archive, calm.counts, (), 0)
        assert books(world)["muted"] == len(steps) - len(told)


def test_rule_22_a_silence_that_outlives_its_mute_is_reported_when_that_ends(bundle: Bundle) -> None:
    """Muted with --health, it falls silent and stays so, the worker is killed: once, at the end of the mute, it is
    told; and its return is."""
    script = stream([*charge(1.0, 60.0), Reading(600.0)], [shard()])
    mute = Mute("m1", None, BEGIN, BEGIN + 350.0, "swap", "ann", health=True)
    for seed in range(4):
        more: dict[str, Any] = {
            "kills": 4,
            "calm_from": BEGIN + 500.0,
            "downtime_s": (5.0,),
            "pace": Pace(page=7, credit=40, poll_s=0.5),
        }
        world = muted(script, bundle, mute, seed=seed, **more).run()
        told = world.edges.subscriber.heard
        messages = Outcome.of(world).messages["device4"]
        assert [(m["type"], m["data"]["state"]) for m in messages] == [
            ("health.silence", "opened"),
            ("health.silence", "closed"),
        ]
        assert BEGIN + 350.0 <= told[0].at <= BEGIN + 380.0
        assert "muted until now" in messages[0]["data"]["summary"]


def test_rule_22_a_silence_within_its_mute_is_not_reported(bundle: Bundle) -> None:
    """Neither its beginning nor its end; without --health both are."""
    script = stream([*charge(1.0, 60.0), *charge(300.0, 320.0)], [shard()])
    for health, heard in ((True, 0), (False, 2)):
        mute = Mute("m1", "device4", BEGIN, BEGIN + 400.0, "swap", "ann", health=health)
        world = muted(script, bundle, mute, kills=2, calm_from=BEGIN + 320.0).run()
        assert len(Outcome.of(world).messages.get("device4", [])) == heard
        assert books(world)["muted"] == 2 - heard
