"""What the stream no longer has, end to end: declared, read from the table, scored in its place, told once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from math import inf
from random import Random
from typing import Any

import orjson
import pytest
from sim_cases import BEGIN, Calls, Reading, charge, rotation, shard, stream, writes
from sim_faults import S3, TABLE
from sim_outcome import ARCHIVE, Outcome
from sim_plan import Later, Plan
from sim_reader import StreamReader
from sim_script import Script, Shard
from sim_script import script as scripted
from sim_stream import Weather
from sim_world import World

from scoring.bundle import Bundle

HOUR = 3600.0
DOWN_S = 25 * HOUR
STRANGE = (301.0, 1010.0, 1011.0, 1012.0, 4000.0, 4290.0, 25.3 * HOUR + 20.0)
"""Seconds of anomalous samples: one before the worker is gone, some while it is, of which the stream has the last one
still, and one when it is back."""


def live(**more: object) -> Plan:
    """A host that is there before the first record, reading from the tip."""
    return Plan(begins=BEGIN - 40.0, calm_until=BEGIN, start="latest", **more)  # type: ignore[arg-type]


def readings() -> list[Reading]:
    """Ten minutes of a charge, three short charges while nobody reads, of the second of which the stream then has the
    end alone, and a last one while someone does."""
    return [
        *charge(1.0, 600.0, period_s=5.0, strange=STRANGE),
        *charge(1000.0, 1070.0, strange=STRANGE),
        *charge(3900.0, 4300.0, period_s=10.0, strange=STRANGE),
        *charge(12 * HOUR, 12 * HOUR + 60.0, period_s=2.0),
        *charge(25.3 * HOUR, 25.3 * HOUR + 60.0, strange=STRANGE),
    ]


def undisturbed(script: Script, bundle: Bundle) -> World:
    """A world where nothing is ever missing: one worker reads all of it from a stream that keeps everything."""
    return World(script, bundle, Plan(begins=BEGIN + 27 * HOUR, weather=Weather(kept_s=inf))).run()


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


def told(world: World, kind: str = "") -> list[Any]:
    """Every message whose type begins so, each once, in order."""
    events = {heard.id: orjson.loads(heard.body) for heard in world.edges.subscriber.heard}
    return [event for event in events.values() if event["type"].startswith(kind)]


def anomalies(world: World) -> list[Any]:
    """The messages about samples and episodes up to the stream's end, without where a sample was met and what may
    differ: runs end at different times after that."""
    found = []
    for event in told(world, "anomaly."):
        if datetime.fromisoformat(event["time"]).timestamp() > world.ends:
            continue
        data = {name: value for name, value in event["data"].items() if name not in ("position", "chart")}
        found.append({**event, "data": data, "sequence": None, "recordedtime": None})
    return found


def silences(world: World) -> list[tuple[str, str]]:
    """When devices fell silent and came back, up to the stream's end: also while nobody watched."""
    found = told(world, "health.silence")
    within = [event for event in found if datetime.fromisoformat(event["time"]).timestamp() <= world.ends]
    return [(event["time"], event["data"]["state"]) for event in within]


def samples(world: World) -> list[Any]:
    """Those about samples."""
    return [event for event in anomalies(world) if event["type"] == "anomaly.sample"]


