"""Rule 17 without a restart: a host that is running is given another bundle, or one that is no good."""

from __future__ import annotations

from collections import Counter
from math import inf
from random import Random
from typing import Any

import orjson
import pytest
from sim_bundle import arithmetic_bundle, stricter_bundle
from sim_cases import BEGIN, Calls, Reading, charge, shard, stream
from sim_faults import S3
from sim_outcome import ARCHIVE, Outcome, differences
from sim_pace import Pace
from sim_plan import Plan
from sim_script import Script, graph
from sim_script import script as scripted
from sim_workload import Workload
from sim_world import World

from scoring.bundle import Bundle, BundleError

SWITCH_S = 130.0
OLD, NEW = arithmetic_bundle(), stricter_bundle()
BAD = BundleError("model.onnx does not score as the trained autoencoder")


def live(**more: Any) -> Plan:
    """A host that is there before the first record, reading from the tip."""
    return Plan(begins=BEGIN - 40.0, calm_until=BEGIN, start="latest", **{"downtime_s": (0.0,), **more})


@pytest.fixture(scope="module")
def script() -> Script:
    """Five minutes of a charge over two shards, with anomalies that both bundles see and tremor that only the new one
    sees; some samples are written late, and some are changed after they were told."""
    readings = charge(1.0, 300.0, period_s=2.0, strange=[31.0, 101.0, 127.0, 151.0, 165.0, 195.0, 271.0])
    readings = [r for r in readings if r.ts not in (111.0, 125.0)]
    readings += [Reading(at, current_a=4.7, place=at * 0.37 % 1.0) for at in (60.5, 118.5, 156.5, 170.5, 200.5)]
    readings += [Reading(at, 230.0 + at / 100, current_a=a, place=0.3) for at, a in ((111.0, 4.0), (125.0, 9.0))]
    readings += [Reading(127.0, 240.0, current_a=4.0), Reading(101.0, 241.0, current_a=9.5)]
    return stream(readings, [shard(high=0.5), shard(low=0.5)])


def restarted(script: Script) -> World:
    """The world after a run whose host was replaced by one with the new bundle."""
    world = World(script, OLD, live())
    world.run(until=lambda w: w.clock.now >= BEGIN + SWITCH_S)
    world.kill()
    world.bundle = NEW
    return world.run()


def given(
    script: Script,
    *,
    at: float = SWITCH_S,
    bundle: Bundle | BundleError = NEW,
    call: int = 0,
    moment: str = "",
    **more: Any,
) -> World:
    """The world, not run to its end, whose running host is given another bundle, with a crash at that call of S3's,
    counted from then on."""
    world = World(script, OLD, live(**more))
    world.run(until=lambda w: w.clock.now >= BEGIN + at)
    world.bundle = bundle
    if call:
        world.faults.crash_at = (S3, world.faults.calls[S3] + call, moment)
    return world


def lines(world: World) -> dict[tuple[str, float], bytes]:
    """The archive, line by line, by device and time."""
    bodies = world.edges.bucket.under(ARCHIVE).values()
    told = [(orjson.loads(line), line) for body in bodies for line in body.splitlines()]
    return {(said["device"], said["ts"]): line for said, line in told}


def change(world: World) -> float:
    """When the new bundle takes effect."""
    head = world.durable_head()
    assert [each.bundle for each in head.bundles] == [OLD.id, NEW.id]
    assert head.bundle == NEW.id
    return head.bundles[-1].since or inf


def health(world: World, kind: str) -> list[Any]:
    """Each message of one kind once, in order."""
    events = {event["id"]: event for event in (orjson.loads(heard.body) for heard in world.edges.subscriber.heard)}
    return [event for event in events.values() if event["type"] == kind]


def test_rule_17_a_running_host_changes_over_as_a_restarted_one_does(script: Script) -> None:
    """The same minute, archive and messages; nobody had to start again."""
    world = given(script).run()
    assert world.faults.injected == Counter()
    assert world.host.name == "host-1"
    assert change(world) == change(expected := restarted(script))
    assert differences(Outcome.of(expected), Outcome.of(world)) == []
    assert health(world, "health.bundle") == []


@pytest.mark.parametrize("moment", ["before", "after"])
def test_rule_17_a_crash_at_any_call_around_a_change_without_a_restart(
    script: Script, moment: str, calls: Calls
) -> None:
    """Storing the bundle, the head that names it, and all that comes after: the successor comes to the same minute."""
    calm = restarted(script)
    since, expected = change(calm), Outcome.of(calm)
    crashes = 0
    for call in calls(21):
        world = given(script, call=call, moment=moment).run()
        crashes += world.faults.injected["crash"]
        assert change(world) == since, f"call {call}"
        assert differences(expected, Outcome.of(world)) == [], f"call {call}"
    assert crashes > 2


@pytest.mark.parametrize("at", [2.0, 97.0, 99.5, 101.0, 158.0])
def test_rule_17_whenever_it_is_given_each_sample_has_the_bundle_in_force(script: Script, at: float) -> None:
    """Close to a minute's end too: the change comes after all that was scored before the head could name it."""
    world = given(script, at=at, pace=Pace(poll_s=1.0, tick_s=0.5)).run()
    since = change(world)
    assert since % 60 == 0
    assert BEGIN + at - 10.0 < since <= BEGIN + at + 60.0
    old, new = (lines(World(script, each, live()).run()) for each in (OLD, NEW))
    assert lines(world) == {k: v for k, v in old.items() if k[1] < since} | {
        k: v for k, v in new.items() if k[1] >= since
    }
    writes = world.edges.bucket.writes
    assert f"state/simulation/bundles/{NEW.id}.zip" in writes


