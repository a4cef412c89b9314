"""A host: the worker's real parts over simulated edges. Dropped in a crash, it leaves only what is durable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from math import inf
from random import Random

from sim_bucket import BucketClient
from sim_bundle import NAMELESS, ArithmeticBundles, LiesThere
from sim_clocks import HostClocks
from sim_committer import SteppedCommitter
from sim_edges import BUCKET, Edges, Run
from sim_pace import Effort
from sim_reader import StreamReader
from sim_stream import SimulatedStream
from sim_table import TableClient
from sim_tables import SteppedTables
from sim_topic import TopicClient
from sim_turns import EndsAnywhere
from sim_witness import LaneNotes
from worker_twins import background

from consumer.bundles.watcher import BundleReader, Offer
from consumer.errors import ConfigurationError
from consumer.lane.lane import Lane
from consumer.lane.observer import NoObserver
from consumer.outgoing.chart_schedule import ChartRequest
from consumer.outgoing.outbox import Reporting
from consumer.state.commit import Commit
from consumer.state.committer import Sinks
from consumer.state.head import Head, Refusal
from consumer.state.ownership import Claimant
from consumer.state.store import TABLE_LANE, Stores, stream_prefix
from consumer.stream.direct import DirectSource
from consumer.stream.discovery import StartPoint
from consumer.stream.records import Decoder, NameTables
from consumer.table.history import TableHistory
from consumer.worker import worker
from consumer.worker.backfill import FirstWindow
from consumer.worker.host_clock import HostClock
from consumer.worker.lane_bundles import LaneBundles
from consumer.worker.lane_opener import LaneOpener, LaneSetup, Opened
from consumer.worker.lanes import Lanes
from consumer.worker.owned_lane import OwnedLane
from reporting.contract.events import ChartLink
from reporting.sinks.archive import Archive
from reporting.sinks.topic import Topic
from scoring.bundle import BundleError
from window.samples import Names

LOOK_EVERY_S = 5.0


class NotedCharts:
    """`consumer.worker.worker.Charts` that only notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def draw(self, requests: Sequence[ChartRequest]) -> None:
        """See `Charts`."""
        self.asked += [request.key for request in requests]

    def finish(self, timeout_s: float) -> None:
        """See `Charts`."""


