"""A host: the worker's real parts over simulated edges. Dropped in a crash, it leaves only what is durable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from random import Random
from types import ModuleType

from sim_bucket import Bucket, BucketClient
from sim_bundle import ArithmeticBundles
from sim_committer import SteppedCommitter
from sim_faults import Clock, Faults
from sim_stream import SimulatedStream
from sim_topic import Subscriber, TopicClient

from consumer import credit, direct, worker
from consumer.chart_schedule import ChartRequest
from consumer.commit import Commit
from consumer.committer import Sinks
from consumer.direct import DirectSource
from consumer.discovery import Start
from consumer.lanes import TABLE_LANE, Lanes
from consumer.mute_reader import KnownMutes
from consumer.opening import Opened, Opening
from consumer.outgoing import Reporting
from consumer.owned import OwnedLane
from consumer.records import Decoder, Plausible
from consumer.state import Head, Stores, stream_prefix
from reporting.archive import Archive
from reporting.contract.events import ChartLink
from reporting.topic import Topic
from scoring.bundle import Bundle
from window.samples import Names

BUCKET = "results"


@dataclass(frozen=True, slots=True)
class Pace:
    """How a host works. ``page``: records asked for at once; ``credit``: records read ahead, over all shards;
    ``poll_s``: between two looks at a shard that is quiet; ``tick_s``: between two turns of the lane at most;
    ``latency_s``: what a sink takes at most."""

    page: int = 1000
    credit: int = 20_000
    poll_s: float = 1.0
    tick_s: float = 0.5
    latency_s: float = 0.05


@dataclass(slots=True)
class Edges:
    """What outlives every host."""

    stream: SimulatedStream
    bucket: Bucket = field(default_factory=Bucket)
    subscriber: Subscriber = field(default_factory=Subscriber)
    mutes: KnownMutes | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What a host is run with."""

    clock: Clock
    faults: Faults
    rng: Random
    pace: Pace
    start: Start
    namespace: str


class NoCharts:
    """`consumer.worker.Charts` that only notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def draw(self, requests: Sequence[ChartRequest]) -> None:
        """See `Charts`."""
        self.asked += [request.key for request in requests]

    def finish(self, timeout_s: float) -> None:
        """See `Charts`."""


class Host:
    """One process that owns the lane. Everything it does is called by the scheduler; any call may raise `Crash` or
    `Fenced`. `started` makes one."""

    def __init__(self, name: str, edges: Edges, decoder: Decoder, opening: Opening, opened: Opened, run: Run) -> None:
        self.name = name
        self.clock = run.clock
        self._run = run
        self.durable: Head | None = None
        self.commits = 0
        stream = edges.stream
        s3 = BucketClient(edges.bucket, run.faults)
        self.lane = opened.lane
        self.source = DirectSource(
            stream.reader(name, run.faults),
            decoder,
            positions=opening.positions,
            start="trim_horizon" if opening.inherited else run.start,
            since=opening.started,
            clock=run.clock,
            threads=0,
        )
        topic = Topic(TopicClient(edges.subscriber, run.faults), "arn")  # type: ignore[arg-type]
        self.committer = SteppedCommitter(
            Sinks(opened.store, Archive(s3, BUCKET), topic),  # type: ignore[arg-type]
            run.clock,
            run.rng,
            latency_s=run.pace.latency_s,
            recovering=lambda: self.lane.recovering,
            durable=self._committed,
        )
        self.charts = NoCharts()
        lanes = Lanes(one_lane=True, table=OwnedLane(self.lane, self.committer), open_lane=_no_other_lane)
        self.worker = worker.Worker(lanes, self.source, self.charts, mutes=edges.mutes, clock=run.clock)
        self.reader_due = self.turn_due = run.clock.now

    @classmethod
    def started(cls, name: str, edges: Edges, bundle: Bundle, run: Run) -> Host | None:
        """Start a process: the lane's owner from now on, or None while another one is (it looks again later). Raises
        `ConfigurationError` where the last owner's windows cannot be read."""
        stream = edges.stream
        table = stream.script.table
        devices, shards = Names(), Names()
        plausible = bundle.config.plausible
        s3 = BucketClient(edges.bucket, run.faults)
        opening = Opening(
            Stores(s3, s3, BUCKET),  # type: ignore[arg-type]
            stream_prefix(run.namespace, table, stream.label),
            owner=name,
            bundle=bundle,
            bundles=ArithmeticBundles(s3, BUCKET, run.namespace),  # type: ignore[arg-type]
            to=Reporting(f"urn:battery-watch:{table}", table, BUCKET, "battery-reports", _link),
            devices=devices,
            shards=shards,
            clock=run.clock,
            warms=run.start == "trim_horizon",
        )
        decoder = Decoder(
            table=table,
            device_key="device",
            devices=devices,
            shards=shards,
            plausible=Plausible(plausible.current_a, plausible.temperature_c),
        )
        opened = opening.open(TABLE_LANE, wait=lambda _: True)
        return None if opened is None else cls(name, edges, decoder, opening, opened, run)

    @property
    def due(self) -> float:
        """When this host next has something to do, epoch seconds."""
        return min(self.reader_due, self.turn_due, self.committer.due)

    def act(self) -> None:
        """Do one of the things that are due: read a page, take a turn, or execute a step of a commit."""
        now = self.clock.now
        parts = [
            act
            for due, act in (
                (self.reader_due, self._read),
                (self.turn_due, self._turn),
                (self.committer.due, self.committer.step),
            )
            if due <= now
        ]
        self._run.rng.choice(parts)()

    def stop(self) -> int:
        """Stop as SIGTERM does; returns the exit code."""
        return self.worker.stop()

    def stall(self, seconds: float) -> None:
        """The whole process stands still: a frozen machine, a paused container."""
        until = self.clock.now + seconds
        self.reader_due, self.turn_due = max(self.reader_due, until), max(self.turn_due, until)
        if self.committer.due < inf:
            self.committer.due = max(self.committer.due, until)

    def _read(self) -> None:
        wake = self.source.step(self.clock.now)
        self.reader_due = wake if wake > self.clock.now else self.clock.now + self._run.rng.uniform(0.0, 0.02)

    def _turn(self) -> None:
        self.worker.turn(0.0)
        self.turn_due = self.clock.now + self._run.rng.uniform(0.0, self._run.pace.tick_s)

    def _committed(self, commit: Commit, recovering: bool) -> None:
        self.commits += 1
        # While it recovers, it only shows signs of life: its predecessor's head, word for word.
        if not recovering:
            self.durable = commit.head


def _link(key: str) -> ChartLink:
    return ChartLink(bucket=BUCKET, key=key, url=f"https://links/{key}", expires=datetime(2100, 1, 1, tzinfo=UTC))


def _no_other_lane(name: str) -> OwnedLane:
    raise AssertionError(f"a table keyed by time has one lane, not {name}")


@contextmanager
def paced(pace: Pace) -> Iterator[None]:
    """Small pages and little credit, so that a workload of a hundred records meets every limit."""
    wanted: dict[tuple[ModuleType, str], float] = {
        (direct, "PAGE"): pace.page,
        (direct, "POLL_S"): pace.poll_s,
        (credit, "PAGE"): pace.page,
        (credit, "TOTAL"): pace.credit,
        (credit, "WORTH_TELLING"): min(credit.WORTH_TELLING, max(1, pace.page // 5)),
    }
    kept = {(module, name): getattr(module, name) for module, name in wanted}
    for (module, name), value in wanted.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for (module, name), value in kept.items():
            setattr(module, name, value)