def test_rule_17_killed_again_and_again_or_taken_over_the_minute_stays(script: Script) -> None:
    """Before it and after it, by a successor and by one that stood by."""
    expected = Outcome.of(calm := restarted(script))
    for hosts in (1, 2):
        for seconds in (136.0, 163.0):
            world = given(script, hosts=hosts)
            world.run(until=lambda w, at=BEGIN + seconds: w.clock.now >= at)
            world.kill()
            world.run()
            assert change(world) == change(calm)
            assert differences(expected, Outcome.of(world)) == [], f"killed after {seconds} s"


def test_rule_17_a_bundle_that_is_taken_back_before_its_minute_never_was(script: Script) -> None:
    """And one taken back later was in force in between."""
    world = given(script)
    world.run(until=lambda w: w.clock.now >= BEGIN + 145.0)
    world.bundle = OLD
    world.run()
    assert [each.bundle for each in world.durable_head().bundles] == [OLD.id]
    assert lines(world) == lines(World(script, OLD, live()).run())
    world = given(script, at=50.0)
    world.run(until=lambda w: w.clock.now >= BEGIN + 145.0)
    world.bundle = OLD
    world.run()
    assert [each.bundle for each in world.durable_head().bundles] == [OLD.id, NEW.id, OLD.id]


def test_rule_17_a_bad_bundle_is_refused_and_the_old_one_goes_on(script: Script, calls: Calls) -> None:
    """Told once, with the reason; told to be over when a good one is in force, by whoever owns the lane then."""
    expected = Outcome.of(World(script, OLD, live()).run())
    for call in (0, *calls(12)):
        world = given(script, bundle=BAD, call=call, moment="after", downtime_s=(5.0,))
        world.run(until=lambda w: w.clock.now >= BEGIN + 200.0)
        world.bundle = OLD
        found = Outcome.of(world.run())
        assert differences(expected, found) == [], f"call {call}"
        told = health(world, "health.bundle")
        if told or not call:
            opened, closed = told
            assert (opened["data"]["state"], closed["data"]["state"]) == ("opened", "closed")
            assert str(BAD) in opened["data"]["summary"]
            assert f"{OLD.id} stays active" in opened["data"]["summary"]
            assert closed["data"]["model"] == OLD.id
        assert world.durable_head().refused is None


def test_rule_17_a_refusal_ends_when_the_good_bundle_takes_effect(script: Script) -> None:
    """Not before its minute."""
    world = given(script, at=50.0, bundle=BAD)
    world.run(until=lambda w: w.clock.now >= BEGIN + SWITCH_S)
    world.bundle = NEW
    world.run()
    _, closed = (heard for heard in world.edges.subscriber.heard if heard.body.find(b"health.bundle") > 0)
    assert closed.at >= change(world)


def test_rule_17_every_lane_changes_at_a_minute_of_its_own_head(calls: Calls) -> None:
    """A table keyed by device has several; a crash at any call changes nothing."""
    rng = Random(11)
    load = Workload(BEGIN, BEGIN, BEGIN + 150.0, ("a", "b", "c"), (0.0, 20.0, 0.0), 2.0, anomalies=4, device_keyed=True)
    shards = graph(rng, shards=2, begin=BEGIN, end=load.end, roll_every_s=1e6, orphans=False)
    script = scripted(rng, load.writes(rng), shards)
    old, new = (lines(World(script, each, live()).run()) for each in (OLD, NEW))
    assert old != new
    for call in (0, *calls(20)):
        world = given(script, at=60.0, call=call, moment="after").run()
        found = lines(world)
        heads = world.durable_heads()
        assert len(heads) == 3
        for head in heads:
            assert head.bundle == NEW.id
            since = head.bundles[-1].since
            assert (since is None) is (head.lane == "table")
            for key in {k for k in old.keys() | new.keys() if k[0] in head.health}:
                assert found.get(key) == (old if key[1] < (since or 0.0) else new).get(key), f"call {call}"


def strangers(period_s: float = 8.0) -> Script:
    """A charge with more current than either bundle was trained on, none of it anomalous, over two shards."""
    readings = [
        Reading(1.0 + period_s * n, current_a=6.2 + n * 7919 % 13 / 100, place=n * 0.37 % 1.0) for n in range(88)
    ]
    return stream(readings, [shard(high=0.5), shard(low=0.5)])


def test_misfit_a_foreign_table_is_reported_once_for_each_bundle(calls: Calls) -> None:
    """After five minutes, with the command that helps; a crash at any call around it, or killed in between, it is the
    same; the next bundle is asked about anew."""
    script = strangers()
    calm = Outcome.of(World(script, OLD, live()).run())
    (told,) = calm.messages["device4"]
    assert told["type"] == "health.misfit"
    assert told["data"]["model"] == OLD.id
    assert told["data"]["command"] == "battery-watch train --table device4 --out my-bundle"
    for moment in ("before", "after"):
        for call in calls(12):
            world = World(script, OLD, live())
            world.run(until=lambda w: w.clock.now >= BEGIN + 298.0)
            world.faults.crash_at = (S3, world.faults.calls[S3] + call, moment)
            world.run(until=lambda w: w.clock.now >= BEGIN + 400.0)
            world.kill()
            assert differences(calm, Outcome.of(world.run())) == [], f"call {call}"
    world = given(script, at=310.0).run()
    first, second = health(world, "health.misfit")
    assert (first, second["data"]["model"]) == ({**told, "recordedtime": first["recordedtime"]}, NEW.id)
    assert second["data"]["since"] >= change(world)
