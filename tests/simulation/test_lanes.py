"""A table keyed by device: every lineage of shards is a lane with a head, windows and commits of its own."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import orjson
import pytest
from sim_cases import Calls, live
from sim_faults import FAULTS, S3
from sim_outcome import Outcome, differences
from sim_pace import Pace
from sim_plan import Later, Plan
from sim_script import Script, graph, script
from sim_stream import Weather
from sim_workload import Workload
from sim_world import World

from scoring.bundle import Bundle

BEGIN = 1_700_000_000.0
CALLS = tuple(
    name for name, (edge, _) in FAULTS.items() if edge != "table" and "denied" not in name and "for good" not in name
)
"""Without what never passes, and what subscribers see: a message that is refused for good."""


def drawn(seed: int) -> tuple[Script, Plan, Plan]:
    """Some devices over shards that split and roll over; the disturbed plan, and the undisturbed one."""
    rng = Random(f"lanes {seed}")
    backlog_s = rng.choice([0.0, 600.0])
    live = BEGIN + backlog_s
    end = live + 60.0
    devices = rng.choice([("a", "b/1", "c"), ("a",), ("a", "b", "c", "d", "e")])
    load = Workload(
        begin=BEGIN,
        live=live,
        end=end,
        devices=devices,
        offsets_s=tuple(rng.choice([0.0, 0.0, 1.0, -3.0]) for _ in devices),
        period_s=max(1.0, round((end - BEGIN) * len(devices) / 80, 1)),
        fraction=rng.random() < 0.5,
        delay_s=rng.choice([0.0, 60.0]),
        bursts=rng.choice([0, 1]),
        anomalies=3,
        removed=rng.choice([0.0, 0.05]),
        malformed=rng.choice([0.0, 0.05]),
        device_keyed=True,
    )
    shards = graph(
        rng,
        shards=rng.choice([1, 2, 3]),
        begin=BEGIN,
        end=end,
        roll_every_s=(end - BEGIN) / rng.choice([1, 2, 4]),
        splits=rng.choice([0, 1, 2]),
        orphans=rng.random() < 0.5,
    )
    latest = backlog_s == 0.0 and rng.random() < 0.5
    begins = BEGIN - 40.0 if latest else live
    start = "latest" if latest else "trim_horizon"
    calm = Plan(begins=begins, calm_from=begins, calm_until=BEGIN, start=start)  # type: ignore[arg-type]
    stream = script(rng, load.writes(rng), shards)
    page = rng.choice([1, 5, 1000])
    plan = replace(
        calm,
        calm_from=max(stream.ends, begins) + 20.0,
        weather=Weather(empty_pages=rng.choice([0.0, 0.3]), trailing=rng.choice([0.0, 0.5]), page_shards=2),
        rates={name: rng.choice([0.004, 0.02]) for name in CALLS if rng.random() < 0.25},
        pace=Pace(page=page, credit=4 * page, poll_s=rng.choice([0.5, 1.0]), tick_s=rng.choice([0.3, 1.0])),
        kills=rng.choice([0, 1, 3]),
        stops=rng.choice([0, 1, 2]),
        stalls=rng.choice([0, 0, 1]),
        hosts=rng.choice([1, 1, 2]),
    )
    return stream, plan, calm


@pytest.mark.parametrize("block", [0, *(pytest.param(n, marks=pytest.mark.long) for n in range(1, 6))])
def test_rule_01_and_16_lanes_keep_the_promise(block: int, bundle: Bundle) -> None:
    """Splits, roll-overs, kills, stops and failing calls: archive, messages and books are those of the undisturbed run,
    and every lane's books balance."""
    for seed in range(block * 10, block * 10 + 10):
        stream, plan, calm = drawn(seed)
        expected = Outcome.of(World(stream, bundle, calm, seed=seed).run())
        found = Outcome.of(World(stream, bundle, plan, seed=seed).run())
        assert differences(expected, found) == [], f"seed {seed}"


