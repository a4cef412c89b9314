"""The rules of order, by their numbers, as far as they can be shown at this seam."""

from __future__ import annotations

from random import Random

import orjson
import pytest
import sim_turns
from sim_cases import BEGIN, Reading, charge, live, rotation, shard, stream
from sim_outcome import QUARANTINE, Outcome, differences
from sim_pace import Pace
from sim_plan import Plan
from sim_script import Script, Write
from sim_script import script as scripted
from sim_world import EXIT_FENCED, World

from scoring.bundle import Bundle

STALE_S, LOOK_S = 15.0, 2.0


@pytest.fixture
def halves() -> Script:
    """Two shards that share a device's samples, some of them anomalous."""
    return stream(charge(1.0, 120.0, strange=[30.0, 31.0, 75.0]), [shard(high=0.5), shard(low=0.5)])


def test_rule_02_classes_use_only_the_record(bundle: Bundle) -> None:
    """Read at once or two hours later, a record has the same class."""
    readings = [
        *charge(1.0, 20.0),
        Reading(-2000.0, 21.0),
        Reading(1000.0, 22.0),
        Reading(23.0, temperature_c=600.0),
        *charge(30.0, 40.0),
    ]
    script = stream(readings, [shard(-7200.0)])
    early, late = (Outcome.of(World(script, bundle, plan).run()) for plan in (live(), Plan(begins=BEGIN + 7200.0)))
    assert early.counts == late.counts
    totals = {name.rsplit(" ", 1)[1]: count for name, count in early.counts.items()}
    assert totals == {"scored": 29, "late": 1, "quarantined": 2}


def test_rule_04_pages_and_batches_change_nothing(halves: Script, bundle: Bundle) -> None:
    """One record a page or all in one."""
    paces = (Pace(page=1, credit=2), Pace(page=7, credit=7), Pace())
    first, *rest = (Outcome.of(World(halves, bundle, Plan(begins=BEGIN + 121.0, pace=pace)).run()) for pace in paces)
    for found in rest:
        assert differences(first, found, types=("anomaly.",)) == []


def test_rule_05_nothing_is_released_before_every_shard_has_spoken(halves: Script, bundle: Bundle) -> None:
    """Any seeded order of reading the two shards gives the same outcome, and no promise is broken."""
    found = [Outcome.of(World(halves, bundle, live(), seed=seed).run()) for seed in range(6)]
    assert [outcome.guesses for outcome in found] == [0] * 6
    for outcome in found[1:]:
        assert differences(found[0], outcome) == []


def test_rule_10_a_message_leaves_after_the_head_that_promises_it(halves: Script, bundle: Bundle) -> None:
    """Whenever something is heard, the head in the bucket has it in its outbox, or had."""
    world = World(halves, bundle, live())
    promised: set[str] = set()
    while not world.all_durable():
        steps = world.steps
        world.run(until=lambda w, steps=steps: w.steps > steps)
        for key, stored in world.edges.bucket.objects.items():
            if key.endswith("/head"):
                promised |= {
                    message["id"] for message in orjson.loads(stored.body).get("outbox", {}).get("messages", [])
                }
        assert {heard.id for heard in world.edges.subscriber.heard} <= promised
    assert promised


def test_rule_12_a_write_that_timed_out_but_was_written_is_no_foreign_writer(halves: Script, bundle: Bundle) -> None:
    """The head is read, its writer is known: nobody is fenced."""
    rates = {"s3 time-out though written": 0.3, "s3 412 though written": 0.2}
    world = World(halves, bundle, live(rates=rates, calm_from=BEGIN + 120.0)).run()
    assert world.faults.injected.total() > 10
    assert world.exits == []


def test_rule_13_a_second_worker_stands_by(halves: Script, bundle: Bundle) -> None:
    """One works, one waits: nobody is fenced, nothing is said twice."""
    world = World(halves, bundle, live(hosts=2)).run()
    assert world.exits == []
    assert sum(host is not None for host in world.hosts.values()) == 1
    ids = [heard.id for heard in world.edges.subscriber.heard]
    assert len(ids) == len(set(ids))


def test_rule_13_the_stand_by_takes_over_within_20_s(halves: Script, bundle: Bundle) -> None:
    """Killed without a word: the other one owns the lane when the heartbeat is stale."""
    world = World(halves, bundle, live(hosts=2, downtime_s=(10_000.0,)))
    world.run(until=lambda w: w.clock.now > BEGIN + 40.0)
    killed = world.clock.now
    world.kill()
    world.run(until=lambda w: any(w.hosts.values()))
    assert world.clock.now - killed <= STALE_S + LOOK_S + 3.0


