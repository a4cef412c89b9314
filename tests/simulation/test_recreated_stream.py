"""A stream that was turned off and recreated: all between the two is a gap."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from sim_cases import BEGIN, Calls, charge, shard, stream, writes
from sim_faults import S3
from sim_found import anomalies, ledger_totals, messages, undisturbed
from sim_outcome import Outcome
from sim_plan import Later, Plan
from sim_reader import StreamReader
from sim_script import Script
from sim_script import script as scripted
from sim_stream import Weather
from sim_world import World

from scoring.bundle import Bundle


def remade() -> tuple[Script, Later]:
    """A stream that is turned off after five minutes and made anew after ten."""
    old = shard(closed=300.0, name="old")
    new = shard(600.0, name="new")
    strange = [101.0, 282.0, 299.0, 301.0, 450.0, 598.0, 602.0, 805.0]
    every = charge(1.0, 900.0, period_s=1.0, strange=strange)
    parts = [[r for r in every if low <= r.ts + 0.1 < high] for low, high in ((0, 300), (300, 600), (600, 900))]
    again = scripted(Random(2), writes(parts[2]), [new], label="2026-01-02T00:00:00.000")
    return stream(parts[0], [old]), Later(remade=((again, BEGIN + 600.0),), unheard=writes(parts[1]))


def anew(
    script: Script, bundle: Bundle, later: Later, *, at: float, how: str, seed: int = 0, start: str = "latest"
) -> World:
    """A world whose worker reads the old stream, and is started again at ``at`` (seconds) on the new one."""
    plan = Plan(begins=BEGIN + 250.0, downtime_s=(at - 280.0,))
    world = World(script, bundle, plan, seed=seed, later=later)
    world.run(until=lambda w: w.clock.now >= BEGIN + 280.0)
    world.stop() if how == "stop" else world.kill()
    world.plan = replace(plan, downtime_s=(1.0,), start=start)  # type: ignore[arg-type]
    return world


def uninterrupted(bundle: Bundle) -> World:
    """The same samples in one stream that was never turned off."""
    strange = [101.0, 282.0, 299.0, 301.0, 450.0, 598.0, 602.0, 805.0]
    return undisturbed(stream(charge(1.0, 900.0, period_s=1.0, strange=strange), [shard()]), bundle)


@pytest.mark.parametrize("how", ["stop", "kill"])
@pytest.mark.parametrize("at", [605.0, 700.0])
@pytest.mark.parametrize("start", ["latest", "trim_horizon"])
def test_bug_20_a_recreated_stream(at: float, how: str, start: str, bundle: Bundle) -> None:
    """It has a new label: a name space of its own, which goes on with windows and episodes of the old one. All between
    the two is a gap, and filled; nothing is skipped, and nothing told twice."""
    script, later = remade()
    calm = uninterrupted(bundle)
    world = anew(script, bundle, later, at=at, how=how, start=start)
    before = len(world.edges.subscriber.heard)
    world.run()
    found = Outcome.of(world)
    labels = {key.split("/")[3] for key in world.edges.bucket.objects if key.endswith("/head")}
    assert labels == {script.label, "2026-01-02T00:00:00.000"}
    assert found.events == Outcome.of(calm).events
    assert anomalies(world) == anomalies(calm)
    assert (found.conflicts, found.imbalance, found.guesses) == ((), 0, 0)
    assert before > 0
    opened, closed = messages(world, "health.gap")
    assert [opened["data"]["state"], closed["data"]["state"]] == ["opened", "closed"]
    assert opened["data"]["since"] <= BEGIN + 281.0
    assert opened["data"]["until"] >= BEGIN + 600.0
    assert "the stream was recreated" in opened["data"]["summary"]
    counts = ledger_totals(world)
    assert counts["scored"] + counts["backfilled"] == 899
    assert counts["backfilled"] == closed["data"]["count"]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_bug_20_a_crash_at_any_call_after_the_stream_was_recreated(moment: str, bundle: Bundle, calls: Calls) -> None:
    """The windows of the old stream stand until the new name space has its own."""
    script, later = remade()
    calm = uninterrupted(bundle)
    for call in calls(60):
        world = anew(script, bundle, later, at=700.0, how="kill")
        world.faults.crash_at = (S3, world.faults.calls[S3] + call, moment)
        world.run(until=lambda w: w.clock.now > BEGIN + 720.0)
        if not world.faults.injected["crash"]:
            break
        world.run()
        found = Outcome.of(world)
        assert found.events == Outcome.of(calm).events, f"call {call}"
        assert anomalies(world) == anomalies(calm), f"call {call}"
        assert (found.conflicts, found.imbalance) == ((), 0), f"call {call}"
        assert [e["data"]["state"] for e in messages(world, "health.gap")] == ["opened", "closed"], f"call {call}"
    else:
        raise AssertionError("more calls than were tried")


def test_rule_14_the_newest_stream_is_the_one_with_the_latest_label(bundle: Bundle) -> None:
    """All of the table's streams are listed, page by page, once they are there."""
    script, later = remade()
    world = World(script, bundle, Plan(begins=BEGIN, weather=Weather(page_shards=1)), later=later)
    reader = StreamReader(world.edges.stream, "someone", world.faults)
    assert [(s.label, s.arn.rsplit("/", 1)[1]) for s in reader.streams(None).streams] == [(script.label, script.label)]
    world.clock.now = BEGIN + 601.0
    first = reader.streams(None)
    second = reader.streams(first.next_arn)
    assert [s.label for page in (first, second) for s in page.streams] == ["2026-01-02T00:00:00.000", script.label]
    assert second.next_arn is None
    assert world.edges.stream.label == "2026-01-02T00:00:00.000"