def test_lanes_schedules_are_of_every_kind() -> None:
    """Or the property would prove little."""
    found = [drawn(seed) for seed in range(60)]
    assert {plan.start for _, plan, _ in found} == {"latest", "trim_horizon"}
    assert len({len(stream.shards) for stream, _, _ in found}) > 5
    assert {plan.hosts for _, plan, _ in found} == {1, 2}
    assert all(sum(name in plan.rates for _, plan, _ in found) > 5 for name in CALLS)


@pytest.mark.parametrize("seed", [2, 7])
def test_lanes_replay_exactly(seed: int, bundle: Bundle) -> None:
    """The same seed gives the same run."""
    stream, plan, _ = drawn(seed)
    first, second = (World(stream, bundle, plan, seed=seed).run() for _ in range(2))
    assert (first.steps, first.clock.now, first.faults.at) == (second.steps, second.clock.now, second.faults.at)
    assert first.edges.subscriber.heard == second.edges.subscriber.heard


def quiet(devices: tuple[str, ...] = ("a", "b", "c", "d"), *, shards: int = 3, removed: float = 0.0) -> Script:
    """Two minutes of some devices in order, over shards that roll over once and split once."""
    rng = Random(11)
    load = Workload(
        begin=BEGIN,
        live=BEGIN,
        end=BEGIN + 120.0,
        devices=devices,
        offsets_s=(0.0,) * len(devices),
        period_s=2.0,
        removed=removed,
        device_keyed=True,
    )
    graphed = graph(rng, shards=shards, begin=BEGIN, end=load.end, roll_every_s=60.0, splits=1, orphans=False)
    return script(rng, load.writes(rng), graphed)


def lanes_of(world: World) -> dict[str, set[str]]:
    """The devices in every lane's books."""
    return {head.lane: {d for day in head.ledger.values() for d in day} for head in world.durable_heads()}


def test_rule_01_every_sample_is_a_modify_and_is_scored(bundle: Bundle) -> None:
    """The table has one item a device, changed with every sample: none is taken for a repetition of the one before."""
    stream = quiet()
    changes = [write.change for write in stream.writes]
    assert changes.count("MODIFY") == len(changes) - 4
    world = World(stream, bundle, live()).run()
    counts = Outcome.of(world).counts
    assert sum(counts.values()) == len(changes)
    assert {name.rsplit(" ", 1)[1] for name in counts} == {"scored"}
    assert len(world.edges.table.items()) == 4


def test_rule_14_a_lane_is_a_lineage_of_shards(bundle: Bundle) -> None:
    """Named by the first of them, with a head and windows of its own; the table's lane has no shard, and says who owns
    them all."""
    stream = quiet()
    world = World(stream, bundle, live()).run()
    roots = {shard.name for shard in stream.shards if shard.parent is None}
    assert {*lanes_of(world)} == roots | {"table"}
    assert len(stream.shards) > len(roots)
    (table,) = (head for head in world.durable_heads() if head.lane == "table")
    assert not table.positions
    devices = [device for found in lanes_of(world).values() for device in found]
    assert sorted(devices) == ["a", "b", "c", "d"]
    windows = {key.split("/")[-2] for key in world.edges.bucket.objects if key.endswith("/windows")}
    assert windows == roots | {"table"}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_rule_10_a_crash_at_any_call_of_every_lane_loses_nothing(moment: str, bundle: Bundle, calls: Calls) -> None:
    """Whichever lane's commit it is in."""
    stream = quiet(("a", "b"), shards=2)
    plan = Plan(begins=BEGIN + 121.0)
    calm = Outcome.of(World(stream, bundle, plan).run())
    for call in calls(80):
        world = World(stream, bundle, plan)
        world.faults.crash_at = (S3, call, moment)
        world.run()
        if not world.faults.injected["crash"]:
            break
        assert differences(calm, Outcome.of(world)) == [], f"call {call}"


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_rule_18_lanes_start_again_after_the_windows_were_filled(how: str, bundle: Bundle) -> None:
    """The windows are filled before it is known whose a device is: it is the lane's that has its records, and no
    other's, after a restart too."""
    stream = quiet()
    world = World(stream, bundle, Plan(begins=BEGIN + 50.0, start="latest", downtime_s=(1.0,)))
    world.run(until=lambda w: w.clock.now > BEGIN + 80.0)
    world.stop() if how == "stop" else world.kill()
    world.run(until=lambda w: w.clock.now > BEGIN + 140.0)
    assert world.exits in ([], [0])
    assert "start refused" not in world.faults.injected
    devices = [device for found in lanes_of(world).values() for device in found]
    assert sorted(devices) == ["a", "b", "c", "d"]


