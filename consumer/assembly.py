"""Puts a worker together from its settings: checks, ownership, state, and the parts over real clients."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, cast

import boto3
import structlog

from consumer import checks
from consumer.aws import CALLS, ONE_TRY, session
from consumer.charting import Charting
from consumer.committer import Committer, Sinks
from consumer.direct import DirectSource
from consumer.errors import ConfigurationError, Retry
from consumer.history import TableHistory
from consumer.lane import Lane
from consumer.lanes import TABLE_LANE, Lanes
from consumer.liveness import Pulse, PulseFile, default_path
from consumer.logs import configure
from consumer.outgoing import Reporting
from consumer.owned import OwnedLane
from consumer.ownership import claim, inherit, new_owner
from consumer.records import Decoder, Plausible
from consumer.settings import Settings, load_settings
from consumer.snapshot import Snapshot, SnapshotError, beginning
from consumer.source import Position
from consumer.state import ShardPosition, StateStore, Stores, stream_prefix
from consumer.streams import DynamoDBStreams
from consumer.table_reader import TableReader
from consumer.worker import EXIT_OK, Worker
from reporting.archive import Archive
from reporting.links import ChartLinks
from reporting.topic import Topic
from scoring.bundle import Bundle
from scoring.scorer import Scorer
from window.samples import Names

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = structlog.get_logger(__name__)


def run() -> int:
    """Run a worker from the environment until SIGTERM or SIGINT. Returns the exit code.

    Raises `ConfigurationError` for what must be put right first.
    """
    settings = load_settings()
    configure(settings.log_format, settings.log_level)
    log.info("starting", table=settings.table, bucket=settings.bucket, topic=settings.topic_arn)
    aws = session(settings.region)
    bundle, stream = surroundings(aws, settings)
    # From here on a signal stops in order; before, there is nothing to put in order and it ends the process.
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    pulse = PulseFile(settings.pulse_file or default_path(settings.namespace, settings.table))
    worker = Assembly(aws, settings, bundle, stream).worker(pulse, stop)
    return worker.run(stop) if worker is not None else EXIT_OK


def surroundings(aws: boto3.Session, settings: Settings) -> tuple[Bundle, checks.Stream]:
    """The bundle and the stream. Raises `ConfigurationError` that names all that is wrong around the worker."""
    bundle, about_bundle = checks.check_bundle(settings)
    checks.require([about_bundle, checks.check_credentials(aws)])
    stream, about_table = checks.check_table(aws, settings)
    checks.require([*about_table, checks.check_bucket(aws, settings), checks.check_topic(aws, settings)])
    assert bundle is not None  # both are there, or `require` has raised
    assert stream is not None
    return bundle, stream


class Assembly:
    """The parts that all lanes of a worker share."""

    def __init__(self, aws: boto3.Session, settings: Settings, bundle: Bundle, stream: checks.Stream) -> None:
        self._aws = aws
        self._settings = settings
        self._stream = stream
        self._scorer = Scorer(bundle)
        self._devices, self._shards = Names(), Names()
        self._s3: S3Client = aws.client("s3", config=CALLS)
        self._s3_once: S3Client = aws.client("s3", config=ONE_TRY)
        self._archive = Archive(self._s3, settings.bucket)
        self._topic = Topic(aws.client("sns", config=ONE_TRY), settings.topic_arn)
        self._prefix = stream_prefix(settings.namespace, settings.table, stream.label)
        self._owner = new_owner()
        self._stores = Stores(self._s3, self._s3_once, settings.bucket)
        self._begin: dict[str, ShardPosition] = {}
        self._inherited = False
        self._started: float | None = None
        self._decoder = Decoder(
            table=settings.table,
            device_key=settings.device_key,
            devices=self._devices,
            shards=self._shards,
            plausible=Plausible(bundle.config.plausible.current_a, bundle.config.plausible.temperature_c),
        )
        self._reporting = Reporting(
            source=f"urn:battery-watch:{settings.table}",
            table=settings.table,
            bucket=settings.bucket,
            chart_prefix=settings.chart_prefix,
            link=ChartLinks(
                self._s3, settings.bucket, ttl_s=settings.link_ttl_s, credentials_expire=lambda: _expiry(aws)
            ),
        )

    def worker(self, pulse: PulseFile, stop: threading.Event) -> Worker | None:
        """Become the owner, standing by for as long as another one is, and put the worker together; None when told to
        stop before."""

        def wait(seconds: float) -> bool:
            pulse.write(Pulse(time.time(), "standing by"))
            return stop.wait(seconds)

        table = self._open(TABLE_LANE, wait=wait)
        if table is None:
            return None
        # Whoever owns the table's lane owns all lanes of the table: they are taken without waiting.
        left = [] if self._stream.time_keyed else self._stores.lanes(self._prefix)
        lanes = Lanes(
            one_lane=self._stream.time_keyed,
            table=table,
            open_lane=self._open_owned,
            left=[name for name in left if name != TABLE_LANE],
        )
        settings = self._settings
        source = DirectSource(
            DynamoDBStreams(self._aws.client("dynamodbstreams", config=CALLS), self._stream.arn),
            self._decoder,
            positions={shard: Position(at.sequence, at.since, at.ended) for shard, at in self._begin.items()},
            start="trim_horizon" if self._inherited else settings.start,
            since=self._started,
            clock=time.time,
        )
        history = TableHistory(
            self._aws.client("dynamodb", config=CALLS),
            settings.table,
            partition=self._stream.partition_key,
            sort=self._stream.sort_key,
        )
        return Worker(
            lanes,
            source,
            Charting(self._archive),
            tables=TableReader(history, self._decoder),
            fill=not self._begin and not self._inherited and settings.start == "latest",
            pulse=pulse,
        )

    def _open_owned(self, name: str) -> OwnedLane:
        owned = self._open(name, wait=None)
        if owned is None:
            raise ConfigurationError(f"lane {name} cannot be taken")
        return owned

    def _open(self, name: str, *, wait: Callable[[float], bool] | None) -> OwnedLane | None:
        """Make a lane one's own, with all that its last owner left. None when told to stop while standing by."""
        bundle = self._scorer.bundle.id
        store = self._stores.store(self._prefix, name)
        head = claim(store, lane=name, owner=self._owner, bundle=bundle, clock=time.time, wait=wait)
        if head is None:
            return None
        if head.epoch > 1 and name == TABLE_LANE:
            self._started = head.started
        snapshot = _windows(store)
        gap_since = None
        if head.epoch == 1 and (before := self._stores.before(self._prefix, name)) is not None:
            # A stream that was made anew has shards of its own, and says nothing of what the old one still held.
            snapshot, gap_since = _without_positions(_windows(before[1])), before[0].watermark
            head = inherit(head, before[0])
            self._inherited = True
        self._begin.update(beginning(head.positions, snapshot))
        log.info("owner", lane=name, bundle=bundle, epoch=head.epoch, commit=head.commit)
        lane = Lane(self._scorer, head, self._reporting, devices=self._devices, shards=self._shards, snapshot=snapshot)
        if gap_since is not None:
            lane.declare_gap(gap_since, "the stream was made anew", time.time())
        return OwnedLane(lane, Committer(Sinks(store, self._archive, self._topic), head=head))


def _windows(store: StateStore) -> Snapshot | None:
    """The last owner's windows. Raises `ConfigurationError`: without them a minute of the archive might be rewritten
    with less than it held."""
    try:
        body = store.read_windows()
        return Snapshot.decode(body) if body is not None else None
    except (Retry, SnapshotError) as error:
        raise ConfigurationError(f"cannot go on where the last worker stood: {error}") from error


def _without_positions(snapshot: Snapshot | None) -> Snapshot | None:
    return replace(snapshot, positions={}) if snapshot is not None else None


def _expiry(aws: boto3.Session) -> datetime | None:
    """When the session's credentials die; None for those that do not."""
    # botocore keeps it in an attribute of refreshable credentials only, and in no public one.
    return cast("datetime | None", getattr(aws.get_credentials(), "_expiry_time", None))