def books(world: World) -> dict[str, int]:
    """The ledger's totals by class."""
    totals: dict[str, int] = {}
    for head in world.durable_heads():
        for devices in head.ledger.values():
            for counts in devices.values():
                for name, count in counts.items():
                    totals[name] = totals.get(name, 0) + count
    return {name: count for name, count in totals.items() if count}


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
    opened, closed = told(world, "health.gap")
    assert [opened["data"]["state"], closed["data"]["state"]] == ["opened", "closed"]
    assert BEGIN + 550.0 <= opened["data"]["since"] <= BEGIN + 601.0
    assert BEGIN + 4200.0 <= opened["data"]["until"] <= BEGIN + 4300.0
    assert closed["data"]["since"] == opened["data"]["since"]
    counts = books(world)
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
    assert [event["data"]["state"] for event in told(world, "health.gap")] == ["opened"]
    world.run()
    assert Outcome.of(world).events == Outcome.of(undisturbed(script, bundle)).events


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(("how", "shards"), [("stop", HALVES), ("kill", ONE), ("stop", ROLLING)])
def test_bug_08_a_crash_at_any_call_while_the_gap_is_read(
    how: str, shards: list[Shard], moment: str, bundle: Bundle, calls: Calls
) -> None:
    """Whichever S3 call is the last: what the gap brought is in the archive, told once, and its end too."""
    script = stream(readings(), shards)
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
        gaps = [(e["data"]["since"], e["data"]["state"]) for e in told(world, "health.gap")]
        assert gaps[:2] == [(gaps[0][0], "opened"), (gaps[0][0], "closed")], f"call {call}"
        # The horizon goes on while nobody reads: that may be a further gap, of seconds, but never the same one again.
        begun = {since for since, _ in gaps}
        assert sorted(gaps) == sorted((since, state) for since in begun for state in ("opened", "closed"))
        assert all(since > BEGIN + 4200.0 for since, _ in gaps[2:]), f"call {call}"
        counts = books(world)
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
    counts = books(away(script, bundle).run())
    assert counts["duplicate"] >= 1
    assert counts["read"] == counts["scored"] + counts["duplicate"]
    assert counts["scored"] + counts["backfilled"] == len(script.writes)


def test_rule_19_other_values_met_later_in_the_stream_are_no_duplicate(bundle: Bundle) -> None:
    """The table has what was written last; the stream then brings both, each is scored, and the last one stands."""
    script = stream([*readings(), Reading(4220.0, 4225.0, current_a=9.5)], ONE)
    world = away(script, bundle).run()
    counts = books(world)
    assert "duplicate" not in counts
    assert counts["read"] == counts["scored"]
    assert counts["scored"] + counts["backfilled"] == len(script.writes) + 1
    assert Outcome.of(world).events == Outcome.of(undisturbed(script, bundle)).events


def test_rule_19_deleted_items_cannot_be_seen(bundle: Bundle) -> None:
    """The table's own time to live has taken them: the event says so, and nothing is counted as lost that may have been
    there or not."""
    script = stream(readings(), ONE)
    world = away(script, bundle, later=Later(ttl_s=24.0 * HOUR + 300.0)).run()
    _, closed = told(world, "health.gap")
    assert "their number is unknown" in closed["data"]["summary"]
    unseen = len(script.writes) - books(world)["scored"] - books(world)["backfilled"]
    assert unseen == 70 + 2
    assert closed["data"]["count"] == books(world)["backfilled"]
    assert "lost" not in books(world)


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
        opened, closed = told(world, "health.gap")
        assert [opened["data"]["state"], closed["data"]["state"]] == ["opened", "closed"]
        assert BEGIN + 590.0 <= opened["data"]["since"] <= BEGIN + 601.0
        assert BEGIN + 1500.0 <= opened["data"]["until"] <= BEGIN + 1520.0
        counts = books(world)
        assert counts["scored"] + counts["backfilled"] == len(script.writes)


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
def test_bug_20_a_stream_made_anew(at: float, how: str, start: str, bundle: Bundle) -> None:
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
    opened, closed = told(world, "health.gap")
    assert [opened["data"]["state"], closed["data"]["state"]] == ["opened", "closed"]
    assert opened["data"]["since"] <= BEGIN + 281.0
    assert opened["data"]["until"] >= BEGIN + 600.0
    assert "the stream was recreated" in opened["data"]["summary"]
    counts = books(world)
    assert counts["scored"] + counts["backfilled"] == 899
    assert counts["backfilled"] == closed["data"]["count"]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_bug_20_a_crash_at_any_call_after_the_stream_was_made_anew(moment: str, bundle: Bundle, calls: Calls) -> None:
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
        assert [e["data"]["state"] for e in told(world, "health.gap")] == ["opened", "closed"], f"call {call}"
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


