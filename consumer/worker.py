"""The worker: owns the threads, and moves what the source delivers through the lane into commits."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Protocol, cast

import boto3
import structlog

from consumer import checks
from consumer.aws import CALLS, ONE_TRY, session
from consumer.chart_schedule import ChartRequest
from consumer.charting import Charting
from consumer.commit import Commit
from consumer.committer import Abandoned, Committer, Sinks
from consumer.direct import Clock, DirectSource
from consumer.errors import ConfigurationError, Fenced, Retry
from consumer.gaps import FIRST_WINDOW, Gap
from consumer.history import TableHistory
from consumer.lane import Lane
from consumer.liveness import Pulse, PulseFile, default_path
from consumer.logs import configure
from consumer.outgoing import Reporting
from consumer.ownership import claim, new_owner
from consumer.records import Decoder, Plausible
from consumer.settings import Settings, load_settings
from consumer.snapshot import Snapshot, SnapshotError
from consumer.source import Position
from consumer.state import S3StateStore, StateStore, lane_prefix
from consumer.streams import DynamoDBStreams
from consumer.table_reader import TableReader, Tables
from reporting.archive import Archive
from reporting.links import ChartLinks
from reporting.message import Message
from reporting.topic import Topic
from scoring.bundle import Bundle
from window.rolling import SHOWN_S
from window.samples import Names

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TICK_S = 0.1
STOP_READING_S, STOP_COMMIT_S, STOP_CHARTS_S = 1.5, 2.0, 4.0
PROGRESS_EVERY_S = 60.0
READER_STUCK_S = 100.0  # a call with all its retries ends before
EXIT_OK, EXIT_FAILED, EXIT_FENCED = 0, 1, 75
TABLE_LANE = "table"
log = structlog.get_logger(__name__)


def run() -> int:
    """Run a worker from the environment until SIGTERM or SIGINT. Returns the exit code.

    Raises `ConfigurationError` for what must be put right first.
    """
    settings = load_settings()
    configure(settings.log_format, settings.log_level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    worker = _build(settings, stop)
    return worker.run(stop) if worker is not None else EXIT_OK


class Commits(Protocol):
    """What makes commits durable: `Committer`, or its twin in tests."""

    def submit(self, commit: Commit) -> Future[Commit]:
        """Begin to write a commit, one at a time."""

    def resend(self, messages: Sequence[Message]) -> None:
        """Send what the last owner promised."""

    def stop(self) -> None:
        """Give up retrying."""


class Charts(Protocol):
    """What makes charts: `Charting`, or its twin in tests."""

    def draw(self, requests: Sequence[ChartRequest]) -> None:
        """Have charts drawn and stored."""

    def finish(self, timeout_s: float) -> None:
        """Wait for those under way, at most that long."""


class Worker:
    """One lane, from its source to its commits."""

    def __init__(
        self,
        lane: Lane,
        source: DirectSource,
        committer: Commits,
        charting: Charts,
        *,
        tables: Tables | None = None,
        fill: bool = False,
        pulse: PulseFile | None = None,
        clock: Clock = time.time,
    ) -> None:
        self._lane = lane
        self._source = source
        self._committer = committer
        self._charting = charting
        self._clock = clock
        self._pulse = pulse
        self._tables = tables
        self._to_fill = fill and tables is not None
        self._in_flight: Future[Commit] | None = None
        self._filling = False
        self._watching = False
        self._progress_at = 0.0

    def run(self, stop: threading.Event) -> int:
        """Work until ``stop`` is set, then stop in order; returns the exit code."""
        self.begin()
        self._source.begin()
        code = EXIT_OK
        try:
            while not stop.is_set():
                self.turn(TICK_S)
                if not self._source.readers_alive:
                    log.error("a reader has died: stopping, so that this is seen and the worker started again")
                    code = EXIT_FAILED
                    break
        except Fenced as error:
            log.error("fenced", reason=str(error))
            code = EXIT_FENCED
        return max(code, self._stop(commit=code != EXIT_FENCED))

    def begin(self) -> None:
        """What comes before the first turn."""
        self._committer.resend(self._lane.promised)

    def turn(self, timeout_s: float) -> None:
        """One round: take what was read, process it, commit what is due. Waits up to ``timeout_s`` for something to
        read. Raises `Fenced` when the lane has another owner."""
        events = self._source.poll(timeout_s)
        now = self._clock()
        for event in events:
            self._lane.take(event, now)
        self._read_tables(now)
        if not self._to_fill:
            self._lane.step(now)
        self._settle()
        if self._in_flight is None and (commit := self._lane.cut(now)) is not None:
            self._in_flight = self._committer.submit(commit)
        for shard, (epoch, records) in self._lane.grants().items():
            self._source.credit(shard, epoch, records)
        self._charting.draw(self._lane.charts.drain())
        self._say(now)

    def _read_tables(self, now: float) -> None:
        """At a first start the iterators come first, then the window from the table, then the first record: what is
        written in between is in both, and met again it is scored as new (rule 18)."""
        if self._tables is None:
            return
        if self._to_fill and self._lane.watching and not self._filling:
            self._filling = True
            self._tables.ask(Gap(FIRST_WINDOW, now - SHOWN_S, "first start", now, until=now), [])
        for gap in self._lane.gaps_to_read():
            self._tables.ask(gap, self._lane.devices)
        for gap, decoded in self._tables.answers():
            if gap.name == FIRST_WINDOW:
                self._lane.fill(decoded.samples)
                self._to_fill = False
            else:
                self._lane.take_items(gap, decoded)

    def _settle(self) -> None:
        """Acknowledge a commit that has become durable. Raises what broke it."""
        if self._in_flight is None or not self._in_flight.done():
            return
        commit = self._in_flight.result()
        self._in_flight = None
        for shard, position in commit.head.positions.items():
            epoch = self._lane.epoch(shard)
            if epoch is not None and position.sequence is not None:
                self._source.ack(shard, epoch, position.sequence)
                if position.ended:
                    self._source.ended(shard, epoch)
        for message in commit.messages:
            log.info("told", type=message.type, severity=message.severity, device=message.device, id=message.id)

    def _stop(self, *, commit: bool) -> int:
        """Stop in the order that loses nothing: reading first, so that nothing new comes in; then the commits, so
        that all that was scored is durable; the charts last, as nothing waits for them."""
        self._source.stop(STOP_READING_S)
        if self._tables is not None:
            self._tables.stop()
        code = EXIT_OK
        if commit:
            try:
                self._last_commits()
            except (Fenced, Abandoned, TimeoutError) as error:
                log.error(
                    "the last commit is not durable; the next start reads on from the one before", reason=str(error)
                )
                code = EXIT_FAILED
            self._lane.charts.final()
            self._charting.draw(self._lane.charts.drain())
        self._committer.stop()
        self._charting.finish(STOP_CHARTS_S)
        if self._pulse is not None:
            self._pulse.remove()
        log.info("stopped", code=code, ledger=self._lane.ledger.days, unaccounted=self._lane.ledger.imbalance())
        return code

    def _last_commits(self) -> None:
        if self._in_flight is not None:
            self._in_flight.result(timeout=STOP_COMMIT_S)
            self._settle()
        commit = self._lane.cut(self._clock(), final=True)
        if commit is not None:
            self._in_flight = self._committer.submit(commit)
            self._in_flight.result(timeout=STOP_COMMIT_S)
            self._settle()

    def _say(self, now: float) -> None:
        if self._lane.watching and not self._to_fill and not self._watching:
            self._watching = True
            log.info("watching")
        lag_s = max(0.0, now - self._lane.watermark) if isfinite(self._lane.watermark) else None
        if now - self._progress_at >= PROGRESS_EVERY_S and self._watching:
            self._progress_at = now
            log.info("progress", lag_s=lag_s and round(lag_s, 1))
        if self._pulse is not None:
            state = "watching" if self._watching else "recovering"
            self._pulse.write(Pulse(now, state, lag_s, self._fault()))

    def _fault(self) -> str:
        if self._source.idle_s > READER_STUCK_S:
            return f"a reader has been in one call for {self._source.idle_s:.0f} s"
        if self._lane.lagging:
            return "the lane waits for a shard that cannot be read"
        return ""


def _build(settings: Settings, stop: threading.Event) -> Worker | None:
    """Check the surroundings, become the lane's owner, and put the parts together; None when told to stop before.

    Raises `ConfigurationError`.
    """
    aws = session(settings.region)
    bundle, stream = _surroundings(aws, settings)
    s3: S3Client = aws.client("s3", config=CALLS)
    archive = Archive(s3, settings.bucket)
    links = ChartLinks(s3, settings.bucket, ttl_s=settings.link_ttl_s, credentials_expire=lambda: _expiry(aws))
    prefix = lane_prefix(settings.namespace, settings.table, stream.label, TABLE_LANE)
    store = S3StateStore(aws.client("s3", config=ONE_TRY), settings.bucket, prefix)
    pulse = PulseFile(settings.pulse_file or default_path(settings.namespace, settings.table))

    def wait(seconds: float) -> bool:
        pulse.write(Pulse(time.time(), "standing by"))
        return stop.wait(seconds)

    head = claim(store, lane=TABLE_LANE, owner=new_owner(), bundle=bundle.id, clock=time.time, wait=wait)
    if head is None:
        return None
    snapshot = _windows(store)
    devices, shards = Names(), Names()
    plausible = bundle.config.plausible
    decoder = Decoder(
        table=settings.table,
        device_key=settings.device_key,
        devices=devices,
        shards=shards,
        plausible=Plausible(plausible.current_a, plausible.temperature_c),
    )
    history = TableHistory(
        aws.client("dynamodb", config=CALLS), settings.table, partition=stream.partition_key, sort=stream.sort_key
    )
    reporting = Reporting(
        f"urn:battery-watch:{settings.table}", settings.table, settings.bucket, settings.chart_prefix, links
    )
    log.info("starting", table=settings.table, bundle=bundle.id, epoch=head.epoch, commit=head.commit)
    return Worker(
        Lane(bundle, head, reporting, devices=devices, shards=shards, snapshot=snapshot),
        DirectSource(
            DynamoDBStreams(aws.client("dynamodbstreams", config=CALLS), stream.arn),
            decoder,
            positions={
                shard: Position(position.sequence, position.since, position.ended)
                for shard, position in (snapshot.positions if snapshot else head.positions).items()
            },
            start=settings.start,
            clock=time.time,
        ),
        Committer(Sinks(store, archive, Topic(aws.client("sns", config=CALLS), settings.topic_arn))),
        Charting(archive),
        tables=TableReader(history, decoder),
        fill=not head.positions and settings.start == "latest",
        pulse=pulse,
    )


def _surroundings(aws: boto3.Session, settings: Settings) -> tuple[Bundle, checks.Stream]:
    bundle, about_bundle = checks.check_bundle(settings)
    findings = [about_bundle, checks.check_credentials(aws)]
    checks.require(findings)
    stream, about_table = checks.check_table(aws, settings)
    checks.require([*about_table, checks.check_bucket(aws, settings), checks.check_topic(aws, settings)])
    assert bundle is not None
    assert stream is not None
    return bundle, stream


def _windows(store: StateStore) -> Snapshot | None:
    """The last owner's windows. Raises `ConfigurationError`: without them a minute of the archive might be rewritten
    with less than it held."""
    try:
        body = store.read_windows()
        return Snapshot.decode(body) if body is not None else None
    except (Retry, SnapshotError) as error:
        raise ConfigurationError(f"cannot go on where the last worker stood: {error}") from error


def _expiry(aws: boto3.Session) -> datetime | None:
    """When the session's credentials die; None for those that do not."""
    # botocore keeps it in an attribute of refreshable credentials only, and in no public one.
    return cast("datetime | None", getattr(aws.get_credentials(), "_expiry_time", None))