class Host:
    """One process that owns the table. Everything it does is called by the scheduler; any call may raise `Crash` or
    `Fenced`. `started` makes one, as `consumer.worker.assembly.Assembly` makes a worker."""

    def __init__(self, name: str, edges: Edges, run: Run) -> None:
        bundle = run.lies_there()
        if isinstance(bundle, BundleError):
            raise ConfigurationError(str(bundle))
        self.name = name
        self.clock = run.clock
        self.clocks = HostClocks(run.clock, run.clocks)
        self.time = HostClock(self.clocks, self.clocks.monotonic)
        self.durable: dict[str, Head] = {}
        self.commits = 0
        self.charts = NotedCharts()
        self.committers: dict[str, SteppedCommitter] = {}
        self.lanes: dict[str, Lane] = {}
        self.reader_due = self.turn_due = self.look_due = run.clock.now
        self._agenda: list[tuple[float, Callable[[], None]]] = []
        self._run = run
        self._edges = edges
        self.stream: SimulatedStream = edges.stream
        table = self.stream.script.table
        self._prefix = stream_prefix(run.namespace, table, self.stream.label)
        self._s3 = BucketClient(edges.bucket, run.faults)
        self._stores = Stores(self._s3, self._s3, BUCKET)  # type: ignore[arg-type]
        names = self._names = NameTables(Names(), Names())
        store = ArithmeticBundles(self._s3, BUCKET, run.namespace)  # type: ignore[arg-type]
        self.bundles = BundleReader(LiesThere(run.lies_there), store, bundle, every_s=inf)
        self._lane_bundles = LaneBundles(bundle, store, lambda: self.bundles.look().bundle)
        setup = LaneSetup(
            Reporting(f"urn:battery-watch:{table}", table, BUCKET, "battery-reports", _link, edges.publish),
            names,
            cold_start=run.start == "trim_horizon",
            one_device=edges.table.partition == "ts" and edges.table.sort is None,
        )
        claimant = Claimant(name, self.time, monotonic=run.clock, watch=run.watch)
        self._opener = LaneOpener(self._stores, self._prefix, claimant, self._lane_bundles, setup)
        self._decoder = Decoder(
            table=table,
            device_key="device",
            devices=names.devices,
            shards=names.shards,
            plausible=bundle.config.plausible,
        )

    @classmethod
    def started(cls, name: str, edges: Edges, run: Run) -> Host | None:
        """Start a process: the table's owner from now on, or None while another one is (it looks again later). Raises
        `ConfigurationError` where the last owner's windows or the own bundle cannot be read, and `Retry`."""
        host = cls(name, edges, run)
        opened = host._opener.open(TABLE_LANE, wait=lambda _: True)
        if opened is None:
            return None
        host._put_together(opened)
        return host

    def _put_together(self, table: Opened) -> None:
        run, opener, kept = self._run, self._opener, self._edges.table
        one_lane = kept.partition == "ts"
        left = [] if one_lane else opener.left()
        lanes = self._all = Lanes(
            one_lane=one_lane,
            table=self._owned(table),
            open_lane=self._open_owned,
            left=left,
        )
        self.source = DirectSource(
            StreamReader(self.stream, self.name, run.faults, dated=True),
            self._decoder,
            StartPoint(opener.positions, "trim_horizon" if opener.inherited else run.start, since=opener.started),
            clock=self.time,
            monotonic=self.clocks.monotonic,
            threads=0,
        )
        client = TableClient(kept, run.faults)
        history = TableHistory(client, "t", partition=kept.partition, sort=kept.sort)  # type: ignore[arg-type]
        self.tables = SteppedTables(history, self._decoder, run.clock, run.rng, latency_s=run.pace().latency_s)
        self.worker = worker.Worker(
            lanes,
            self.source,
            background(
                lanes,
                self.charts,
                tables=self.tables,
                first=FirstWindow(opener.unfilled and run.start == "latest", opener.tip),
                mutes=self._edges.mutes,
                bundles=self.bundles,
                replace=self._lane_bundles.replace,
            ),
            clock=self.time,
            budget=partial(EndsAnywhere, Random(f"{self.name} {run.clock.now}"), self.clocks.monotonic),
        )

    def _open_owned(self, name: str) -> OwnedLane:
        opened = self._opener.open(name, wait=None)
        assert opened is not None
        return self._owned(opened)

    def _owned(self, opened: Opened) -> OwnedLane:
        run, lane = self._run, opened.lane
        topic = Topic(TopicClient(self._edges.subscriber, run.faults), "arn", self.time)  # type: ignore[arg-type]
        committer = SteppedCommitter(
            Sinks(opened.store, Archive(self._s3, BUCKET), (topic,)),  # type: ignore[arg-type]
            run.clock,
            run.rng,
            latency_s=run.pace().latency_s,
            recovering=lambda: lane.recovering,
            durable=partial(self._committed, lane.name),
            submitted=self._watched(opened),
        )
        self.lanes[lane.name], self.committers[lane.name] = lane, committer
        return OwnedLane(lane, committer)

    def _watched(self, opened: Opened) -> Callable[[Commit], None]:
        """Have what the lane judges take its time, and be seen by the witness if there is one. Returns what wants to
        know of each commit."""
        notes: LaneNotes | None = None
        if self._edges.witness is not None:
            key = f"{self._prefix}/{opened.lane.name}/head"
            notes = LaneNotes(self._edges.witness, key, opened.head.commit, self._names.devices)
        opened.lane._parts.observer = Effort(self._run.clock, self._run.pace, notes or NoObserver())
        return notes.submitted if notes is not None else lambda commit: None

    @property
    def lane(self) -> Lane:
        """The table's."""
        return self.lanes[TABLE_LANE]

    @property
    def due(self) -> float:
        """When this host next has something to do, epoch seconds."""
        self._agenda = self._parts()
        return min([due for due, _ in self._agenda])

    @property
    def idle(self) -> bool:
        """True when all that was given to the committers is durable and delivered, and something was."""
        at_rest = self.tables.idle and all(c.idle for c in self.committers.values())
        return bool(self.durable) and at_rest and all(owned.quiet for owned in self._all)

    def act(self) -> None:
        """Do one of the things that were `due` when that was asked last: read a page, take a turn, execute a step of a
        commit, read the table."""
        now = self.clock.now
        self._run.rng.choice([act for due, act in self._agenda if due <= now])()

    def _parts(self) -> list[tuple[float, Callable[[], None]]]:
        return [
            (self.reader_due, self._read),
            (self.turn_due, self._turn),
            *((committer.due, committer.step) for committer in self.committers.values()),
            (self.tables.due, self.tables.step),
            (self.look_due if self._looks else inf, self._look),
        ]

    @property
    def _looks(self) -> bool:
        """Has it a reason to look where bundles are looked for? Not if it has found what is there."""
        there, known = self._run.lies_there(), self.bundles.current
        if isinstance(there, BundleError):
            return known != Offer(None, Refusal(NAMELESS, str(there)))
        return known.bundle is not there and known != Offer(there)

    def stop(self) -> int:
        """Stop as SIGTERM does; returns the exit code."""
        return self.worker.stop()

    def stall(self, seconds: float) -> None:
        """The whole process stands still: a frozen machine, a paused container."""
        until = self.clock.now + seconds
        self.reader_due, self.turn_due = max(self.reader_due, until), max(self.turn_due, until)
        for part in (self.tables, *self.committers.values()):
            if part.due < inf:
                part.due = max(part.due, until)

    def _read(self) -> None:
        wake = self.clocks.true(self.source.step(self.clocks.monotonic()))
        self.reader_due = wake if wake > self.clock.now else self.clock.now + self._run.rng.uniform(0.0, 0.02)

    def _turn(self) -> None:
        self.worker.turn(0.0)
        pause_s = self._run.rng.uniform(0.0, self._run.pace().tick_s)
        self.turn_due = self.clock.now + (0.0 if self.worker.unfinished else pause_s)

    def _look(self) -> None:
        self.bundles.look()
        self.look_due = self.clock.now + LOOK_EVERY_S

    def _committed(self, lane: str, commit: Commit, recovering: bool) -> None:
        self.commits += 1
        # While it recovers, it only shows signs of life: its predecessor's head, word for word.
        if not recovering:
            self.durable[lane] = commit.head


def _link(key: str) -> ChartLink:
    return ChartLink(bucket=BUCKET, key=key, url=f"https://links/{key}", expires=datetime(2100, 1, 1, tzinfo=UTC))
