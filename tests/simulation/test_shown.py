"""What was reproduced on the real worker, each shown by the simulator: it failed before it was mended."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from sim_cases import BEGIN, Reading, charge, live, shard, stream, writes
from sim_clocks import ClockFault
from sim_found import anomalies, ledger_totals, messages
from sim_pace import Pace
from sim_plan import Later, Plan
from sim_script import Nodes, Script, Shard, graph, script
from sim_stream import LISTINGS, Weather
from sim_uploads import Uploads
from sim_witness import Witness
from sim_world import World

from scoring.bundle import Bundle

HOUR = 3600.0


def halves() -> list[Shard]:
    """Two shards that stay open."""
    return [shard(high=0.5), shard(low=0.5)]


def quarters() -> list[Shard]:
    """Four shards that stay open."""
    return [shard(low=n / 4, high=(n + 1) / 4) for n in range(4)]


def found(world: World) -> Counter[str]:
    """What the witness found, by kind."""
    assert world.edges.witness is not None
    return Counter(finding.kind for finding in world.edges.witness.findings(world))


def watched(made: Script, bundle: Bundle, plan: Plan, later: Later | None = None) -> World:
    """A world with a witness, not run yet."""
    return World(made, bundle, plan, later=later or Later(), witness=Witness())


def told(world: World, kind: str) -> list[tuple[str, str]]:
    """State and summary of the messages of a kind."""
    return [(event["data"].get("state"), event["data"].get("summary")) for event in messages(world, kind)]


def test_shown_01_a_false_end_of_an_open_shard(bundle: Bundle) -> None:
    """A page without a next iterator. Whatever came after it in that shard is never read."""
    plan = live(rates={"stream ends falsely": 0.05}, calm_from=BEGIN + 200.0)
    world = watched(stream(charge(1.0, 300.0), halves()), bundle, plan)
    world.run(until=lambda w: w.clock.now > BEGIN + 600.0)
    assert world.faults.injected["stream ends falsely"] >= 1
    assert found(world) == {}


def test_shown_01_a_false_trim_is_no_gap(bundle: Bundle) -> None:
    """The records are there, and are read by the next iterator. Nobody is told of a gap."""
    plan = live(rates={"stream says trimmed": 0.05}, calm_from=BEGIN + 200.0)
    world = watched(stream(charge(1.0, 300.0), halves()), bundle, plan)
    world.run(until=lambda w: w.clock.now > BEGIN + 600.0)
    assert world.faults.injected["stream says trimmed"] >= 1
    assert found(world) == {}
    assert told(world, "health.gap") == []


def test_shown_01_listings_that_fail_end_no_shard(bundle: Bundle) -> None:
    """For half a minute DescribeStream says that there is no such stream, and GetRecords no such shard."""
    shards = halves()
    when = (BEGIN + 100.0, BEGIN + 130.0, "stream says not found")
    weather = Weather(sick=((LISTINGS, *when), (shards[0].name, *when)))
    world = watched(stream(charge(1.0, 300.0), shards), bundle, live(weather=weather))
    world.run(until=lambda w: w.clock.now > BEGIN + 600.0)
    assert found(world) == {}


def test_shown_02_work_that_takes_long_is_no_death(bundle: Bundle) -> None:
    """A backlog of 3,000 records takes a minute of turns: the owner lives all the time, and the stand-by waits."""
    plan = Plan(begins=BEGIN + 3100.0, hosts=2, pace=Pace(record_s=0.02))
    world = watched(stream(charge(1.0, 3001.0), [shard()]), bundle, plan).run()
    assert found(world) == {}
    assert world.exits == []


def test_shown_02_a_heartbeat_is_never_old(bundle: Bundle) -> None:
    """Heads are written well within `TAKE_OVER_S` while a backlog is read, whatever a record takes. (They are due every
    5 s. The twin of the committer has no thread of its own: its steps wait for turns.)"""
    plan = Plan(begins=BEGIN + 3100.0, pace=Pace(record_s=0.02, latency_s=0.01, tick_s=0.1))
    world = watched(stream(charge(1.0, 3001.0), [shard()]), bundle, plan)
    written = []
    witness, note = world.edges.witness, world.edges.bucket.note
    assert witness is not None
    assert note is not None
    world.edges.bucket.note = lambda key, body: (note(key, body), written.append((world.clock.now, key)))[0]
    world.run()
    heads = [at for at, key in written if key.endswith("/head")]
    assert max(after - before for before, after in pairwise(heads)) <= 10.0


@pytest.mark.parametrize("every_s", [60.0, 300.0, 1200.0])
def test_shown_03_an_upload_through_four_shards(every_s: float, bundle: Bundle) -> None:
    """One writer writes the samples in order."""
    load = Uploads(BEGIN, BEGIN + 1200.0, every_s=every_s).writes(Random(1))
    plan = Plan(begins=BEGIN + 2500.0)
    one, four = (watched(script(Random(1), load, shards), bundle, plan).run() for shards in ([shard()], quarters()))
    assert found(four) == {}
    assert messages(one, "anomaly.") == []
    assert messages(four, "anomaly.") == []


def test_shown_04_many_empty_pages_in_a_catch_up(bundle: Bundle) -> None:
    """The API may answer any number of them before records. Twelve in a row, a second apart, prove no idleness of
    hours: nothing is passed by, nothing late, and nobody is called silent."""
    weather = Weather(empty_pages=0.03, empty_run=12)
    plan = Plan(begins=BEGIN + 2 * HOUR, weather=weather, pace=Pace(page=20, credit=100, poll_s=1.0))
    world = watched(stream(charge(1.0, 2 * HOUR, period_s=4.0), halves()), bundle, plan).run()
    assert found(world) == {}
    assert world.durable_head().forced == 0


def test_shown_05_a_head_that_is_older_than_its_windows(bundle: Bundle) -> None:
    """The worker does not start on it, or what it counted and what it scored agree."""
    events = ((BEGIN + 100.0, "state saved"), (BEGIN + 200.0, "kill"), (BEGIN + 201.0, "heads restored"))
    world = watched(stream(charge(1.0, 400.0), halves()), bundle, live(events=events, downtime_s=(5.0,)))
    world.run(until=lambda w: w.clock.now > BEGIN + 600.0)
    assert world.faults.injected["start refused"] or ledger_totals(world)["scored"] == 399


def test_shown_05_a_lost_head(bundle: Bundle) -> None:
    """Its windows are there. What was written while nobody read is scored, or said to be missing."""
    events = ((BEGIN + 100.0, "kill"), (BEGIN + 101.0, "heads deleted"))
    plan = live(events=events, downtime_s=(30.0,))
    world = watched(stream(charge(1.0, 300.0), halves()), bundle, plan)
    world.run(until=lambda w: w.clock.now > BEGIN + 400.0)
    assert found(world) == {}
    assert told(world, "health.gap") != []


def test_shown_05_a_recreated_stream_archives_on(bundle: Bundle) -> None:
    """The owner before had been started some times, so its epoch is higher than the first one of a new label."""
    strange = [float(n) for n in range(270, 330)]
    every = charge(1.0, 600.0, strange=strange)
    parts = [[r for r in every if low <= r.ts + 0.1 < high] for low, high in ((0, 300), (300, 600))]
    again = script(Random(2), writes(parts[1]), [shard(301.0 - 1.5, name="new")], label="2026-01-02T00:00:00.000")
    later = Later(remade=((again, BEGIN + 299.5),))
    kills = tuple((BEGIN + at, "kill") for at in (40.0, 80.0, 120.0, 300.5))
    plan = live(events=kills, downtime_s=(1.0,))
    old = shard(closed=299.5, name="old")
    world = watched(stream(parts[0], [old]), bundle, plan, later)
    world.run(until=lambda w: w.clock.now > BEGIN + 700.0)
    assert found(world) == {}


def rolled(bundle: Bundle) -> World:
    """Four devices in a table that is keyed by them; the worker is killed, and back 30 h later."""
    rng = Random(5)
    before = Uploads(BEGIN, BEGIN + 120.0, ("a", "b", "c", "d"), every_s=1.0, period_s=4.0, device_keyed=True)
    after = replace(before, begin=BEGIN + 30 * HOUR, end=BEGIN + 30 * HOUR + 240.0)
    load = before.writes(rng) + after.writes(rng)
    shards = graph(rng, shards=2, begin=BEGIN, end=after.end + 60.0, roll_every_s=4 * HOUR, orphans=False)
    world = watched(script(rng, load, shards), bundle, live(downtime_s=(30 * HOUR - 140.0,)))
    world.run(until=lambda w: w.clock.now > BEGIN + 130.0)
    world.kill()
    world.plan = replace(world.plan, downtime_s=(5.0,))
    return world


def test_shown_06_shards_of_devices_roll_while_the_worker_is_down(bundle: Bundle) -> None:
    """It starts, goes on, and starts again: the lanes of shards that are gone own no device any more."""
    world = rolled(bundle)
    for minute in (2, 3):
        world.run(until=lambda w, at=BEGIN + 30 * HOUR + 60.0 * minute: w.clock.now > at)
        world.kill()
    world.run(until=lambda w: w.clock.now > BEGIN + 30 * HOUR + 400.0)
    assert world.faults.injected["start refused"] == 0
    assert found(world)["lost"] == 0


def test_shown_06_silence_after_30_hours_is_said_from_the_last_sample(bundle: Bundle) -> None:
    """The records between snapshot and head are trimmed and cannot be read again; the head knows of them all the
    same. A silence is not said from before them."""
    world = rolled(bundle)
    world.run(until=lambda w: w.clock.now > BEGIN + 30 * HOUR + 400.0)
    assert messages(world, "health.silence") != []
    assert found(world)["false silence"] == 0


def test_shown_07_a_wall_clock_jumps(bundle: Bundle) -> None:
    """Commits go on at their pace: a minute later the head is young, in the host's own time and in true time."""
    jumps = ((BEGIN + 100.0, 600.0), (BEGIN + 110.0, -600.0))
    world = watched(stream(charge(1.0, 300.0), halves()), bundle, live(clocks={0: ClockFault(jumps=jumps)}))
    world.run(until=lambda w: w.clock.now > BEGIN + 250.0)
    written = len([key for key in world.edges.bucket.writes if key.endswith("/head")])
    world.run(until=lambda w: w.clock.now > BEGIN + 310.0)
    assert len([key for key in world.edges.bucket.writes if key.endswith("/head")]) - written >= 6
    world.run()
    assert found(world) == {}


