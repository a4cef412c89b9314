"""Failures of other stream consumers, and our own as the simulator found them, that the engine still shows."""

from __future__ import annotations

import pytest
from sim_cases import BEGIN, Calls, Reading, charge, live, rotation, shard, stream
from sim_faults import S3, SNS
from sim_outcome import Outcome, differences
from sim_pace import Pace
from sim_plan import Plan
from sim_script import Script
from sim_stream import Weather
from sim_world import World

from scoring.bundle import Bundle


def backlog(**more: object) -> Plan:
    """A host that finds ten minutes of records."""
    return Plan(begins=BEGIN + 600.0, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def script() -> Script:
    """Ten minutes over shards that roll over, with anomalies and a broken record."""
    readings = [*charge(1.0, 600.0, period_s=5.0, strange=[101.0, 106.0, 401.0]), Reading(333.0, current_a=3.4e38)]
    return stream(readings, rotation([150.0, 300.0, 450.0]))


def crashing(script: Script, bundle: Bundle, plan: Plan, edge: str, call: int, moment: str) -> World | None:
    """The world after a run with a crash at that call; None where the run makes fewer calls."""
    world = World(script, bundle, plan)
    world.faults.crash_at = (edge, call, moment)
    world.run()
    return world if world.faults.injected["crash"] else None


def test_bug_04_a_sink_that_stalls_stops_the_reading_until_iterators_expire(bundle: Bundle) -> None:
    """The bucket is down for 24 minutes, the commit is full, reading stops, the iterator expires: it is taken again
    once, not from the start-up position and not for ever."""
    readings = charge(1.0, 1800.0, period_s=5.0, strange=[1.0 + 5.0 * row for row in range(360)])
    down = (("s3 down", BEGIN + 60.0, BEGIN + 60.0 + 24 * 60.0),)
    plan = live(down=down, calm_from=BEGIN + 1900.0, pace=Pace(page=5, credit=5, poll_s=2.0))
    world = World(stream(readings, [shard()]), bundle, plan).run()
    assert sum(Outcome.of(world).counts.values()) == len(readings)
    assert 2 <= world.edges.stream.calls["iterator"] <= 4


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("edge", [S3, SNS])
def test_bug_11_and_12_a_crash_at_any_call_loses_nothing(
    script: Script, bundle: Bundle, edge: str, moment: str, calls: Calls
) -> None:
    """No position passes a record whose consequences are not durable: whichever call is the last, the outcome is the
    undisturbed one."""
    calm = Outcome.of(World(script, bundle, backlog()).run())
    for call in calls(60):
        world = crashing(script, bundle, backlog(), edge, call, moment)
        if world is None:
            break
        assert differences(calm, Outcome.of(world)) == [], f"call {call}"


def test_bug_16_killed_at_every_point_around_the_end_of_a_shard(bundle: Bundle) -> None:
    """The lineage goes on in the child, wherever the process died."""
    script = stream(charge(1.0, 60.0, period_s=2.0, strange=[27.0, 35.0]), rotation([30.0]))
    calm = Outcome.of(World(script, bundle, live()).run())
    for seconds in range(24, 50, 2):
        world = World(script, bundle, live(downtime_s=(0.0,)))
        at = BEGIN + seconds
        world.run(until=lambda w, at=at: w.clock.now >= at)
        world.kill()
        assert differences(calm, Outcome.of(world.run())) == [], f"killed after {seconds} s"


def test_bug_18_stopped_in_every_phase_nothing_is_quarantined(bundle: Bundle) -> None:
    """A stop in order, and a start: the outcome is that of a worker that was never stopped."""
    script = stream(charge(1.0, 60.0, period_s=2.0, strange=[27.0, 35.0]), rotation([30.0]))
    calm = Outcome.of(World(script, bundle, live()).run())
    for seed in range(10):
        world = World(script, bundle, live(stops=2, calm_from=BEGIN + 60.0, downtime_s=(0.0,)), seed=seed).run()
        assert differences(calm, Outcome.of(world)) == [], f"seed {seed}"


def test_bug_22_a_timer_survives_a_restart(bundle: Bundle) -> None:
    """The worker dies while a device has been silent for a minute: the silence is told all the same, once."""
    script = stream([*charge(1.0, 60.0), Reading(400.0)], [shard()])
    world = World(script, bundle, live(downtime_s=(5.0,)))
    world.run(until=lambda w: w.clock.now >= BEGIN + 120.0)
    world.kill()
    world.run()
    told = [m["type"] for m in Outcome.of(world).messages["device4"]]
    assert told.count("health.silence") == 2  # it began, and it ended


def test_bug_02_a_listing_page_may_be_empty(bundle: Bundle) -> None:
    """A page without shards that repeats the id it was asked with is not the end of the list: what comes after it is
    waited for."""
    shards = [shard(low=n / 8, high=(n + 1) / 8, name=f"{n:04d}") for n in range(8)]
    script = stream(charge(1.0, 300.0, strange=[51.0, 52.0, 200.0]), shards)
    calm = Outcome.of(World(script, bundle, backlog()).run())
    weather = Weather(empty_listings=0.5, page_shards=2)
    for seed in range(8):
        found = Outcome.of(World(script, bundle, backlog(weather=weather), seed=seed).run())
        assert found.guesses == 0
        assert differences(calm, found) == []


def test_listings_are_not_asked_for_more_often_with_every_rotation(bundle: Bundle) -> None:
    """Each end of a shard must not begin another endless series of listings: DescribeStream allows ten a second."""
    times = [float(t) for t in range(10, 210, 10)]
    world = World(stream(charge(1.0, 220.0, period_s=4.0), rotation(times)), bundle, live())
    world.run(until=lambda w: w.clock.now >= BEGIN + 400.0)
    before = world.edges.stream.calls["describe"]
    world.run(until=lambda w: w.clock.now >= BEGIN + 500.0)
    assert world.edges.stream.calls["describe"] - before <= 12


def test_a_restart_before_the_first_record_of_a_shard_reads_it_whole(bundle: Bundle) -> None:
    """From the horizon means from the horizon: a position without a sequence number skips nothing."""
    script = stream(charge(1.0, 100.0), [shard()])
    for call in range(1, 12):
        world = World(script, bundle, backlog())
        world.faults.crash_at = (S3, call, "after")
        assert sum(Outcome.of(world.run()).counts.values()) == len(script.writes), f"call {call}"


def test_a_restart_with_windows_older_than_the_first_listing_is_no_first_start(bundle: Bundle) -> None:
    """The windows were written before any shard was known: the head knows them, so reading does not begin at LATEST."""
    script = stream(charge(1.0, 60.0), [shard()])
    for seed in range(6):
        world = World(script, bundle, live(downtime_s=(2.0,)), seed=seed)
        world.run(until=lambda w: w.clock.now >= BEGIN + 15.0)
        world.kill()
        assert sum(Outcome.of(world.run()).counts.values()) == len(script.writes), f"seed {seed}"


def test_the_empty_pages_of_a_closed_shard_prove_nothing(bundle: Bundle) -> None:
    """Rule 5: a closed shard is never idle, however many of its pages are empty."""
    shards = [shard(-60.0, 500.0, high=0.5), shard(-60.0, 500.0, low=0.5)]
    children = [shard(500.0, parent=p.name, low=p.low, high=p.high) for p in shards]
    script = stream(charge(1.0, 600.0, period_s=4.0, strange=[101.0, 205.0]), [*shards, *children])
    weather = Weather(empty_pages=0.3, empty_closed=True)
    world = World(script, bundle, backlog(weather=weather, pace=Pace(page=5, credit=20))).run()
    assert Outcome.of(world).guesses == 0


def test_after_a_pause_of_the_process_one_empty_page_proves_nothing(bundle: Bundle) -> None:
    """Rule 5: one empty page suffices only while polls keep coming. And a pause of one's own is no stalled shard."""
    shards = [shard(high=0.5), shard(low=0.5)]
    script = stream(charge(1.0, 900.0, period_s=5.0), shards)
    weather = Weather(empty_pages=0.6)
    for seed in range(6):
        world = World(script, bundle, live(weather=weather), seed=seed)
        world.run(until=lambda w: w.clock.now >= BEGIN + 100.0)
        world.host.stall(600.0)
        assert Outcome.of(world.run()).guesses == 0, f"seed {seed}"


def test_an_incomplete_listing_forgets_no_shard(bundle: Bundle) -> None:
    """A shard that one listing lacks is neither gone nor to be read again after a restart."""
    script = stream(charge(1.0, 200.0, period_s=2.0), rotation([40.0, 80.0, 120.0]))
    for seed in range(6):
        plan = live(weather=Weather(holes=0.5), kills=2, calm_from=BEGIN + 200.0)
        world = World(script, bundle, plan, seed=seed).run()
        assert sum(Outcome.of(world).counts.values()) == len(script.writes), f"seed {seed}"


def test_two_changes_of_a_sample_are_two_revisions(bundle: Bundle) -> None:
    """The id of a message names one body: a sample scored for the third time is not the second revision again."""
    readings = [
        *charge(1.0, 20.0),
        Reading(20.0, current_a=9.0),
        Reading(20.0, 30.0, current_a=9.5),
        Reading(20.0, 40.0, current_a=12.0),
        Reading(60.0),
    ]
    world = World(stream(readings, [shard()]), bundle, live()).run()
    assert Outcome.of(world).conflicts == ()


def test_silence_is_reported_whatever_the_pages(bundle: Bundle) -> None:
    """Rule 15: deadlines before the next record fire first, also when both are released together."""
    readings = [*charge(1.0, 30.0), *charge(400.0, 430.0)]
    script = stream(readings, [shard()])
    small = Plan(begins=BEGIN + 500.0, pace=Pace(page=2, credit=4))
    found = [Outcome.of(World(script, bundle, plan).run()) for plan in (Plan(begins=BEGIN + 500.0), small)]
    assert differences(*found) == []
    assert [m["type"] for m in found[0].messages["device4"]].count("health.silence") == 2
