"""Published bug 25: a fault in the middle of the processing skips no record."""

from __future__ import annotations

from functools import wraps
from random import Random
from typing import Any

import orjson
import pytest
from sim_bucket import Bucket, BucketClient
from sim_bundle import ArithmeticBundles
from sim_cases import BEGIN, charge, live, rotation, stream
from sim_edges import BUCKET
from sim_faults import Clock, Faults
from sim_host import NotedCharts
from sim_outcome import Outcome, differences
from sim_reader import StreamReader
from sim_stream import SimulatedStream, Weather
from sim_topic import Subscriber, TopicClient
from sim_world import World
from worker_twins import background

from consumer.outgoing.outbox import Reporting
from consumer.state.committer import Committer, Sinks
from consumer.state.ownership import Claimant
from consumer.state.store import TABLE_LANE, Stores
from consumer.stream import direct, discovery
from consumer.stream.direct import DirectSource
from consumer.stream.discovery import StartPoint
from consumer.stream.records import Decoder, NameTables
from consumer.stream.source import Event, Failed
from consumer.worker.lane_bundles import LaneBundles
from consumer.worker.lane_opener import LaneOpener, LaneSetup
from consumer.worker.lanes import Lanes
from consumer.worker.owned_lane import OwnedLane
from consumer.worker.worker import EXIT_FAILED, EXIT_OK, Worker
from reporting.contract.events import ChartLink
from reporting.sinks.archive import Archive
from reporting.sinks.topic import Topic
from scoring.bundle import Bundle
from window.samples import Names


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
        "reporting.anomaly.evidence.Evidence.finding",
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
    code = Worker(lanes, source, background(lanes, NotedCharts()), clock=clock).run(_Until(opened.lane.ledger, records))  # type: ignore[arg-type]
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
