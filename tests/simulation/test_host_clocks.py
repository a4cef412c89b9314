"""The clock of the worker's machine jumps: commits and heartbeats go on, and nothing is told falsely (rule 27)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from sim_cases import BEGIN, charge, live, shard, stream
from sim_clocks import ClockFault
from sim_found import messages
from sim_outcome import ARCHIVE, Outcome
from sim_world import World

from scoring.bundle import Bundle

STRANGE = [31.0, 62.0, 118.0, 119.0, 205.0, 206.0, 301.0]


def world(bundle: Bundle, *jumps: tuple[float, float]) -> World:
    """A machine whose wall clock jumps then, by so much."""
    readings = charge(1.0, 360.0, strange=STRANGE)
    clocks = {0: ClockFault(jumps=tuple((BEGIN + at, by_s) for at, by_s in jumps))}
    return World(stream(readings, [shard(high=0.5), shard(low=0.5)]), bundle, live(clocks=clocks))


@pytest.mark.parametrize(("first_s", "then_s"), [(600.0, 0.0), (-600.0, 0.0), (-600.0, -600.0)])
def test_bug_33_a_wall_clock_that_jumps_stops_nothing(first_s: float, then_s: float, bundle: Bundle) -> None:
    """For half a minute, or for good. The head is written as often as before; messages and archive are the same, but
    for the word about the clock."""
    calm = world(bundle).run()
    found = world(bundle, (100.0, first_s), (130.0, then_s - first_s))
    beats = []
    for at in range(20, 360, 20):
        found.run(until=lambda w, at=at: w.clock.now >= BEGIN + at)  # type: ignore[misc]
        beats.append(found.host.commits)
    found.run()
    assert min(after - before for before, after in pairwise(beats)) >= 2
    assert found.exits == []
    assert found.edges.bucket.under(ARCHIVE) == calm.edges.bucket.under(ARCHIVE)
    assert Outcome.of(found).imbalance == 0
    told = [event["data"]["offset_s"] for event in messages(found, "health.host_clock")]
    assert [round(offset) for offset in told] == ([first_s] if first_s == then_s else [first_s, then_s - first_s])
    assert [e["id"] for e in messages(found) if e["type"] != "health.host_clock"] == [e["id"] for e in messages(calm)]
