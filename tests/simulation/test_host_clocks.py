"""The clock of the worker's machine jumps: commits and heartbeats go on, and nothing is told falsely (rule 27)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import sim_host
from sim_cases import BEGIN, charge, live, shard, stream
from sim_faults import Clock
from sim_found import messages
from sim_outcome import ARCHIVE, Outcome
from sim_world import World

from consumer.worker.host_clock import HostClock
from scoring.bundle import Bundle

STRANGE = [31.0, 62.0, 118.0, 119.0, 205.0, 206.0, 301.0]


def jumping(monkeypatch: pytest.MonkeyPatch, error_s: Callable[[float], float]) -> None:
    """Every part of a host that asks for the time asks a machine whose wall clock is wrong by that much."""

    def of(clock: Clock) -> HostClock:
        return HostClock(lambda: clock.now + error_s(clock.now - BEGIN), clock)

    def asking(part: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given, clock, **more: part(*given, clock=of(clock), **more)

    monkeypatch.setattr(sim_host.worker, "Worker", asking(sim_host.worker.Worker))
    monkeypatch.setattr(sim_host, "DirectSource", asking(sim_host.DirectSource))


def world(bundle: Bundle) -> World:
    readings = charge(1.0, 360.0, strange=STRANGE)
    return World(stream(readings, [shard(high=0.5), shard(low=0.5)]), bundle, live())


@pytest.mark.parametrize(("first_s", "then_s"), [(600.0, 0.0), (-600.0, 0.0), (-600.0, -600.0)])
def test_bug_33_a_wall_clock_that_jumps_stops_nothing(
    first_s: float, then_s: float, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For half a minute, or for good. The head is written as often as before; messages and archive are the same, but
    for the word about the clock."""
    calm = world(bundle).run()
    with monkeypatch.context() as machine:
        jumping(machine, lambda at: 0.0 if at < 100.0 else first_s if at < 130.0 else then_s)
        found = world(bundle)
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
