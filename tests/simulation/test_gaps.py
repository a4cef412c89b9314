"""What the stream no longer has, end to end: declared, read from the table, scored in its place, published once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from sim_cases import BEGIN, Calls, Reading, charge, live, rotation, shard, stream
from sim_faults import S3, TABLE
from sim_found import HOUR, anomalies, ledger_totals, messages, undisturbed
from sim_outcome import ARCHIVE, Outcome
from sim_plan import Later, Plan
from sim_script import Script, Shard
from sim_world import World

from scoring.bundle import Bundle

DOWN_S = 25 * HOUR
BELIEVED_S = 70.0
"""It takes a minute until a shard is believed to be trimmed (rule 25), and the horizon goes on meanwhile."""


STRANGE = (301.0, 1010.0, 1011.0, 1012.0, 4000.0, 25.3 * HOUR + 20.0)
"""Seconds of anomalous samples: one before the worker is gone, some while it is, and one when it is back. The stream
has one more still, shortly before the end of the second charge."""


def readings(end: float = 4300.0) -> list[Reading]:
    """Ten minutes of a charge, three short charges while nobody reads, of the second of which (until ``end``) the
    stream then has the end alone, and a last one while someone does."""
    last = end + BELIEVED_S
    return [
        *charge(1.0, 600.0, period_s=5.0, strange=STRANGE),
        *charge(1000.0, 1070.0, strange=STRANGE),
        *charge(3900.0, last, period_s=10.0, strange=[*STRANGE, last - 10.0]),
        *charge(12 * HOUR, 12 * HOUR + 60.0, period_s=2.0),
        *charge(25.3 * HOUR, 25.3 * HOUR + 60.0, strange=STRANGE),
    ]


ONE = [shard()]


ROLLING = rotation([n * 4 * HOUR for n in range(1, 7)])


HALVES = [shard(high=0.5), shard(low=0.5)]


def away(script: Script, bundle: Bundle, *, how: str = "stop", later: Later = Later(), seed: int = 0) -> World:  # noqa: B008
    """A world whose worker is gone for 25 hours, with ten minutes read."""
    plan = Plan(begins=BEGIN + 585.0, downtime_s=(DOWN_S,))
    world = World(script, bundle, plan, seed=seed, later=later)
    world.run(until=lambda w: w.clock.now >= BEGIN + 615.0)
    world.stop() if how == "stop" else world.kill()
    world.plan = replace(plan, downtime_s=(1.0,))
    return world


def silences(world: World) -> list[tuple[str, str]]:
    """When devices fell silent and came back, up to the stream's end: also while nobody watched."""
    found = messages(world, "health.silence")
    within = [event for event in found if datetime.fromisoformat(event["time"]).timestamp() <= world.ends]
    return [(event["time"], event["data"]["state"]) for event in within]


@pytest.mark.parametrize("how", ["stop", "kill"])
@pytest.mark.parametrize("shards", [ONE, ROLLING, HALVES], ids=["one", "rolling", "halves"])
def test_bug_08_25_hours_down(shards: list[Shard], how: str, bundle: Bundle) -> None:
    """Reading resumes at the horizon; the gap is declared with its interval, filled from the table, each sample in it
    scored and archived as if the worker had been there, and closed with what was found; nothing is told twice."""
    script = stream(readings(), shards)
    calm = undisturbed(script, bundle)
    world = away(script, bundle, how=how).run()
    found, expected = Outcome.of(world), Outcome.of(calm)
    assert found.events == expected.events
    assert len([key for key in found.events if key.startswith(ARCHIVE)]) == 5
    assert found.conflicts == ()
    assert found.guesses == 0
    assert anomalies(world) == anomalies(calm)
    assert {event["type"] for event in anomalies(world)} >= {"anomaly.sample", "anomaly.opened", "anomaly.closed"}
    assert silences(world) == silences(calm)
    opened, closed = messages(world, "health.gap")
    assert [opened["data"]["state"], closed["data"]["state"]] == ["opened", "closed"]
    assert BEGIN + 550.0 <= opened["data"]["since"] <= BEGIN + 601.0
    assert BEGIN + 4200.0 <= opened["data"]["until"] <= BEGIN + 4300.0 + BELIEVED_S
    assert closed["data"]["since"] == opened["data"]["since"]
    counts = ledger_totals(world)
    assert found.imbalance == 0
    assert counts["backfilled"] == closed["data"]["count"]
    assert counts["scored"] + counts["backfilled"] == len(script.writes)


