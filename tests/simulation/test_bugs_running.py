"""More failures of other stream consumers, by their numbers in the list of published bugs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial, wraps
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from sim_bucket import Bucket, BucketClient
from sim_bundle import ArithmeticBundles
from sim_cases import BEGIN, Reading, charge, rotation, shard, stream
from sim_edges import BUCKET
from sim_faults import Clock, Faults
from sim_host import NoCharts
from sim_outage import Outage
from sim_outcome import Outcome, differences, head_of
from sim_pace import Pace
from sim_plan import Plan
from sim_reader import StreamReader
from sim_script import Script
from sim_stream import SimulatedStream, Weather
from sim_topic import Subscriber, TopicClient
from sim_world import World
from worker_twins import background

from consumer.outgoing.outbox import Reporting
from consumer.state.committer import Committer, Sinks
from consumer.state.ownership import Claimant
from consumer.state.store import Stores
from consumer.stream import direct, discovery
from consumer.stream.client import Listing
from consumer.stream.direct import DirectSource
from consumer.stream.discovery import StartPoint
from consumer.stream.records import Decoder, NameTables
from consumer.stream.source import Event, Failed, Position, ShardBatch, ShardEnded, ShardOpened
from consumer.worker import worker
from consumer.worker.lane_bundles import LaneBundles
from consumer.worker.lane_opener import LaneOpener, LaneSetup
from consumer.worker.lanes import TABLE_LANE, Lanes
from consumer.worker.liveness import LivenessFile
from consumer.worker.owned_lane import OwnedLane
from consumer.worker.worker import EXIT_FAILED, EXIT_OK, Worker
from reporting.contract.events import ChartLink
from reporting.sinks.archive import Archive
from reporting.sinks.topic import Topic
from scoring.bundle import Bundle
from window.samples import Names

HOUR_S = 3600.0


def live(**more: object) -> Plan:
    """A host that is there before the first record, reading from the tip."""
    return Plan(begins=BEGIN - 40.0, calm_until=BEGIN, start="latest", **more)  # type: ignore[arg-type]


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


# 9


def many(count: int) -> tuple[Script, str]:
    """That many shards with a sample or two each, every hundredth of which is strange; and one's name."""
    shards = [shard(low=n / count, high=(n + 1) / count, name=f"{n:04d}") for n in range(count)]
    readings = [
        Reading(n * 0.1, current_a=9.0 if n % 100 == 50 else 4.0, place=(n % count + 0.5) / count) for n in range(700)
    ]
    return stream(readings, shards), shards[count // 2].name


@pytest.mark.parametrize("count", [700, 4])
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


# 10


@pytest.fixture
def liveness(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LivenessFile:
    """What the workers of the world write and the health check reads."""
    file = LivenessFile(tmp_path / "liveness")
    monkeypatch.setattr(worker, "Worker", partial(Worker, observers=[file]))
    return file


def test_bug_10_a_loop_that_is_blocked_fails_the_health_check_within_a_minute(
    bundle: Bundle, liveness: LivenessFile
) -> None:
    """The readers go on reading and the process is there, but the loop does not turn."""
    world = World(stream(charge(1.0, 600.0), [shard()]), bundle, live())
    world.run(until=lambda w: w.clock.now > BEGIN + 100.0)
    well, said = liveness.check(world.clock.now)
    assert (well, said.split(",")[0]) == (True, "watching")
    reads = world.edges.stream.calls["records"]
    blocked = world.clock.now
    world.host.turn_due = blocked + 1e5
    world.run(until=lambda w: w.clock.now > blocked + 60.0)
    assert world.edges.stream.calls["records"] > reads
    well, said = liveness.check(blocked + 60.0)
    assert not well
    assert "loop has not turned" in said


def test_bug_10_a_worker_with_nothing_to_read_is_well(bundle: Bundle, liveness: LivenessFile) -> None:
    """A quiet stream for hours is no blocked loop."""
    world = World(stream(charge(1.0, 20.0), [shard()]), bundle, live(pace=Pace(poll_s=20.0, tick_s=10.0)))
    for hour in range(1, 4):
        world.run(until=lambda w, hour=hour: w.clock.now > BEGIN + hour * HOUR_S)
        well, said = liveness.check(world.clock.now)
        assert well, said


# 15


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


# 19


@dataclass(slots=True)
class Interrupted:
    """The stream calls, which wait for the stop to begin in the middle of one listing."""

    calls: StreamReader
    listing: int
    reached: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)
    listed: int = 0

    def describe(self, after_shard: str | None) -> Listing:
        self.listed += 1
        page = self.calls.describe(after_shard)
        if self.listed == self.listing:
            self.reached.set()
            self.stopping.wait(5.0)
        return page

    def __getattr__(self, name: str) -> Any:
        return getattr(self.calls, name)


def source_of(streams: Any, positions: dict[str, Position], clock: Clock, threads: int) -> DirectSource:
    """A source that begins at these positions, or with all that the stream keeps."""
    decoder = Decoder(table="device4", device_key="device", devices=Names(), shards=Names())
    return DirectSource(streams, decoder, StartPoint(positions, "trim_horizon"), clock=clock, threads=threads)


def allow(source: DirectSource, events: list[Event]) -> list[Event]:
    """Give credit to the shards that were opened; returns the events."""
    for event in events:
        if isinstance(event, ShardOpened):
            source.credit(event.shard, event.epoch, 1000)
    return events


def reached(events: list[Event]) -> dict[str, Position]:
    """How far these events go, by shard."""
    found: dict[str, Position] = {}
    for event in events:
        match event:
            case ShardOpened():
                found.setdefault(event.shard, Position(None))
            case ShardBatch() if len(event.sequence):
                found[event.shard] = Position(str(event.sequence[-1]))
            case ShardEnded():
                found[event.shard] = Position(found[event.shard].sequence, ended=True)
    return found


def test_bug_19_stopped_in_the_middle_of_a_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand seeds, with threads: credit is given and the source stopped while another thread changes the map of
    shards. No reader dies of it or stays behind, and whoever goes on from what was delivered reads the rest, once."""
    monkeypatch.setattr(direct, "POLL_S", 0.001)
    monkeypatch.setattr(discovery, "EAGER_S", 0.001)
    shards = [
        each
        for low in (0.0, 0.5)
        for first in [shard(-60.0, 10.0, low=low, high=low + 0.5)]
        for each in (first, shard(10.0, parent=first.name, low=low, high=low + 0.5))
    ]
    script = stream(charge(1.0, 20.0), shards)
    for seed in range(1000):
        rng, clock = Random(seed), Clock(BEGIN + 60.0)
        weather = Weather(page_shards=rng.choice([1, 2, 3]), short_pages=rng.choice([0.0, 0.5]))
        twin = SimulatedStream(script, clock, weather, seed)
        faults = Faults(rng, clock)
        calls = Interrupted(StreamReader(twin, "first", faults), rng.randrange(1, 8))
        source = source_of(calls, {}, clock, threads=2)
        source.begin()
        events: list[Event] = []
        while not calls.reached.is_set():
            events += allow(source, source.poll(0.001))
        calls.stopping.set()
        source.quiesce(5.0)
        assert not any(thread.name.startswith("reader") for thread in threading.enumerate()), f"seed {seed}"
        assert not any(isinstance(event, Failed) for event in [*events, *source.poll(0.0)]), f"seed {seed}"
        events += all_of(source_of(StreamReader(twin, "second", faults), reached(events), clock, threads=0))
        check_complete(script, events, seed)


def all_of(source: DirectSource) -> list[Event]:
    """All that a source delivers until nothing more comes."""
    events: list[Event] = []
    now, quiet = 0.0, 0
    for _ in range(400):
        if quiet >= 12:
            return events
        wake = source.step(now)
        found = allow(source, source.poll(0.0))
        events += found
        empty = all(isinstance(event, ShardBatch) and not len(event.samples) for event in found)
        quiet = quiet + 1 if empty and events else 0
        now = max(wake, now + 0.02)
    raise AssertionError("it does not come to an end")


def check_complete(script: Script, events: list[Event], seed: int) -> None:
    """Every record once, in order; no child before its parent's end."""
    read: dict[str, list[int]] = {s.name: [] for s in script.shards}
    done: set[str] = set()
    for event in events:
        if isinstance(event, ShardBatch):
            read[event.shard] += [int(s) for s in event.sequence]
        elif isinstance(event, ShardEnded):
            done.add(event.shard)
        elif isinstance(event, ShardOpened):
            parent = script.by_name[event.shard].parent
            assert parent is None or parent in done, f"seed {seed}"
    assert read == {s.name: [*s.sequences] for s in script.shards}, f"seed {seed}"


# 21


def test_bug_21_a_drop_to_nothing_is_told_within_the_silence_limit(bundle: Bundle) -> None:
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


# 23


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


# 25


class Fault(Exception):
    """A bug of our own, or a machine that ran out of memory."""


def failing_once(monkeypatch: pytest.MonkeyPatch, where: str, call: int, *, after: bool) -> list[int]:
    """Have a function fail at one of its calls, before or after its effect; returns a list that counts the calls."""
    owner, name = where.rsplit(".", 1)
    module, cls = owner.rsplit(".", 1)
    target = getattr(__import__(module, fromlist=[cls]), cls)
    made = getattr(target, name)
    calls: list[int] = []

    @wraps(made)
    def fails(*args: Any, **more: Any) -> Any:
        calls.append(len(calls) + 1)
        if len(calls) == call and not after:
            raise Fault(where)
        answer = made(*args, **more)
        if len(calls) == call:
            raise Fault(where)
        return answer

    monkeypatch.setattr(target, name, fails)
    return calls


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "where",
    [
        "consumer.stream.records.Decoder.page",
        "consumer.intake.shards.Shards.take",
        "window.merge.Merge.release",
        "scoring.scorer.Scorer.take",
        "reporting.health.watch.Watch.apply",
        "consumer.state.ledger.Ledger.classed",
        "consumer.outgoing.outbox.LaneOutbox.emit",
        "reporting.anomaly.evidence.Evidence.message",
        "consumer.intake.shards.Shards.move_past",
    ],
)
def test_bug_25_a_fault_while_processing_skips_no_record(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle, where: str, after: bool
) -> None:
    """Whatever raises, and wherever: the worker stops, and the next one leaves what an undisturbed one would have."""
    script = stream(charge(1.0, 90.0, strange=[30.0, 31.0, 60.0]), rotation([40.0]))
    calm = Outcome.of(World(script, bundle, live()).run())
    for call in (2, 3, 5, 8, 12, 31, 62):
        with monkeypatch.context() as patched:
            failing_once(patched, where, call, after=after)
            world = World(script, bundle, live(downtime_s=(0.0,)))
            try:
                world.run()
            except Fault:
                world.host.worker.stop(EXIT_FAILED)
                world.kill()
                world.run()
            found = Outcome.of(world)
        assert differences(calm, found) == [], f"call {call}"


