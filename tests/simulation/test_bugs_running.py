"""More failures of other stream consumers, by their numbers in the list of published bugs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import orjson
import pytest
from sim_cases import BEGIN, Reading, charge, live, rotation, shard, stream
from sim_faults import Clock
from sim_outage import Outage
from sim_outcome import Outcome, differences, head_of
from sim_pace import Pace
from sim_plan import Plan
from sim_script import Script
from sim_world import World

from consumer.stream.direct import DirectSource
from consumer.stream.source import Event, ShardEnded
from consumer.worker import worker
from consumer.worker.liveness import LivenessFile
from consumer.worker.worker import EXIT_OK, Worker
from scoring.bundle import Bundle

HOUR_S = 3600.0


def told(world: World, kind: str) -> list[tuple[float, str, float]]:
    """When each message of a type was heard, of which device, and its event time, in seconds after `BEGIN`."""
    found = []
    for heard in world.edges.subscriber.heard:
        event = orjson.loads(heard.body)
        if event["type"] == kind:
            at = event["data"].get("ts", event["data"].get("since"))
            at = at if isinstance(at, float | int) else 0.0
            found.append((heard.at - BEGIN, heard.device, at - BEGIN))
    return found


def many(count: int) -> tuple[Script, str]:
    """That many shards with a sample or two each, every hundredth of which is strange; and one's name."""
    shards = [shard(low=n / count, high=(n + 1) / count, name=f"{n:04d}") for n in range(count)]
    readings = [
        Reading(n * 0.1, current_a=9.0 if n % 100 == 50 else 4.0, place=(n % count + 0.5) / count) for n in range(700)
    ]
    return stream(readings, shards), shards[count // 2].name


@pytest.mark.parametrize("count", [pytest.param(700, marks=pytest.mark.long), 4])
def test_bug_09_of_many_shards_one_that_always_fails_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle, count: int
) -> None:
    """It cannot be read from the start on. All others are read; and as a table keyed by time is told in order, what
    they hold is told when the lane has waited for a minute and may pass it by."""
    script, sick = many(count)
    seen = Outage({sick: (BEGIN - 100.0, BEGIN + 1e6)}).strike(monkeypatch)
    world = World(script, bundle, live(pace=Pace(poll_s=10.0, tick_s=1.0)))
    world.run(until=lambda w: w.clock.now > BEGIN + 150.0)
    others = len(script.writes) - len(script.by_name[sick].records)
    assert seen.read.total() == others
    (devices,) = head_of(world)["ledger"].values()
    assert devices["device4"]["scored"] == others
    strange = {n * 0.1 for n in range(50, 700, 100) if n % count != count // 2}
    assert {round(at, 1) for _, _, at in told(world, "anomaly.sample")} >= {round(at, 1) for at in strange}
    assert head_of(world)["forced"] > 0


def test_bug_09_in_a_catch_up_the_lane_waits_and_says_so(monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> None:
    """What lies far behind is never told out of order: the others are read as far as there is room, nothing is
    guessed, and the worker is not well. Once the shard can be read all is told."""
    script, sick = many(20)
    plan = Plan(begins=BEGIN + HOUR_S, pace=Pace(page=5, credit=100))
    calm = Outcome.of(World(script, bundle, plan).run())
    seen = Outage({sick: (0.0, BEGIN + HOUR_S + 600.0)}).strike(monkeypatch)
    world = World(script, bundle, plan)
    world.run(until=lambda w: w.clock.now > BEGIN + HOUR_S + 500.0)
    assert len(seen.read) == 19
    assert world.host.lane.lagging
    assert head_of(world).get("forced", 0) == 0
    assert told(world, "anomaly.sample") == []
    assert differences(calm, Outcome.of(world.run())) == []


CLOCKS: list[Clock] = []


@pytest.fixture
def liveness(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LivenessFile:
    """What the workers of the world write and the health check reads, by the one clock of the simulation."""
    file = LivenessFile(tmp_path / "liveness", lambda: CLOCKS[-1].now)
    begin = World.__init__

    def noted(self: World, *given: object, **more: object) -> None:
        begin(self, *given, **more)  # type: ignore[arg-type]
        CLOCKS.append(self.clock)

    monkeypatch.setattr(World, "__init__", noted)
    monkeypatch.setattr(worker, "Worker", partial(Worker, observers=[file]))
    return file


def test_bug_10_a_loop_that_is_blocked_fails_the_health_check_within_a_minute(
    bundle: Bundle, liveness: LivenessFile
) -> None:
    """The readers go on reading and the process is there, but the loop does not turn."""
    world = World(stream(charge(1.0, 600.0), [shard()]), bundle, live())
    world.run(until=lambda w: w.clock.now > BEGIN + 100.0)
    well, said = liveness.check()
    assert (well, said.split(",")[0]) == (True, "watching")
    reads = world.edges.stream.calls["records"]
    blocked = world.clock.now
    world.host.turn_due = blocked + 1e5
    world.run(until=lambda w: w.clock.now > blocked + 60.0)
    assert world.edges.stream.calls["records"] > reads
    well, said = liveness.check()
    assert not well
    assert "loop has not turned" in said


def test_bug_10_a_worker_with_nothing_to_read_is_well(bundle: Bundle, liveness: LivenessFile) -> None:
    """A quiet stream for hours is no blocked loop."""
    world = World(stream(charge(1.0, 20.0), [shard()]), bundle, live(pace=Pace(poll_s=20.0, tick_s=10.0)))
    for hour in range(1, 4):
        world.run(until=lambda w, hour=hour: w.clock.now > BEGIN + hour * HOUR_S)
        well, said = liveness.check()
        assert well, said


def test_bug_15_an_acknowledgement_after_the_end_of_the_shard_is_taken(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    """Sinks are slow, so a shard has long ended when its last records are durable: source and lane take that, its
    position stays as long as the stream names it, and no restart reads it again."""
    calls: list[tuple[str, str]] = []
    poll, ack, ended = DirectSource.poll, DirectSource.ack, DirectSource.ended

    def polled(source: DirectSource, timeout_s: float) -> list[Event]:
        events = poll(source, timeout_s)
        calls.extend(("end", event.shard) for event in events if isinstance(event, ShardEnded))
        return events

    def acked(source: DirectSource, shard: str, epoch: int, sequence: str) -> None:
        calls.append(("ack", shard))
        ack(source, shard, epoch, sequence)

    def ended_durably(source: DirectSource, shard: str, epoch: int) -> None:
        calls.append(("ended", shard))
        ended(source, shard, epoch)

    for name, twin in (("poll", polled), ("ack", acked), ("ended", ended_durably)):
        monkeypatch.setattr(DirectSource, name, twin)
    later = [Reading(n * 12.0 * HOUR_S) for n in range(1, 4)]
    script = stream([*charge(1.0, 40.0), *later], rotation([20.0]))
    first = script.shards[0]
    seen = Outage().strike(monkeypatch)
    world = World(script, bundle, live(pace=Pace(latency_s=20.0), downtime_s=(0.0,)))
    world.run(until=lambda w: w.clock.now > BEGIN + 200.0)
    after = [what for what, shard in calls if shard == first.name]
    assert {"ack", "ended"} <= {*after[after.index("end") :]}

    for hours in (12.0, 24.0):
        world.kill()
        world.clock.advance(BEGIN + hours * HOUR_S - world.clock.now - 60.0)
        world.run(until=lambda w, hours=hours: w.clock.now > BEGIN + hours * HOUR_S + 100.0)
        assert head_of(world)["positions"][first.name]["ended"] is True
        assert head_of(world)["positions"][first.name]["sequence"] == first.last_sequence
    world.clock.advance(BEGIN + 36.0 * HOUR_S - world.clock.now - 60.0)
    world.run()
    assert first.name not in head_of(world)["positions"]
    assert seen.read[first.name] == len(first.records)
    assert Outcome.of(world).counts["2023-11-14 device4 scored"] == 39


def test_bug_21_a_drop_to_nothing_is_reported_within_the_silence_limit(bundle: Bundle) -> None:
    """One of two devices goes on sending; then that one stops as well, and nothing arrives any more."""
    readings = [
        *(Reading(float(n), device="stops", current_a=4.0 + n % 7 / 100, place=n % 2 / 2) for n in range(1, 60)),
        *(Reading(n + 0.5, device="goes on", current_a=4.0 + n % 7 / 100, place=n % 3 / 3) for n in range(1, 300)),
    ]
    script = stream(readings, [shard(high=0.5), shard(low=0.5)])
    world = World(script, bundle, live())
    world.run(until=lambda w: w.clock.now > BEGIN + 500.0)
    silent = [(device, at) for at, device, _ in told(world, "health.silence")]
    assert [device for device, _ in silent] == ["stops", "goes on"]
    for (_, at), last in zip(silent, (59.0, 299.5), strict=True):
        assert last + 120.0 <= at <= last + 130.0


@pytest.mark.long
def test_bug_23_a_hundred_restarts_with_devices_that_come_and_go(bundle: Bundle) -> None:
    """Every three hours the worker is started again and three new devices charge for half a minute, each with an
    anomaly. A week in, head and windows are as large as they will be."""
    every_s, devices = 3.0 * HOUR_S, 3
    readings = []
    for start in range(100):
        for n in range(0, 30, 3):
            names = ["stays", *(f"{start:03d}-{k}" for k in range(devices))]
            readings += [
                Reading(start * every_s + n, device=name, current_a=9.0 if n == 21 else 4.0 + n / 100) for name in names
            ]
    script = stream(readings, rotation([12.0 * HOUR_S * n + 600.0 for n in range(1, 25)]))
    plan = live(downtime_s=(every_s - 200.0,), pace=Pace(tick_s=10.0, poll_s=10.0))
    world = World(script, bundle, plan)
    sizes: dict[str, list[int]] = {"/head": [], "/windows": []}
    for start in range(100):
        until = BEGIN + start * every_s + 60.0
        world.run(until=lambda w, until=until: w.clock.now > until and any(w.hosts.values()))
        assert world.stop_all() == [EXIT_OK]
        for kind, found in sizes.items():
            (size,) = (len(s.body) for key, s in world.edges.bucket.objects.items() if key.endswith(kind))
            found.append(size)
        if start < 99:
            world.kill()
    for kind, found in sizes.items():
        week, end = max(found[50:66]), max(found[84:])
        assert end <= 1.1 * week, f"{kind}: {week} bytes after a week, {end} after twelve days"
