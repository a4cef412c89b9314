"""A first start fills its windows from the table (rule 18)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from sim_cases import BEGIN, Calls, charge, shard, stream
from sim_faults import S3, TABLE
from sim_found import anomalies, ledger_totals, undisturbed
from sim_outcome import Outcome
from sim_plan import Plan
from sim_script import Script
from sim_world import World

from consumer.state.head import Head
from scoring.bundle import Bundle


def samples(world: World) -> list[Any]:
    """Those about samples."""
    return [event for event in anomalies(world) if event["type"] == "anomaly.sample"]


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
        assert set(ledger_totals(world)) == {"read", "scored"}


def books_begin(world: World) -> float:
    """When the first sample counted was written, seconds: all from it on were."""
    return 960.0 - ledger_totals(world)["scored"]


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
    counts = ledger_totals(world)
    assert counts == {"read": counts["scored"], "scored": counts["scored"]}
    assert [e["data"]["ts"] - BEGIN for e in samples(world) if e["data"]["actual"]["current_a"] == 9.0] == [
        900.0,
        1500.0,
        3900.0,
    ]


def keyed(script: Script) -> Script:
    """The same stream, of a table keyed by device and time."""
    shards = [replace(each, records=tuple(_keyed(record) for record in each.records)) for each in script.shards]
    writes_ = tuple(replace(write, keys=_device_first(write.keys)) for write in script.writes)
    return replace(script, shards=tuple(shards), writes=writes_, by_name={each.name: each for each in shards})


def _keyed(record: Any) -> Any:
    return {**record, "dynamodb": {**record["dynamodb"], "Keys": _device_first(record["dynamodb"]["Keys"])}}


def _device_first(keys: Mapping[str, Any]) -> dict[str, Any]:
    return {name: keys[name] for name in ("device", "ts")}


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_rule_18_a_table_keyed_by_device_keeps_its_first_windows(how: str, bundle: Bundle) -> None:
    """The first worker ends within its first minute, before a device's first record or after it: whoever comes after
    judges that device's samples by a window that reaches back behind the first start."""
    readings = [
        replace(each, device=name) for each in charge(600.0, 1060.0, strange=[901.0, 926.0, 1040.0]) for name in "ab"
    ]
    late = [each for each in readings if each.device == "a" or not 890.0 < each.ts < 925.0]
    script = keyed(stream(late, [shard()]))
    before = undisturbed(script, bundle)
    calm = samples(before)
    for after in (4.0, 8.0, 20.0, 35.0, 50.0, 66.0, 80.0, 110.0):
        world = World(script, bundle, Plan(begins=BEGIN + 895.0, start="latest", downtime_s=(1.0,)))
        world.run(until=lambda w, at=BEGIN + 895.0 + after: w.clock.now > at)  # type: ignore[misc]
        world.stop() if how == "stop" else world.kill()
        if how == "stop":
            stored = world.edges.bucket.objects
            assert all(Head.decode(stored[key].body).released for key in stored if key.endswith("/head"))
        world.run()
        first = BEGIN + 900.0
        found, expected = (
            {(e["data"]["device"], e["data"]["ts"]): e["data"]["scores"] for e in told if e["data"]["ts"] > first}
            for told in (samples(world), calm)
        )
        assert found == expected, f"after {after} s"
        archives = [Outcome.of(of).events for of in (world, before)]
        assert archives[0] == archives[1], f"after {after} s"
        assert Outcome.of(world).imbalance == 0


def test_rule_18_the_owner_of_a_table_keyed_by_device_keeps_it_while_devices_come(bundle: Bundle) -> None:
    """A stand-by sees it live, also when a device of the first window has its first record a minute later."""
    readings = [replace(each, device=name) for each in charge(600.0, 1060.0, strange=[1040.0]) for name in "ab"]
    late = [each for each in readings if each.device == "a" or not 890.0 < each.ts < 960.0]
    script = keyed(stream(late, [shard()]))
    world = World(script, bundle, Plan(begins=BEGIN + 895.0, start="latest", hosts=2)).run()
    assert world.exits == []
    assert {e["data"]["device"] for e in samples(world)} == {"a", "b"}
