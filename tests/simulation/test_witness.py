"""The witness: what a run has hidden, it finds; and of a run that hides nothing it says nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from chaos import Chaos
from sim_bucket import Stored
from sim_cases import BEGIN, Reading, charge, live, shard, stream, writes
from sim_found import ledger_totals, messages
from sim_judge import Judge, Verdict
from sim_outcome import ARCHIVE, QUARANTINE
from sim_plan import Later, Plan
from sim_script import Script
from sim_witness import KINDS, Finding, Witness
from sim_world import World

from scoring.bundle import Bundle

LATE = [Reading(10.0 + n, 1700.0 + n) for n in range(3)]


def watched(script: Script, bundle: Bundle, plan: Plan | None = None, later: Later | None = None) -> World:
    """A run with a witness, to its end."""
    plan = plan or Plan(begins=BEGIN + 2000.0)
    return World(script, bundle, plan, later=later or Later(), witness=Witness()).run()


def kinds(world: World) -> Counter[str]:
    """How much the witness found, by kind."""
    assert world.edges.witness is not None
    return Counter(finding.kind for finding in world.edges.witness.findings(world))


def hour() -> Script:
    """Two charges with a pause of ten minutes, an anomaly in each, late samples and one that is none."""
    spoilt = Reading(150.5, current_a=float("nan"))
    readings = [*charge(1.0, 300.0, strange=[101.0]), *charge(900.0, 1000.0, strange=[951.0])]
    return stream([*readings, *LATE, spoilt], [shard(high=0.5), shard(low=0.5)])


def test_the_witness_is_silent_where_nothing_is_hidden(bundle: Bundle) -> None:
    """Late, quarantined, silent: all of it was said."""
    world = watched(hour(), bundle)
    assert kinds(world) == {}
    assert ledger_totals(world)["late"] == 3
    assert len(messages(world, "health.late")) >= 1
    assert len(messages(world, "health.silence")) >= 2
    assert len(world.edges.bucket.under(QUARANTINE)) == 1


@pytest.mark.parametrize("killed", [90.0, 110.0, 700.0, 960.0])
def test_the_witness_counts_what_is_durable(killed: float, bundle: Bundle) -> None:
    """What a process scored before it was killed counts only if its head was written."""
    world = World(hour(), bundle, live(), witness=Witness())
    world.run(until=lambda w: w.clock.now >= BEGIN + killed)
    world.kill()
    assert kinds(world.run()) == {}


def test_the_witness_finds_what_was_never_read(bundle: Bundle) -> None:
    """The stream never had these: the ledger balances all the same."""
    never = writes([Reading(200.5), Reading(201.5)])
    world = watched(hour(), bundle, later=Later(unheard=never))
    assert kinds(world) == {"lost": 2}
    counts = ledger_totals(world)
    assert counts["read"] == counts["scored"] + counts["late"] + counts["quarantined"]


def test_the_witness_takes_a_declared_gap_for_an_answer(bundle: Bundle) -> None:
    """25 hours down: what was in the table was read from it, and what was deleted there lies in the gap."""
    day = 25 * 3600.0
    readings = [*charge(1.0, 600.0, period_s=5.0), *charge(3900.0, 4000.0), *charge(day + 700.0, day + 760.0)]
    plan = Plan(begins=BEGIN + 585.0, downtime_s=(day,))
    world = World(stream(readings, [shard()]), bundle, plan, later=Later(ttl_s=86_400.0 + 300.0), witness=Witness())
    world.run(until=lambda w: w.clock.now >= BEGIN + 615.0)
    world.kill()
    assert kinds(world.run()) == {}
    assert len(messages(world, "health.gap")) == 2
    world.edges.subscriber.heard = [h for h in world.edges.subscriber.heard if b"health.gap" not in h.body]
    assert kinds(world)["lost"] == 100 - ledger_totals(world)["backfilled"] > 0


def test_the_witness_finds_a_sample_that_a_commit_left_out(bundle: Bundle) -> None:
    """And the values count: a sample that was written again must be scored again."""
    again = [Reading(300.0, 310.0, current_a=5.0)]
    script = stream([*charge(1.0, 320.0), *again], [shard()])
    world = watched(script, bundle)
    assert kinds(world) == {}
    witness = world.edges.witness
    assert witness is not None
    witness.commits = [(at, again, [row for row in rows if row[2] != 5.0]) for at, again, rows in witness.commits]
    assert kinds(world)["lost"] == 1


def test_the_witness_counts_what_was_overwritten(bundle: Bundle) -> None:
    """Every fourth sample is written once more, every eighth with other readings; a worker is killed in between. The
    ledger, which goes by the windows, says the same."""
    first = charge(1.0, 320.0)
    again = [replace(each, written=each.ts + 2.5) for each in first[::4]]
    again[::2] = [replace(each, current_a=each.current_a + 1.0) for each in again[::2]]
    world = World(stream([*first, *again], [shard(high=0.5), shard(low=0.5)]), bundle, live(), witness=Witness())
    world.run(until=lambda w: w.clock.now >= BEGIN + 150.0)
    world.kill()
    assert kinds(world.run()) == {}
    witness = world.edges.witness
    assert witness is not None
    assert witness.overwritten() == {"device4": 40}
    assert ledger_totals(world) == {"read": 399, "scored": 399, "overwritten": 40}


def test_the_witness_finds_late_samples_that_nobody_was_told_of(bundle: Bundle) -> None:
    """The ledger has them: they are silent, not lost."""
    world = watched(hour(), bundle)
    world.edges.subscriber.heard = [h for h in world.edges.subscriber.heard if b"health.late" not in h.body]
    assert kinds(world) == {"silent late": 3, "untold": 1}


def test_the_witness_finds_a_silence_that_was_none(bundle: Bundle) -> None:
    """The device wrote in the middle of it."""
    never = writes([Reading(360.0)])
    world = watched(hour(), bundle, later=Later(unheard=never))
    assert kinds(world) == {"lost": 1, "false silence": 1}


def test_the_witness_finds_episodes_that_contradict_themselves(bundle: Bundle) -> None:
    """One that is closed and was never opened."""
    world = watched(hour(), bundle)
    opened = next(h for h in world.edges.subscriber.heard if b"anomaly.opened" in h.body)
    world.edges.subscriber.heard.remove(opened)
    assert kinds(world) == {"conflicting": 1, "untold": 1}


def test_the_witness_finds_anomalies_that_are_not_in_the_archive(bundle: Bundle) -> None:
    """A line that is missing, or an object."""
    world = watched(hour(), bundle)
    key = min(world.edges.bucket.under(ARCHIVE))
    stored = world.edges.bucket.objects[key]
    lines = stored.body.splitlines(keepends=True)
    world.edges.bucket.objects[key] = Stored(b"".join(lines[1:]), stored.etag, stored.metadata)
    assert kinds(world) == {"unarchived": 1, "untrue": 1}
    del world.edges.bucket.objects[key]
    assert kinds(world) == {"unarchived": len(lines), "untrue": 1}


def test_a_verdict_has_what_the_witness_found(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the promise is broken by it, and chaos counts it."""
    found = [Finding(kind, "something") for kind in KINDS]
    monkeypatch.setattr(Witness, "findings", lambda witness, world: found)
    verdict = Judge(bundle).judge(3)
    assert [said for said in verdict.broken if not said.startswith("undisturbed")] == [str(each) for each in found]
    counted = Chaos()
    for each in found:
        counted.add(Verdict(1, [str(each)]))
    tally = counted.faults["none"]
    assert (tally.lost, tally.conflicting, tally.false_silence, tally.silent_late) == (3, 2, 1, 1)