def first_start() -> Script:
    """A device that had been charging for a long time, strangely too, when the first worker starts."""
    strange = [650.0, 896.0, 897.0, 899.0, 901.0, 940.0]
    return stream(charge(600.0, 960.0, strange=strange), [shard()])


def test_rule_18_the_windows_are_filled_silently_at_a_first_start(bundle: Bundle) -> None:
    """LATEST: what was before is not told, nor in the archive or the books; what comes is judged by a full window, as a
    worker that had always been there judges it."""
    script = first_start()
    calm = undisturbed(script, bundle)
    for seed in range(6):
        world = World(script, bundle, Plan(begins=BEGIN + 900.0, start="latest"), seed=seed).run()
        first = BEGIN + min(900.0 + 20.0, books_begin(world))
        expected = [event for event in samples(calm) if event["data"]["ts"] >= first]
        assert [e["data"]["revision"] for e in samples(world)] == [0] * len(samples(world))
        assert [e["data"]["ts"] for e in samples(world)] == [e["data"]["ts"] for e in expected]
        assert [e["data"]["scores"] for e in samples(world)] == [e["data"]["scores"] for e in expected]
        assert set(books(world)) == {"read", "scored"}


def books_begin(world: World) -> float:
    """When the first sample counted was written, seconds: all from it on were."""
    return 960.0 - books(world)["scored"]


def test_rule_18_the_first_record_of_a_filled_sample_is_scored_as_new(bundle: Bundle) -> None:
    """The table is read slowly, while a strange sample is written: it is in the windows when its record comes, and is
    told all the same, once, as a first revision."""
    script = first_start()
    down = (("table down", BEGIN + 890.0, BEGIN + 950.0),)
    world = World(script, bundle, Plan(begins=BEGIN + 895.0, start="latest", down=down)).run()
    told_of = {e["data"]["ts"] - BEGIN: e["data"]["revision"] for e in samples(world)}
    assert told_of[901.0] == told_of[940.0] == 0
    assert Outcome.of(world).conflicts == ()


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("edge", [S3, TABLE])
def test_rule_18_a_crash_at_any_call_while_the_windows_are_filled(
    edge: str, moment: str, bundle: Bundle, calls: Calls
) -> None:
    """Whoever comes after fills them too, as they were at the first start: nothing since then is missed, or taken for
    context."""
    script = first_start()
    calm = samples(undisturbed(script, bundle))
    for call in calls(90):
        world = World(script, bundle, Plan(begins=BEGIN + 895.0, start="latest", downtime_s=(30.0,)))
        world.faults.crash_at = (edge, call, moment)
        world.run(until=lambda w: w.clock.now > BEGIN + 912.0)
        if not world.faults.injected["crash"]:
            break
        world.run()
        found = {e["data"]["ts"]: e["data"]["scores"] for e in samples(world)}
        (started,) = {head.started for head in world.durable_heads()}
        expected = {e["data"]["ts"]: e["data"]["scores"] for e in calm if e["data"]["ts"] > started}
        assert {ts: found[ts] for ts in found if ts > started} == expected, f"call {call}"
        assert Outcome.of(world).imbalance == 0
    else:
        raise AssertionError("more calls than were tried")


def test_rule_18_a_successor_fills_the_windows_as_they_were_at_the_first_start(bundle: Bundle) -> None:
    """The first worker dies before the table is read, and nobody comes for 40 minutes: what was written meanwhile is
    read from the stream, and none of it is old beside windows that hold the newest samples already."""
    script = stream(charge(600.0, 4000.0, period_s=10.0, strange=[900.0, 1500.0, 3900.0]), [shard()])
    world = World(script, bundle, Plan(begins=BEGIN + 895.0, start="latest", downtime_s=(2400.0,)))
    world.faults.crash_at = (TABLE, 1, "before")
    world.run()
    counts = books(world)
    assert counts == {"read": counts["scored"], "scored": counts["scored"]}
    assert [e["data"]["ts"] - BEGIN for e in samples(world) if e["data"]["actual"]["current_a"] == 9.0] == [
        900.0,
        1500.0,
        3900.0,
    ]
