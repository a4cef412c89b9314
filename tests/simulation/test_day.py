"""A day of ten devices at a sample a second: nothing grows, nothing is missed, and there always is a sign of life."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import orjson
import pytest
from sim_day import STRANGE_A, STRANGE_AFTER_S, STRANGE_APART_S, STRANGE_EVERY_S, day
from sim_pace import Pace
from sim_plan import Plan
from sim_world import World

from consumer.state.store import TABLE_LANE
from reporting.keys import SCORED_MINUTES
from scoring.bundle import Bundle

BEGIN = 1_700_006_400  # midnight of a day, UTC
HOURS = 24
DEVICES = [f"cell {n}" for n in range(10)]
STALE_S = 15.0
SETTLED_S = 2 * 3600.0
STATM = Path("/proc/self/statm")
MOST_GROWTH_PAGES = 6 * 256
"""6 MiB of resident pages: the day's samples alone, in columns, would be 30."""


def used(world: World) -> tuple[int, int]:
    """Python's blocks in use, and resident pages (0 where the system does not say). What the simulator itself notes of
    the past is dropped before, but for messages and objects, which are few."""
    world.edges.bucket.writes.clear()
    for key in world.edges.bucket.under(SCORED_MINUTES):  # one object for each snapshot
        del world.edges.bucket.objects[key]
    for shard in world.script.shards:
        shard.records.forget()
    world.host.charts.asked.clear()
    gc.collect()
    return sys.getallocatedblocks(), int(STATM.read_text().split()[1]) if STATM.exists() else 0


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_day(bundle: Bundle) -> None:
    """864,000 samples, six roll-overs: every one is scored and each strange one told, the head's
    heartbeat is never older than 15 s, and after two hours memory is what it is at the end."""
    script = day(BEGIN, HOURS * 3600, DEVICES, roll_overs=6)
    assert len(script.shards) == 7
    pace = Pace(poll_s=9.0, tick_s=9.0)
    world = World(script, bundle, Plan(begins=BEGIN - 40.0, start="latest", pace=pace, most_steps=10**6))
    world.edges.table.sort = "device"  # ten devices in one table
    oldest_s = 0.0

    def watch(now: World) -> None:
        nonlocal oldest_s
        host = now.hosts[0]
        if host is not None and host.durable:
            oldest_s = max(oldest_s, now.clock.now - host.durable[TABLE_LANE].heartbeat)

    def until(at: float) -> tuple[int, int]:
        def over(now: World) -> bool:
            watch(now)
            return now.clock.now >= at

        world.run(until=over)
        return used(world)

    blocks, pages = until(BEGIN + SETTLED_S)
    for hour in range(4, HOURS + 1, 2):
        found, resident = until(BEGIN + hour * 3600.0)
        assert found <= blocks * 1.05, f"after {hour} hours: {found} blocks, {blocks} after two"
        assert resident <= pages + MOST_GROWTH_PAGES, f"after {hour} hours: {resident} pages, {pages} after two"
    world.run()
    assert 5.0 <= oldest_s <= STALE_S
    assert world.exits == []
    books = [counts for devices in world.durable_head().ledger.values() for counts in devices.values()]
    assert {name: sum(counts.get(name, 0) for counts in books) for name in {n for c in books for n in c}} == {
        "read": HOURS * 3600 * len(DEVICES),
        "scored": HOURS * 3600 * len(DEVICES),
    }
    told = {
        (event["subject"], event["data"]["ts"])
        for event in (orjson.loads(heard.body) for heard in world.edges.subscriber.heard)
        if event["type"] == "anomaly.sample" and event["data"]["actual"]["current_a"] == STRANGE_A
    }
    first = BEGIN + STRANGE_AFTER_S
    assert told == {
        (device, float(at))
        for n, device in enumerate(DEVICES)
        for at in range(first + n * STRANGE_APART_S, BEGIN + HOURS * 3600, STRANGE_EVERY_S)
    }
