"""Workloads in bulk: what a device kept is written at once; and schedules of thousands of records."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from sim_cases import BEGIN, shard
from sim_faults import HARDER_FAULTS
from sim_found import messages
from sim_long import LEAST, drawn_long
from sim_plan import Plan
from sim_schedule import EVERYTHING, USUAL
from sim_script import graph, script
from sim_uploads import Uploads
from sim_witness import Witness
from sim_world import World

from scoring.bundle import Bundle


def times(uploads: Uploads) -> list[tuple[float, float]]:
    """When each sample was written, and its ts, in order of writing."""
    found = uploads.writes(Random(1))
    return [(write.written, float(write.image["ts"]["N"])) for write in found if write.image]


@pytest.mark.parametrize("every_s", [1.0, 10.0, 60.0, 300.0, 1200.0])
def test_a_device_writes_at_once_what_it_kept(every_s: float) -> None:
    """Every sample once, in order, in as many bursts as there are uploads, and none before it was measured."""
    found = times(Uploads(BEGIN, BEGIN + 3600.0, every_s=every_s))
    assert [ts for _, ts in found] == [BEGIN + 1 + n for n in range(3600)]
    assert all(written > ts for written, ts in found)
    bursts = 1 + sum(after - before > every_s / 2 for (before, _), (after, _) in pairwise(found))
    assert abs(bursts - 3600.0 / every_s) <= 2
    assert max(written - ts for written, ts in found) <= every_s + 20.0


def test_four_writers_take_from_one_queue() -> None:
    """They are faster, and a little out of order."""
    one, four = (times(Uploads(BEGIN, BEGIN + 3600.0, every_s=1200.0, writers=n)) for n in (1, 4))
    assert sorted(ts for _, ts in four) == [ts for _, ts in one]
    inversions = [before - after for (_, before), (_, after) in pairwise(four) if after < before]
    assert 100 < len(inversions) < 3000
    assert max(inversions) < 300
    took = [sum(b - a for (a, _), (b, _) in pairwise(found) if b - a < 60.0) for found in (one, four)]
    assert took[1] < took[0] / 2


def test_several_devices_upload_each_in_its_own_time() -> None:
    """Their bursts lie apart."""
    devices = ("a", "b", "c")
    found = Uploads(BEGIN, BEGIN + 1200.0, devices, every_s=600.0).writes(Random(1))
    first = {name: min(w.written for w in found if w.image and w.image["device"] == {"S": name}) for name in devices}
    assert len({round(at) for at in first.values()}) == 3
    assert len(found) == 3 * 1200


def test_a_table_keyed_by_device_has_one_item_each() -> None:
    """Every sample but the first replaces one, all of a device go through one shard, and shards roll."""
    uploads = Uploads(BEGIN, BEGIN + 6 * 3600.0, ("a", "b"), every_s=1200.0, period_s=30.0, device_keyed=True)
    found = uploads.writes(Random(1))
    assert [write.change for write in found].count("INSERT") == 2
    assert all([*write.keys] == ["device"] for write in found)
    rng = Random(2)
    shards = graph(rng, shards=4, begin=BEGIN, end=BEGIN + 8 * 3600.0, roll_every_s=2 * 3600.0)
    made = script(rng, found, shards)
    assert len(made.shards) > 8
    at_once = [
        {r["dynamodb"]["Keys"]["device"]["S"] for each in made.shards if each.low == low for r in each.records}
        for low in {each.low for each in made.shards}
    ]
    assert sorted(name for names in at_once for name in names) == ["a", "b"]


@pytest.mark.parametrize("writers", [1, 4])
def test_an_upload_of_a_healthy_charge_is_healthy_through_one_shard(writers: int, bundle: Bundle) -> None:
    """That it has an anomaly where one was put says that it is watched at all."""
    for strange in (0, 1):
        uploads = Uploads(BEGIN, BEGIN + 600.0, every_s=300.0, writers=writers, strange=strange)
        made = script(Random(1), uploads.writes(Random(1)), [shard()])
        world = World(made, bundle, Plan(begins=BEGIN + 1000.0), witness=Witness()).run()
        assert bool(messages(world, "anomaly.opened")) is bool(strange)
        assert world.edges.witness is not None
        assert world.edges.witness.findings(world) == []


def test_long_schedules_are_of_every_kind() -> None:
    """Thousands of records each; uploads and tables keyed by device too, but among the usual ones."""
    plain = [drawn_long(seed, USUAL) for seed in range(0, 32, 4)]
    hard = [drawn_long(seed, EVERYTHING) for seed in range(0, 96, 4)]
    assert min(len(each.script.writes) for each in [*plain, *hard]) >= LEAST * 0.95
    assert not any(isinstance(each.workload, Uploads) or each.workload.device_keyed for each in plain)
    uploads = [each.workload for each in hard if isinstance(each.workload, Uploads)]
    assert {upload.writers for upload in uploads} == {1, 4}
    assert len({upload.every_s for upload in uploads}) >= 3
    assert any(each.workload.device_keyed for each in hard)
    assert len({len(each.script.shards) for each in hard}) > 5
    assert any(name in each.plan.rates for each in hard for name in HARDER_FAULTS)
    assert not any(name in each.plan.rates for each in plain for name in HARDER_FAULTS)


def test_a_long_schedule_is_the_same_everywhere() -> None:
    """Neighbours share their stream, and each has troubles of its own."""
    first, again, second = drawn_long(8, EVERYTHING), drawn_long(8, EVERYTHING), drawn_long(9, EVERYTHING)
    assert first == again
    assert first.script == second.script
    assert first.plan != second.plan
    assert drawn_long(8, USUAL) != first
