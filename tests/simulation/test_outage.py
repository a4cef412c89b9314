"""A sink that fails for minutes: nothing is lost, the order stays, and what comes late is called so."""

from __future__ import annotations

from datetime import datetime

import orjson
import pytest
from sim_cases import BEGIN, charge, shard, stream
from sim_outcome import Outcome, differences
from sim_plan import Plan
from sim_world import World

from reporting.message import Publish
from reporting.sinks.topic import STALE_S
from scoring.bundle import Bundle

DOWN = (BEGIN + 100.0, BEGIN + 1300.0)


@pytest.mark.parametrize("publish", ["episodes", "both"])
@pytest.mark.parametrize("edge", ["sns down", "s3 down"])
def test_a_sink_down_for_minutes_delays_and_marks_and_loses_nothing(
    bundle: Bundle, edge: str, publish: Publish
) -> None:
    """Twenty minutes, in which an episode opens, goes on and is closed, and another begins; the worker is killed too.
    Afterwards the messages are those of the undisturbed run in its order, none of them twice but for the kill. Those
    that are more than ten minutes old by then are marked so, and their bodies are what they would have been."""
    strange = [*(float(t) for t in range(90, 460, 10)), *(float(t) for t in range(1000, 1450, 20))]
    script = stream(charge(0.0, 1600.0, period_s=5.0, strange=strange), [shard(high=0.5), shard(low=0.5)])
    live = Plan(begins=BEGIN - 40.0, calm_until=BEGIN, start="latest")
    calm = World(script, bundle, live)
    calm.edges.publish = publish
    expected = Outcome.of(calm.run())
    assert not any(each.stale for each in calm.edges.subscriber.heard)

    down = Plan(begins=live.begins, calm_until=BEGIN, start="latest", down=((edge, *DOWN),), downtime_s=(5.0,))
    world = World(script, bundle, down)
    world.edges.publish = publish
    world.run(until=lambda w: w.clock.now >= DOWN[0] + 700.0)
    world.kill()
    found = Outcome.of(world.run())
    assert differences(expected, found) == []
    heard = world.edges.subscriber.heard
    late = [each for each in heard if each.at - when(each.body) > STALE_S]
    assert len({each.id for each in late}) >= 2
    assert [each for each in heard if each.stale] == late
    kinds = {orjson.loads(each.body)["type"] for each in heard}
    assert kinds >= {"anomaly.opened", "anomaly.ongoing", "anomaly.closed"}
    assert len(heard) - len({each.id for each in heard}) <= 50


def when(body: bytes) -> float:
    """The event time."""
    return datetime.fromisoformat(orjson.loads(body)["time"]).timestamp()
