"""Objects of the state that were deleted, under a worker or between two: nothing begins from nothing (rule 28)."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import orjson
import pytest
from sim_bucket import BucketClient, refused
from sim_cases import BEGIN, charge, live, shard, stream
from sim_found import messages
from sim_outcome import ARCHIVE, Outcome
from sim_plan import Plan
from sim_script import script
from sim_workload import Workload
from sim_world import World

from scoring.bundle import Bundle

STRANGE = [31.0, 62.0, 118.0, 119.0, 150.0, 205.0, 206.0, 290.0, 301.0]


def watched(bundle: Bundle, **more: Any) -> World:
    """A charge of six minutes over two shards."""
    readings = charge(1.0, 360.0, strange=STRANGE)
    plan = live(downtime_s=(1.0,), **more)
    return World(stream(readings, [shard(high=0.5), shard(low=0.5)]), bundle, plan)


def delete(world: World, *names: str) -> None:
    """Somebody deletes these objects of the lane's state."""
    for key in [key for key in world.edges.bucket.objects if key.startswith("state/") and key.endswith(names)]:
        del world.edges.bucket.objects[key]


def damage(world: World, name: str) -> None:
    """These objects of the lane's state lose their second half."""
    objects = world.edges.bucket.objects
    for key in [key for key in objects if key.startswith("state/") and key.endswith(name)]:
        objects[key] = replace(objects[key], body=objects[key].body[: len(objects[key].body) // 2])


def stored_ledger(world: World) -> dict[str, int]:
    """The ledger in the bucket, over all its objects."""
    total: dict[str, int] = {}
    for body in world.edges.bucket.under("battery-ledger/").values():
        for counts in orjson.loads(body)["devices"].values():
            for name, count in counts.items():
                total[name] = total.get(name, 0) + count
    return total


def archive(world: World) -> dict[str, bytes]:
    return world.edges.bucket.under(ARCHIVE)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_bug_35_a_missing_head_is_no_first_start(how: str, bundle: Bundle) -> None:
    """The next worker goes on from the windows' positions, above the epoch that they have, and tells a gap. The day's
    ledger is added to."""
    calm = watched(bundle).run()
    world = watched(bundle)
    world.run(until=lambda w: w.clock.now > BEGIN + 210.0)
    world.stop() if how == "stop" else world.kill()
    delete(world, "/head")
    before = stored_ledger(world)
    world.run()
    assert archive(world) == archive(calm)
    assert world.durable_head().epoch == 2
    assert [event["data"]["state"] for event in messages(world, "health.gap")] == ["opened", "closed"]
    assert Outcome.of(world).imbalance == 0
    after = stored_ledger(world)
    assert before["scored"] > 100
    # What the windows did not have is counted again: up to a minute.
    assert 359 <= after["scored"] + after["backfilled"] <= 359 + 70


def test_bug_35_a_lane_of_a_device_keyed_table_without_its_head_goes_on(bundle: Bundle) -> None:
    """From its windows, like the table's own lane: its devices stay its own and their samples are scored once."""
    load = Workload(BEGIN, BEGIN, BEGIN + 240.0, ("a", "b"), (0.0, 0.0), 2.0, anomalies=0, device_keyed=True)
    rng = Random(3)
    world = World(script(rng, load.writes(rng), [shard()]), bundle, live(downtime_s=(1.0,)))
    world.run(until=lambda w: w.clock.now > BEGIN + 150.0)
    (lane,) = (head.lane for head in world.durable_heads() if head.lane != "table")
    world.stop()
    delete(world, f"{lane}/head")
    world.run()
    assert world.exits == [0]
    (head,) = (head for head in world.durable_heads() if head.lane == lane)
    assert {*head.health} == {"a", "b"}
    counts = [day[device] for day in head.ledger.values() for device in day]
    assert sum(each.get("scored", 0) + each.get("backfilled", 0) for each in counts) == 240
    assert [event["data"]["state"] for event in messages(world, "health.gap")] == ["opened", "closed"]


def test_bug_35_a_head_that_is_deleted_under_its_owner_is_written_again(bundle: Bundle) -> None:
    """By the owner, who has all of it: the outcome is that of an undisturbed run. A stand-by waits for that."""
    calm = watched(bundle).run()
    world = watched(bundle, hosts=2)
    for moment in (90.0, 150.0):
        world.run(until=lambda w, at=moment: w.clock.now > BEGIN + at)  # type: ignore[misc]
        delete(world, "/head")
    world.run()
    assert world.exits == []
    assert world.durable_head().epoch == 1
    assert archive(world) == archive(calm)
    assert Outcome.of(world).messages == Outcome.of(calm).messages


def test_bug_34_a_counter_that_begins_again_refuses_no_minute(bundle: Bundle) -> None:
    """Head and windows are gone, so nobody knows the epoch: minutes of the last owner have a higher revision. They are
    written again, with what the new windows cannot have, and it is told."""
    calm = watched(bundle).run()
    world = watched(bundle)
    for at in (60.0, 120.0):  # three owners: their epochs are above the one that begins again
        world.run(until=lambda w, at=at: w.clock.now > BEGIN + at)  # type: ignore[misc]
        world.kill()
    world.run(until=lambda w: w.clock.now > BEGIN + 210.0)
    world.kill()
    delete(world, "/head", "/windows")
    world.plan = Plan(begins=BEGIN, start="trim_horizon", downtime_s=(1.0,))
    world.run()
    assert archive(world) == archive(calm)
    told = messages(world, "health.rewritten")
    assert told
    assert all(event["data"]["count"] > 0 for event in told)
    assert world.durable_head().epoch > 3


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_rule_28_beside_a_good_head_windows_that_cannot_be_read_are_read_again(how: str, bundle: Bundle) -> None:
    """A task that ends is started again and nobody watches: the stream is read again for them, and nothing is told or
    counted twice. Only with the head gone too there is nothing to go on from."""
    calm = watched(bundle).run()
    world = watched(bundle)
    world.run(until=lambda w: w.clock.now > BEGIN + 210.0)
    world.stop() if how == "stop" else world.kill()
    damage(world, "/windows")
    table_reads = len(world.edges.table.reads)
    world.run()
    assert len(world.edges.table.reads) == table_reads
    assert archive(world) == archive(calm)
    assert Outcome.of(world).messages == Outcome.of(calm).messages
    assert Outcome.of(world).imbalance == 0
    assert messages(world, "health.gap") == []
    world.kill()
    damage(world, "/windows")
    delete(world, "/head")
    world.run(until=lambda w, at=world.clock.now + 60.0: w.clock.now > at)  # type: ignore[misc]
    assert world.faults.injected["start refused"]


def test_bug_40_a_deleted_bucket_fences_nobody(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker goes on trying. Once the bucket is there again, it writes on where it stood."""
    world = watched(bundle)
    world.run(until=lambda w: w.clock.now > BEGIN + 130.0)
    world.edges.bucket.objects.clear()
    with monkeypatch.context() as without:
        for name in ("put_object", "get_object", "head_object", "paginate"):

            def missing(_: BucketClient, **__: Any) -> Any:
                raise refused(404, "NoSuchBucket")

            without.setattr(BucketClient, name, missing)
        world.run(until=lambda w: w.clock.now > BEGIN + 250.0)
        assert world.exits == []
    world.run()
    assert world.exits == []
    assert world.durable_head().epoch == 1
    assert Outcome.of(world).imbalance == 0
    assert sum(count for name, count in Outcome.of(world).counts.items() if "scored" in name) == 359