def test_rule_13_a_worker_that_slept_through_its_replacement_stops(halves: Script, bundle: Bundle) -> None:
    """It wakes up fenced: its exit code is 75, and what it had in hand is said by its successor."""
    world = World(halves, bundle, live(hosts=2))
    world.run(until=lambda w: w.clock.now > BEGIN + 60.0)
    world.host.stall(70.0)
    world.run(until=lambda w: EXIT_FENCED in w.exits)


def test_rule_14_state_lies_under_namespace_table_and_label(halves: Script, bundle: Bundle) -> None:
    """Two of anything never share it."""
    world = World(halves, bundle, live(), namespace="blue").run()
    keys = {key for key in world.edges.bucket.objects if key.startswith("state/")}
    (prefix,) = {key.rsplit("/", 1)[0] for key in keys if not key.startswith("state/blue/bundles/")}
    assert prefix.startswith(f"state/blue/device4/{halves.label}/")


def test_rule_15_silence_is_noticed_while_nothing_arrives(bundle: Bundle) -> None:
    """Two minutes after the last sample, give or take the slack of idle promises."""
    world = World(stream(charge(1.0, 60.0), [shard()]), bundle, live())
    world.run(until=lambda w: w.clock.now > BEGIN + 200.0)
    told = [heard for heard in world.edges.subscriber.heard if orjson.loads(heard.body)["type"] == "health.silence"]
    assert [59.0 + 120.0 <= heard.at - BEGIN <= 59.0 + 130.0 for heard in told] == [True]


def test_rule_15_a_full_stream_after_a_restart_fires_nothing(bundle: Bundle) -> None:
    """An hour of records waits; the device never was silent."""
    script = stream(charge(1.0, 3600.0, period_s=30.0), rotation([900.0, 1800.0]))
    world = World(script, bundle, Plan(begins=BEGIN + 3590.0, pace=Pace(page=5, credit=20))).run()
    assert Outcome.of(world).messages.get("device4", []) == []


def test_rule_20_the_ledger_balances_and_lies_in_the_bucket(bundle: Bundle) -> None:
    """After a stop in order they say what the head says, and every record has one class."""
    changes = [
        Write(BEGIN + 5.0, "INSERT", {"ts": {"N": "1"}}, {"ts": {"N": f"{BEGIN + 5:.0f}"}}, "quarantined", "a"),
        Write(BEGIN + 6.0, "REMOVE", {"ts": {"N": f"{BEGIN + 1:.0f}"}}, None, "ignored", "b"),
    ]
    samples = stream(charge(10.0, 30.0), [shard()]).writes
    script = scripted(Random(5), [*changes, *samples], [shard()])
    world = World(script, bundle, live()).run()
    assert world.stop_all() == [0]
    books = [orjson.loads(body) for body in world.edges.bucket.under("battery-ledger/").values()]
    devices = {name: counts for book in books for name, counts in book["devices"].items()}
    assert {name: {k: v for k, v in counts.items() if v} for name, counts in devices.items()} == {
        "device4": {"read": 22, "scored": 20, "quarantined": 1, "ignored": 1}
    }


def test_rule_21_the_quarantine_says_why_and_holds_the_record(bundle: Bundle) -> None:
    """No clock in it: the key is the record's own day, shard and sequence number."""
    script = stream([Reading(1.0), Reading(2.0, temperature_c=900.0), Reading(3.0)], [shard()])
    world = World(script, bundle, live()).run()
    ((key, body),) = world.edges.bucket.under(QUARANTINE).items()
    only = script.shards[0]
    assert key == f"battery-quarantine/dt=2023-11-14/{only.name}-{only.sequences[1]}.json"
    said = orjson.loads(body)
    assert "temperature 900" in said["reason"]
    assert said["record"] == only.records[1]


@pytest.mark.parametrize("goes_on", [0.0, 0.5])
def test_rule_26_where_a_turn_ends_changes_no_output(
    monkeypatch: pytest.MonkeyPatch, halves: Script, bundle: Bundle, goes_on: float
) -> None:
    """After every piece of work, or anywhere: archive, messages and accounts are those of turns that go to the end."""
    monkeypatch.setattr(sim_turns, "GOES_ON", 1.0)
    calm = Outcome.of(World(halves, bundle, live()).run())
    monkeypatch.setattr(sim_turns, "GOES_ON", goes_on)
    for seed in range(3):
        assert differences(calm, Outcome.of(World(halves, bundle, live(), seed=seed).run())) == []
