"""Clocks that are wrong, and are set: a device is never blind for it (rule 2)."""

from __future__ import annotations

import pytest
from sim_cases import BEGIN, Reading, shard, stream
from sim_outcome import Outcome, differences
from sim_plan import Plan
from sim_world import World

from scoring.bundle import Bundle

HOUR = 3600.0


@pytest.mark.parametrize(("before", "after"), [(HOUR, 0.0), (0.0, -2 * HOUR), (HOUR, -HOUR), (-HOUR, 0.0)])
def test_rule_02_a_clock_that_is_set_makes_nobody_blind(before: float, after: float, bundle: Bundle) -> None:
    """Right after having been wrong, or wrong after having been right: some seconds later the device is scored on its
    clock, although its window holds times that never come again. Whenever the worker is killed."""
    times = range(1, 240, 3)
    readings = [
        Reading(t + (before if t < 100 else after), t + 0.1, current_a=9.0 if t in (52, 202) else 4.0 + t % 7 / 50)
        for t in map(float, times)
    ]
    script = stream(readings, [shard()])
    plan = Plan(begins=BEGIN - 40.0, calm_until=BEGIN, start="latest", downtime_s=(0.0,))
    calm = Outcome.of(World(script, bundle, plan).run())
    counts = {name.rsplit(" ", 1)[1]: count for name, count in calm.counts.items()}
    assert counts["scored"] >= len(readings) - 2 * 5
    lines = b"".join(calm.events.values())
    assert f'"ts":{BEGIN + 202.0 + after!r}'.encode() in lines
    for moment in (30.0, 103.0, 112.0, 150.0, 203.0):
        world = World(script, bundle, plan)
        world.run(until=lambda w, at=BEGIN + moment: w.clock.now >= at)
        world.kill()
        assert differences(calm, Outcome.of(world.run())) == [], f"killed after {moment} s"