def test_bug_25_a_page_that_cannot_be_decoded_ends_the_worker_and_not_the_record(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    """With the threads of a real worker: the fault becomes an event, the exit code is 1, and the next worker scores
    every record once."""
    script = stream(charge(1.0, 100.0, strange=[30.0]), rotation([50.0]))
    clock = Clock(BEGIN + 120.0)
    twin = SimulatedStream(script, clock, Weather(short_pages=0.8))
    bucket, subscriber = Bucket(), Subscriber()
    monkeypatch.setattr(direct, "POLL_S", 0.01)
    monkeypatch.setattr(discovery, "EAGER_S", 0.01)
    monkeypatch.setattr(discovery, "DISCOVER_S", 0.1)
    with monkeypatch.context() as patched:
        failing_once(patched, "consumer.stream.records.Decoder.page", 3, after=False)
        code, failed, _ = worked(twin, bucket, subscriber, bundle, clock, records=100)
    assert code == EXIT_FAILED
    assert [event.reason for event in failed] == ["reader failed: Fault('consumer.stream.records.Decoder.page')"]
    code, failed, days = worked(twin, bucket, subscriber, bundle, clock, records=99)
    assert (code, failed) == (EXIT_OK, [])
    assert days == {"2023-11-14": {"device4": {"read": 99, "scored": 99}}}
    assert orjson.loads(subscriber.heard[0].body)["data"]["ts"] == BEGIN + 30.0


def worked(
    twin: SimulatedStream, bucket: Bucket, subscriber: Subscriber, bundle: Bundle, clock: Clock, *, records: int
) -> tuple[int, list[Failed], Any]:
    """A real worker with its threads over simulated edges, until it has processed that many records or stops by
    itself: its exit code, the faults its source told of, and its books."""
    s3 = BucketClient(bucket, faults := Faults(Random(1), clock))
    names = NameTables(Names(), Names())
    to = Reporting("urn:battery-watch:device4", "device4", BUCKET, "battery-reports", _link, publish="both")
    opener = LaneOpener(
        Stores(s3, s3, BUCKET),  # type: ignore[arg-type]
        "state/test/device4/label",
        Claimant(f"worker {len(bucket.writes)}", clock),
        LaneBundles(bundle, ArithmeticBundles(s3, BUCKET, "test")),  # type: ignore[arg-type]
        LaneSetup(to, names),
    )
    clock.advance(60.0)  # whoever was before is silent for long enough
    opened = opener.open(TABLE_LANE, wait=lambda _: True)
    assert opened is not None
    decoder = Decoder(table="device4", device_key="device", devices=names.devices, shards=names.shards)
    source = DirectSource(
        StreamReader(twin, f"threads {len(bucket.writes)}", faults),
        decoder,
        StartPoint(opener.positions, "trim_horizon"),
        clock=clock,
        threads=2,
    )
    failed: list[Failed] = []
    poll = source.poll
    source.poll = lambda timeout_s: _noted(poll(timeout_s), failed)  # type: ignore[method-assign]
    topic = Topic(TopicClient(subscriber, faults), "arn")  # type: ignore[arg-type]
    sinks = Sinks(opened.store, Archive(s3, BUCKET), (topic,))  # type: ignore[arg-type]
    committer = Committer(sinks, head=opened.head, clock=clock)
    lanes = Lanes(one_lane=True, table=OwnedLane(opened.lane, committer), open_lane=_none)
    code = Worker(lanes, source, background(lanes, NoCharts()), clock=clock).run(_Until(opened.lane.ledger, records))  # type: ignore[arg-type]
    source.poll(0.0)
    return code, failed, opened.lane.ledger.days


class _Until:
    """An event that is set once so many records are in the books."""

    def __init__(self, ledger: Any, records: int) -> None:
        self._ledger = ledger
        self._records = records

    def is_set(self) -> bool:
        days = self._ledger.days.values()
        return sum(counts.get("read", 0) for devices in days for counts in devices.values()) >= self._records


def _noted(events: list[Event], failed: list[Failed]) -> list[Event]:
    failed += [event for event in events if isinstance(event, Failed)]
    return events


def _none(name: str) -> OwnedLane:
    raise AssertionError(name)


def _link(key: str) -> ChartLink:
    return ChartLink.model_validate(
        {"bucket": BUCKET, "key": key, "url": f"https://links/{key}", "expires": "2100-01-01T00:00:00Z"}
    )
