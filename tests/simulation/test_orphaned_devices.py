"""A table keyed by device whose shards have rolled over and gone while no worker ran: state of what is gone owns
nothing (rule 32)."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from sim_cases import BEGIN, Calls, live, rotation
from sim_faults import S3
from sim_found import messages
from sim_outcome import Outcome, differences
from sim_script import Script, script
from sim_workload import Workload
from sim_world import World

from consumer.state.snapshot import Snapshot
from scoring.bundle import Bundle

HOUR = 3600.0
DOWN_S = 30 * HOUR
AGAIN = BEGIN + DOWN_S


def rolled(after: tuple[str, ...] = ("a", "b")) -> Script:
    """A minute of two devices; and two minutes after 30 hours, in which the shard has rolled over every 4 h."""
    rng = Random(5)
    end = BEGIN + 60.0
    first = Workload(BEGIN, end, end, ("a", "b"), (0.0, 0.0), 2.0, anomalies=4, device_keyed=True)
    begin, end = AGAIN + 60.0, AGAIN + 180.0
    second = replace(first, begin=begin, live=end, end=end, devices=after, offsets_s=(0.0,) * len(after))
    shards = rotation([hours * HOUR for hours in range(1, 31, 4)])
    return script(rng, [*first.writes(rng), *second.writes(rng)], shards)


def down(stream: Script, bundle: Bundle, how: str = "kill") -> World:
    """A worker that has read the first minute and is down until `AGAIN`."""
    world = World(stream, bundle, live(downtime_s=(DOWN_S,)))
    world.run(until=lambda w: w.clock.now > BEGIN + 80.0)
    world.stop() if how == "stop" else world.kill()
    world.plan = replace(world.plan, downtime_s=(1.0,))
    return world


def windows(world: World) -> dict[str, list[str]]:
    """The devices in the stored windows of each lane that has some."""
    stored = world.edges.bucket.objects
    found = {key.split("/")[-2]: [*Snapshot.decode(stored[key].body).devices] for key in stored if "/windows" in key}
    return {lane: devices for lane, devices in found.items() if devices}


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_bug_36_a_worker_starts_after_its_shards_are_gone(how: str, bundle: Bundle) -> None:
    """As often as it is started: a device of a lane whose shards are gone is the lane's that has its next record."""
    world = down(rolled(), bundle, how)
    for after in (80.0, 150.0, 400.0, 500.0):
        world.run(until=lambda w, at=AGAIN + after: w.clock.now > at and any(w.hosts.values()))  # type: ignore[misc]
        world.kill()
    world.run()
    world.run(until=lambda w: w.clock.now > AGAIN + 700.0)
    assert "start refused" not in world.faults.injected
    assert Outcome.of(world).imbalance == 0
    assert sum(count for name, count in Outcome.of(world).counts.items() if "scored" in name) == 180
    (devices,) = windows(world).values()
    assert sorted(devices) == ["a", "b"]


def test_rule_32_devices_of_a_lane_that_is_gone_keep_their_timers(bundle: Bundle) -> None:
    """One that does not come back is told silent, and a day later no longer watched. The gap of the lane is told, and
    nothing that the table has of the time after it is taken for the device's last word."""
    world = down(rolled(("a",)), bundle)
    world.run()
    world.run(until=lambda w: w.clock.now > AGAIN + 700.0)
    told = [event["data"] for event in messages(world, "health.silence") if event["data"]["device"] == "b"]
    assert [each["state"] for each in told] == ["opened", "closed"]
    assert [e["data"]["state"] for e in messages(world, "health.gap")] == ["opened", "closed"]
    assert [*windows(world).values()] == [["a"]]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_rule_32_a_crash_at_any_call_while_devices_change_lanes(moment: str, bundle: Bundle, calls: Calls) -> None:
    """Nothing is lost and nothing is told twice: a device stays where it was until it is stored where it goes."""
    stream = rolled()
    calm = down(stream, bundle)
    calm.run(until=lambda w: w.clock.now > AGAIN + 400.0)
    expected = Outcome.of(calm)
    assert len(expected.events) > 2
    assert sum(count for name, count in expected.counts.items() if "scored" in name) == 180
    for call in calls(120)[::3]:
        world = down(stream, bundle)
        world.faults.crash_at = (S3, world.faults.calls[S3] + call, moment)
        world.run(until=lambda w: w.clock.now > AGAIN + 600.0)
        found = Outcome.of(world)
        assert world.faults.injected["crash"], f"call {call}"
        assert "start refused" not in world.faults.injected
        assert differences(expected, found) == [], f"call {call}"