def test_rule_19_a_lane_fills_its_gap_with_its_own_devices(bundle: Bundle) -> None:
    """The table is scanned, and has the items of all; each is told by the lane that has its device."""
    rng = Random(5)
    load = Workload(BEGIN, BEGIN, BEGIN + 60.0, ("a", "b", "c", "d"), (0.0,) * 4, 2.0, device_keyed=True)
    again = replace(load, begin=BEGIN + 25 * 3600.0, end=BEGIN + 25 * 3600.0 + 30.0, live=BEGIN + 25 * 3600.0)
    missed = replace(load, begin=BEGIN + 600.0, end=BEGIN + 660.0, live=BEGIN + 600.0)
    writes = [write for part in (load, missed, again) for write in part.writes(rng)]
    shards = graph(rng, shards=3, begin=BEGIN, end=again.end, roll_every_s=1e6, orphans=False)
    world = World(script(rng, writes, shards), bundle, live(downtime_s=(24.9 * 3600.0,)))
    world.run(until=lambda w: w.clock.now > BEGIN + 70.0)
    world.stop()
    world.run()
    heads = world.durable_heads()
    found = {(head.lane, device) for head in heads for day in head.ledger.values() for device in day}
    assert sorted(device for _, device in found) == ["a", "b", "c", "d"]
    filled = {
        d: sum(day[d].get("backfilled", 0) for h in heads for day in h.ledger.values() if d in day) for d in "abcd"
    }
    assert filled == dict.fromkeys("abcd", 1)  # the table keeps one item a device
    assert Outcome.of(world).imbalance == 0


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_bug_20_a_recreated_stream_of_lanes_is_a_gap(how: str, bundle: Bundle) -> None:
    """No lane of the new stream is one of the old: the table's tells since when nobody can know what is missing, and
    the lanes go on."""
    rng = Random(5)
    first = Workload(BEGIN, BEGIN, BEGIN + 60.0, ("a", "b", "c", "d"), (0.0,) * 4, 2.0, device_keyed=True)
    second = replace(first, begin=BEGIN + 300.0, end=BEGIN + 360.0, live=BEGIN + 300.0)
    old = graph(rng, shards=2, begin=BEGIN, end=first.end, roll_every_s=1e6, orphans=False)
    new = graph(rng, shards=2, begin=second.begin, end=second.end, roll_every_s=1e6, orphans=False)
    again = script(rng, second.writes(rng), new, label="2026-01-02T00:00:00.000")
    later = Later(remade=((again, BEGIN + 250.0),))
    world = World(script(rng, first.writes(rng), old), bundle, live(downtime_s=(200.0,)), later=later)
    world.run(until=lambda w: w.clock.now > BEGIN + 90.0)
    world.stop() if how == "stop" else world.kill()
    world.run()
    events = {heard.id: orjson.loads(heard.body) for heard in world.edges.subscriber.heard}
    told = [event["data"] for event in events.values() if event["type"] == "health.gap"]
    assert [each["state"] for each in told] == ["opened", "closed"]
    assert BEGIN + 50.0 <= told[0]["since"] <= BEGIN + 90.0
    assert "battery-watch replay --table" in told[0]["summary"]
    assert told[1]["count"] == 0
    days = [day for head in world.durable_heads() for day in head.ledger.values()]
    scored = {device: counts["scored"] for day in days for device, counts in day.items() if device in "abcd"}
    assert scored == dict.fromkeys("abcd", 30)