def test_shown_07_a_stand_by_with_a_fast_clock_waits(bundle: Bundle) -> None:
    """The owner writes its heartbeat all the time."""
    plan = live(hosts=2, clocks={1: ClockFault(offset_s=16.0)})
    world = watched(stream(charge(1.0, 120.0), halves()), bundle, plan).run()
    assert world.exits == []


@pytest.mark.parametrize("restarted", [False, True])
def test_shown_08_a_message_that_is_refused_for_good(restarted: bool, bundle: Bundle) -> None:
    """The other device's anomaly is told within a minute."""
    readings = [
        replace(each, device=device) for device in ("a", "b") for each in charge(1.0, 300.0, strange=(100.0, 200.0))
    ]
    plan = live(events=((BEGIN + 150.0, "kill"),) if restarted else ())
    world = watched(stream(readings, halves()), bundle, plan)
    world.edges.subscriber.refuses = lambda event: event["type"] == "anomaly.opened" and event["subject"] == "a"
    world.run(until=lambda w: w.clock.now > BEGIN + 300.0)
    heard = [event for event in anomalies(world) if event["subject"] == "b"]
    assert {event["data"]["ts"] for event in heard if event["type"] == "anomaly.sample"} >= {
        BEGIN + 100.0,
        BEGIN + 200.0,
    }