def test_bug_08_the_health_is_honest_while_the_gap_is_read(bundle: Bundle) -> None:
    """The table is down for a while: nothing later is told before, and the watermark stands where the gap does."""
    script = stream(readings(), ONE)
    world = away(script, bundle)
    back = BEGIN + 615.0 + DOWN_S
    world.faults.down = (("table down", back, back + 300.0),)
    world.run(until=lambda w: w.clock.now >= back + 290.0)
    assert world.host.lane.watermark < BEGIN + 700.0
    assert [event["data"]["state"] for event in messages(world, "health.gap")] == ["opened"]
    world.run()
    assert Outcome.of(world).events == Outcome.of(undisturbed(script, bundle)).events


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    ("how", "shards", "end"),
    [("stop", HALVES, 4300.0), ("kill", ONE, 4300.0), ("kill", ONE, 4320.0), ("stop", ROLLING, 4300.0)],
)
def test_bug_08_a_crash_at_any_call_while_the_gap_is_read(
    how: str, shards: list[Shard], end: float, moment: str, bundle: Bundle, calls: Calls
) -> None:
    """Whichever S3 call is the last: what the gap brought is in the archive, told once, and its end too."""
    script = stream(readings(end), shards)
    quiet = undisturbed(script, bundle)
    calm, expected = Outcome.of(quiet), anomalies(quiet)
    for call in calls(60):
        world = away(script, bundle, how=how)
        world.faults.crash_at = (S3, world.faults.calls[S3] + call, moment)
        world.run(until=lambda w: w.clock.now > BEGIN + 615.0 + DOWN_S + 60.0)
        if not world.faults.injected["crash"]:
            break
        world.run()
        found = Outcome.of(world)
        assert found.events == calm.events, f"call {call}"
        assert found.conflicts == (), f"call {call}"
        assert found.imbalance == 0
        assert anomalies(world) == expected, f"call {call}"
        gaps = [(e["data"]["since"], e["data"]["state"]) for e in messages(world, "health.gap")]
        assert gaps[:2] == [(gaps[0][0], "opened"), (gaps[0][0], "closed")], f"call {call}"
        # The horizon goes on while nobody reads: that may be a further gap, of seconds, but never the same one again.
        begun = {since for since, _ in gaps}
        assert sorted(gaps) == sorted((since, state) for since in begun for state in ("opened", "closed"))
        assert all(since > BEGIN + 4200.0 for since, _ in gaps[2:]), f"call {call}"
        counts = ledger_totals(world)
        assert counts["scored"] + counts["backfilled"] == len(script.writes), f"call {call}"
    else:
        raise AssertionError("more calls than were tried")


@pytest.mark.parametrize("call", range(1, 9))
def test_bug_08_a_crash_while_the_table_is_read(call: int, bundle: Bundle) -> None:
    """It is read again."""
    script = stream(readings(), ONE)
    world = away(script, bundle)
    world.faults.crash_at = (TABLE, world.faults.calls[TABLE] + call, "before")
    world.run()
    assert Outcome.of(world).events == Outcome.of(undisturbed(script, bundle)).events


def test_rule_19_the_same_sample_met_later_in_the_stream_is_a_duplicate(bundle: Bundle) -> None:
    """The gap reaches a second into what the stream has again: that is read from both, and scored once."""
    script = stream(readings(), ONE)
    counts = ledger_totals(away(script, bundle).run())
    assert counts["duplicate"] >= 1
    assert counts["read"] == counts["scored"] + counts["duplicate"]
    assert counts["scored"] + counts["backfilled"] == len(script.writes)


def test_rule_19_other_values_met_later_in_the_stream_are_no_duplicate(bundle: Bundle) -> None:
    """The table has what was written last; the stream then brings both, each is scored, and the last one stands."""
    script = stream([*readings(), Reading(4220.0 + BELIEVED_S, 4225.0 + BELIEVED_S, current_a=9.5)], ONE)
    world = away(script, bundle).run()
    counts = ledger_totals(world)
    assert "duplicate" not in counts
    assert counts["read"] == counts["scored"]
    assert counts["scored"] + counts["backfilled"] == len(script.writes) + 1
    assert Outcome.of(world).events == Outcome.of(undisturbed(script, bundle)).events


def test_rule_19_deleted_items_cannot_be_seen(bundle: Bundle) -> None:
    """The table's own time to live has taken them: the event says so, and nothing is counted as lost that may have been
    there or not."""
    script = stream(readings(), ONE)
    world = away(script, bundle, later=Later(ttl_s=24.0 * HOUR + 300.0 + BELIEVED_S)).run()
    _, closed = messages(world, "health.gap")
    assert "their number is unknown" in closed["data"]["summary"]
    unseen = len(script.writes) - ledger_totals(world)["scored"] - ledger_totals(world)["backfilled"]
    assert unseen == 70 + 2
    assert closed["data"]["count"] == ledger_totals(world)["backfilled"]
    assert "lost" not in ledger_totals(world)


def test_bug_07_a_shard_deleted_while_its_iterator_is_expired(bundle: Bundle) -> None:
    """What it still held is declared missing and read from the table; the other shard, and what comes after both, is
    read on."""
    first, second = shard(closed=1500.0, high=0.5), shard(low=0.5)
    child = shard(1500.0, parent=first.name, high=0.5)
    script = stream(charge(1.0, 2100.0, period_s=3.0, strange=[301.0, 901.0, 1201.0, 2062.0]), [first, second, child])
    calm = undisturbed(script, bundle)
    for seed in range(4):
        later = Later(deleted={first.name: BEGIN + 1600.0})
        world = World(script, bundle, live(), seed=seed, later=later)
        world.run(until=lambda w: w.clock.now >= BEGIN + 600.0)
        world.host.stall(1200.0)  # nothing is read for 20 minutes: iterators live 15
        world.run()
        found = Outcome.of(world)
        assert found.events == Outcome.of(calm).events
        assert anomalies(world) == anomalies(calm)
        assert (found.conflicts, found.imbalance) == ((), 0)
        opened, closed = messages(world, "health.gap")
        assert [opened["data"]["state"], closed["data"]["state"]] == ["opened", "closed"]
        assert BEGIN + 590.0 <= opened["data"]["since"] <= BEGIN + 601.0
        assert BEGIN + 1500.0 <= opened["data"]["until"] <= BEGIN + 1520.0
        counts = ledger_totals(world)
        assert counts["scored"] + counts["backfilled"] == len(script.writes)
