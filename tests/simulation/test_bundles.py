"""Rule 17: a new bundle takes effect at a minute of event time, whatever happens around the restart that brings it."""

from __future__ import annotations

from math import inf

import orjson
import pytest
from sim_bundle import arithmetic_bundle, stricter_bundle
from sim_cases import BEGIN, Calls, Reading, charge, shard, stream
from sim_faults import S3
from sim_outcome import ARCHIVE, Outcome, differences
from sim_pace import Pace
from sim_plan import Plan
from sim_script import Script
from sim_world import World

from scoring.bundle import Bundle

SWITCH_S = 130.0
OLD, NEW = arithmetic_bundle(), stricter_bundle()


def live(**more: object) -> Plan:
    """A host that is there before the first record, reading from the tip."""
    return Plan(begins=BEGIN - 40.0, calm_until=BEGIN, start="latest", downtime_s=(0.0,), **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def script() -> Script:
    """Six minutes of a charge over two shards, with anomalies that both bundles see and tremor that only the new one
    sees; samples from before the change are written after it, and so are changes of samples that were told."""
    readings = charge(1.0, 360.0, period_s=2.0, strange=[31.0, 101.0, 127.0, 151.0, 165.0, 195.0, 271.0])
    readings = [r for r in readings if r.ts not in (111.0, 125.0, 179.0)]
    readings += [Reading(at, current_a=4.7, place=at * 0.37 % 1.0) for at in (60.5, 118.5, 170.5, 200.5, 330.5)]
    held_back = [(111.0, 4.0), (125.0, 9.0), (125.5, 7.0), (179.0, 8.5)]
    readings += [Reading(at, 250.0 + n, current_a=a, place=0.3) for n, (at, a) in enumerate(held_back)]
    readings += [Reading(127.0, 260.0, current_a=4.0), Reading(101.0, 261.0, current_a=9.5)]
    return stream(readings, [shard(high=0.5), shard(low=0.5)])


def whole(script: Script, bundle: Bundle) -> World:
    """The world after a run with one bundle throughout."""
    return World(script, bundle, live()).run()


def switched(script: Script, *, call: int = 0, moment: str = "") -> World:
    """The world after a run whose host is replaced by one with the new bundle, with a crash at that call of S3's,
    counted from the replacement on."""
    world = World(script, OLD, live())
    world.run(until=lambda w: w.clock.now >= BEGIN + SWITCH_S)
    world.kill()
    world.bundle = NEW
    if call:
        world.faults.crash_at = (S3, world.faults.calls[S3] + call, moment)
    return world.run()


def lines(world: World) -> dict[tuple[str, float], bytes]:
    """The archive, line by line, by device and time."""
    found = {}
    for body in world.edges.bucket.under(ARCHIVE).values():
        for line in body.splitlines():
            told = orjson.loads(line)
            found[told["device"], told["ts"]] = line
    return found


def change(world: World) -> float:
    """When the new bundle takes effect."""
    head = world.durable_head()
    assert [each.bundle for each in head.bundles] == [OLD.id, NEW.id]
    assert head.bundle == NEW.id
    return head.bundles[-1].since or inf


def test_rule_17_every_sample_is_scored_by_the_bundle_in_force_at_its_time(script: Script) -> None:
    """Line by line the archive is that of a run with the old bundle before the minute, and with the new one after it,
    late and rescored samples included; messages name the same bundles."""
    world = switched(script)
    since = change(world)
    assert since % 60 == 0
    assert BEGIN + SWITCH_S - 10 < since <= BEGIN + SWITCH_S + 60
    old, new = lines(whole(script, OLD)), lines(whole(script, NEW))
    expected = {key: line for key, line in old.items() if key[1] < since}
    expected |= {key: line for key, line in new.items() if key[1] >= since}
    assert lines(world) == expected
    assert expected.keys() != old.keys()
    assert expected.keys() != new.keys()
    for heard in world.edges.subscriber.heard:
        event = orjson.loads(heard.body)
        if event["type"] == "anomaly.sample":
            assert event["data"]["model"] == (OLD.id if event["data"]["ts"] < since else NEW.id)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_rule_17_a_crash_at_any_call_around_the_change_changes_nothing(
    script: Script, moment: str, calls: Calls
) -> None:
    """Whichever call of S3's is the last one, archive and messages are those of the change without a crash, and nothing
    from before the minute names the new bundle."""
    calm = switched(script)
    since, expected = change(calm), Outcome.of(calm)
    crashes = 0
    for call in calls(45):
        world = switched(script, call=call, moment=moment)
        crashes += world.faults.injected["crash"]
        assert change(world) == since, f"call {call}"
        assert differences(expected, Outcome.of(world)) == [], f"call {call}"
        early = [line for (_, ts), line in lines(world).items() if ts < since]
        assert not any(NEW.id.encode() in line for line in early), f"call {call}"
    assert crashes > 4


def test_rule_17_a_change_is_the_same_after_any_further_restart(script: Script) -> None:
    """Killed again and again with the new bundle: the minute stays, and what was recalled is told no other way."""
    expected = Outcome.of(switched(script))
    for seconds in range(150, 340, 19):
        world = World(script, OLD, live())
        world.run(until=lambda w: w.clock.now >= BEGIN + SWITCH_S)
        world.kill()
        world.bundle = NEW
        world.run(until=lambda w, at=BEGIN + seconds: w.clock.now >= at)
        world.kill()
        assert differences(expected, Outcome.of(world.run())) == [], f"killed after {seconds} s"


def test_rule_17_a_roll_back_is_one_more_change(script: Script) -> None:
    """The minutes in between are the new bundle's, before and after a restart."""
    world = World(script, OLD, live())
    for at, bundle in ((SWITCH_S, NEW), (220.0, OLD), (300.0, OLD)):
        world.run(until=lambda w, at=at: w.clock.now >= BEGIN + at)
        world.kill()
        world.bundle = bundle
    world.run()
    first, second, third = world.durable_head().bundles
    assert (first.bundle, second.bundle, third.bundle) == (OLD.id, NEW.id, OLD.id)
    begin, end = second.since or inf, third.since or inf
    old, new = lines(whole(script, OLD)), lines(whole(script, NEW))
    expected = {key: line for key, line in old.items() if not begin <= key[1] < end}
    expected |= {key: line for key, line in new.items() if begin <= key[1] < end}
    assert lines(world) == expected


def test_rule_17_the_bundle_lies_in_the_bucket_before_a_head_names_it(script: Script) -> None:
    """Else a successor could not score what was told before it."""
    writes = switched(script).edges.bucket.writes
    heads = [n for n, key in enumerate(writes) if key.endswith("/head")]
    assert writes[0] == f"state/simulation/bundles/{OLD.id}.zip"
    assert heads[0] == 1
    assert f"state/simulation/bundles/{NEW.id}.zip" in writes


def test_rule_17_without_the_earlier_bundle_nothing_starts_and_nobody_is_fenced(script: Script) -> None:
    """The lane waits, as its last owner left it, until the bundle is there again."""
    world = World(script, OLD, live())
    world.run(until=lambda w: w.clock.now >= BEGIN + SWITCH_S)
    world.kill()
    world.bundle = NEW
    key = f"state/simulation/bundles/{OLD.id}.zip"
    objects = world.edges.bucket.objects
    kept = objects.pop(key)
    head = next(stored for name, stored in objects.items() if name.endswith("/head"))
    world.run(until=lambda w: w.faults.injected["start refused"] >= 3)
    assert head in objects.values()
    objects[key] = kept
    assert differences(Outcome.of(switched(script)), Outcome.of(world.run())) == []


def test_rule_17_an_earlier_bundle_is_given_up_when_nothing_can_need_it() -> None:
    """An hour and two snapshots after the change; a restart then needs the new one alone."""
    script = stream(charge(1.0, 4500.0, period_s=20.0, strange=[1501.0, 4401.0]), [shard()])
    world = World(script, OLD, live(pace=Pace(poll_s=10.0, tick_s=10.0)))
    world.run(until=lambda w: w.clock.now >= BEGIN + 100.0)
    world.kill()
    world.bundle = NEW
    world.run()
    assert [(each.bundle, each.since) for each in world.durable_head().bundles] == [(NEW.id, None)]


def test_rule_17_a_device_with_a_wrong_clock_changes_over_on_its_own_clock() -> None:
    """Ahead or behind by minutes or by an hour: what was told before the restart stays, after a further one too, and
    within three minutes of the others its samples are the new bundle's."""
    offsets_s = {"right": 0.0, "fast": 200.0, "ahead": 3600.0, "behind": -3600.0}
    readings = [
        Reading(at + offset_s, at + 0.1, 9.0 if row % 4 == 0 else 4.0, place=at * 0.37 % 1.0, device=device)
        for row, at in enumerate(1.0 + 4.0 * n for n in range(160))
        for device, offset_s in offsets_s.items()
    ]
    script = stream(readings, [shard(-4000.0)])
    world = World(script, OLD, live())
    world.run(until=lambda w: w.clock.now >= BEGIN + SWITCH_S)
    world.kill()
    before = lines(world)
    world.bundle = NEW
    world.run(until=lambda w: w.clock.now >= BEGIN + SWITCH_S + 100.0)
    world.kill()
    found = lines(world.run())
    entry = world.durable_head().bundles[-1]
    assert entry.own.keys() == {"ahead", "behind"}
    assert {device for device, _ in before} == offsets_s.keys()
    assert before.items() <= found.items()
    old, new = lines(whole(script, OLD)), lines(whole(script, NEW))
    for (device, ts), line in found.items():
        since = entry.own.get(device, entry.since or inf)
        assert line == (old if ts < since else new)[device, ts]
        assert since - offsets_s[device] <= (entry.since or inf) + 180.0
    assert all(max(ts for d, ts in found if d == device) > entry.own.get(device, 0.0) for device in offsets_s)