def test_shown_08_a_partial_refusal_keeps_the_order_of_a_device(bundle: Bundle) -> None:
    """Entries that are refused in passing are taken later, and with them what the device has after them."""
    made = stream(charge(1.0, 200.0, strange=range(100, 130)), [shard()])
    calm = watched(made, bundle, live()).run()
    world = watched(made, bundle, live(rates={"sns batch in part": 0.5}, calm_from=BEGIN + 400.0)).run()
    assert world.faults.injected["sns batch in part"] >= 1
    assert anomalies(world) == anomalies(calm)


def test_shown_09_a_storm_of_silences_delays_no_anomaly(bundle: Bundle) -> None:
    """500 devices stop at once; one goes on, and its anomaly is told at most five seconds later than without them."""
    one = [replace(each, device="watched") for each in charge(1.0, 200.0, strange=(132.0,))]
    told_at = []
    for count in (0, 500):
        many = [Reading(10.0 + n / 1000, device=f"cell {n}", place=0.1) for n in range(count)]
        plan = live(pace=Pace(poll_s=1.0, tick_s=0.5, latency_s=1.5))
        world = watched(stream([*many, *one], [shard()]), bundle, plan)
        world.run(until=lambda w: w.clock.now > BEGIN + 300.0)
        assert bool(messages(world, "health.silence")) is bool(count)
        heard = [h for h in world.edges.subscriber.heard if h.device == "watched" and b"anomaly.opened" in h.body]
        told_at.append(heard[0].at)
    assert told_at[1] <= told_at[0] + 5.0


def test_shown_10_a_record_without_a_creation_time(bundle: Bundle) -> None:
    """The API calls it approximate, and does not promise it. The record is scored all the same."""
    made = script(Random(1), writes(charge(1.0, 200.0)), halves(), nodes=Nodes(undated=0.05))
    world = watched(made, bundle, live()).run()
    assert found(world) == {}


def test_shown_11_a_deleted_bucket_is_no_other_owner(bundle: Bundle) -> None:
    """Nobody owns the lane instead: the worker does not end with the code that says so."""
    world = watched(stream(charge(1.0, 100.0), halves()), bundle, live(events=((BEGIN + 50.0, "bucket deleted"),)))
    world.run(until=lambda w: w.clock.now > BEGIN + 120.0)
    assert 75 not in world.exits


def test_shown_11_a_deleted_table_is_called_so(bundle: Bundle) -> None:
    """The trouble is there without a break, in the same words."""
    world = watched(stream(charge(1.0, 100.0), halves()), bundle, live())
    world.edges.stream.deleted = world.edges.stream.table_deleted = BEGIN + 60.0
    world.run(until=lambda w: w.clock.now > BEGIN + 150.0)
    seen: list[Any] = []

    def over(now: World) -> bool:
        seen.append(now.host.source.health().trouble)
        return now.clock.now > BEGIN + 700.0

    world.run(until=over)
    assert len(set(seen)) == 1
    assert "turned off" not in seen[0]
