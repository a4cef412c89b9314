"""Failures of other stream consumers, by their numbers in the list of published bugs: those the engine is safe from."""

from __future__ import annotations

import orjson
from sim_cases import BEGIN, Reading, charge, live, rotation, shard, stream
from sim_outcome import QUARANTINE, Outcome, differences
from sim_pace import Pace
from sim_plan import Plan
from sim_script import Script
from sim_stream import Weather
from sim_world import World

from scoring.bundle import Bundle


def scored(world: World) -> int:
    """Records in the books as scored; nothing else may be in them."""
    counts = Outcome.of(world).counts
    assert {name.rsplit(" ", 1)[1] for name in counts} <= {"scored"}
    return sum(counts.values())


def finished(script: Script, bundle: Bundle, plan: Plan) -> World:
    """The world after a whole run."""
    return World(script, bundle, plan).run()


def test_bug_01_shards_created_after_the_start_are_found(bundle: Bundle) -> None:
    """Five rotations while it runs: every record is read once."""
    readings = charge(1.0, 300.0)
    world = finished(stream(readings, rotation([50.0, 100.0, 150.0, 200.0, 250.0])), bundle, live())
    assert scored(world) == len(readings)


def test_bug_02_more_than_a_hundred_shards_are_listed(bundle: Bundle) -> None:
    """684 shards in pages of 100, the last of which names itself as the last evaluated for ever."""
    shards = [shard(low=n / 684, high=(n + 1) / 684, name=f"{n:04d}") for n in range(684)]
    readings = [Reading(n * 0.5, place=(n + 0.5) / 684) for n in range(684)]
    plan = Plan(
        begins=BEGIN + 400.0,
        weather=Weather(endless_listing=True),
        pace=Pace(poll_s=30.0),
    )
    world = finished(stream(readings, shards), bundle, plan)
    assert scored(world) == len(readings)
    assert world.edges.stream.calls["describe"] >= 7


def test_bug_03_the_children_of_a_split_are_read_from_their_beginning(bundle: Bundle) -> None:
    """Reading began at LATEST; what the children held before they were found is not skipped."""
    parent = shard(-60.0, 30.0)
    children = [shard(30.0, parent=parent.name, high=0.5), shard(30.0, parent=parent.name, low=0.5)]
    readings = charge(1.0, 60.0)
    world = finished(stream(readings, [parent, *children]), bundle, live(weather=Weather(listing_lag_s=9.0)))
    assert scored(world) == len(readings)


def test_bug_05_an_expired_iterator_goes_on_where_reading_stood(bundle: Bundle) -> None:
    """The process is paused for longer than an iterator lives: it is taken again once, after the last record read, not
    at the start-up position."""
    readings = charge(1.0, 1200.0, period_s=5.0)
    world = World(stream(readings, [shard()]), bundle, live())
    world.run(until=lambda w: w.clock.now > BEGIN + 60.0)
    world.host.stall(1000.0)
    world.run()
    assert scored(world) == len(readings)
    assert world.edges.stream.calls["iterator"] == 2


def test_bug_06_an_iterator_that_expires_before_the_first_record(bundle: Bundle) -> None:
    """There is no sequence number to go on after: the shard is read from when the start was."""
    readings = charge(1100.0, 1130.0)
    world = World(stream(readings, [shard()]), bundle, live())
    world.run(until=lambda w: w.clock.now > BEGIN)
    world.host.stall(1000.0)
    world.run()
    assert scored(world) == len(readings)


def test_bug_13_two_environments_do_not_share_state(bundle: Bundle) -> None:
    """A second name space over the same bucket reads everything for itself."""
    script = stream(charge(1.0, 60.0), [shard()])
    plan = Plan(begins=BEGIN + 60.0)
    first = World(script, bundle, plan, namespace="one").run()
    second = World(script, bundle, plan, namespace="two", edges=first.edges).run()
    assert scored(second) == scored(first) == len(script.writes)


def test_bug_14_every_write_of_the_state_is_throttled(bundle: Bundle) -> None:
    """Half of all calls to S3 are refused, before or after their effect: nothing changes but the time it takes."""
    script = stream(charge(1.0, 120.0, strange=[30.0, 31.0, 80.0]), rotation([40.0]))
    rates = {"s3 refused": 0.25, "s3 412 though written": 0.15, "s3 time-out though written": 0.1}
    calm = finished(script, bundle, live())
    world = finished(script, bundle, live(rates=rates, calm_from=BEGIN + 120.0))
    assert world.faults.injected.total() > 10
    assert differences(Outcome.of(calm), Outcome.of(world)) == []


def test_bug_17_a_poison_record_does_not_block_its_shard(bundle: Bundle) -> None:
    """It is set aside where a person can read it; the next one is scored."""
    readings = [*charge(1.0, 10.0), Reading(10.0, current_a=3.4e38), *charge(11.0, 20.0)]
    world = finished(stream(readings, [shard()]), bundle, live())
    counts = Outcome.of(world).counts
    assert {name.rsplit(" ", 1)[1]: count for name, count in counts.items()} == {"scored": 18, "quarantined": 1}
    (body,) = world.edges.bucket.under(QUARANTINE).values()
    assert "outside the plausible" in orjson.loads(body)["reason"]


def test_bug_24_the_last_page_of_a_closed_shard_holds_records(bundle: Bundle) -> None:
    """Records and no next iterator: they are read, and the child after them."""
    readings = charge(1.0, 40.0)
    script = stream(readings, rotation([20.0]))
    for plan in (live(), Plan(begins=BEGIN + 60.0)):
        assert scored(finished(script, bundle, plan)) == len(readings)
