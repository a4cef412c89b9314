"""Builds a worker from its settings: checks, ownership, state, and the parts over real clients."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, cast

import boto3
import structlog

from consumer.aws import CALLS, ONE_TRY, session
from consumer.bundles.location import BundleSource
from consumer.bundles.store import BundleStore
from consumer.bundles.watcher import BundleReader
from consumer.checks import preflight
from consumer.errors import ConfigurationError
from consumer.findings import State, require
from consumer.heartbeat import heartbeat_s, steady_s
from consumer.logs import configure
from consumer.mutes.store import MuteStore
from consumer.mutes.watcher import MuteReader
from consumer.outgoing.outbox import Reporting
from consumer.settings import Settings, load_settings
from consumer.state.committer import Committer, Sinks
from consumer.state.ownership import Claimant, new_owner
from consumer.state.store import TABLE_LANE, Stores, stream_prefix
from consumer.stream.client import DynamoDBStreams, Stream
from consumer.stream.direct import DirectSource
from consumer.stream.discovery import StartPoint
from consumer.stream.records import Decoder, NameTables
from consumer.table.history import TableHistory
from consumer.worker.backfill import Backfill, FirstWindow
from consumer.worker.bundle_rollout import BundleRollout
from consumer.worker.charts import Charting
from consumer.worker.host_clock import HostClock
from consumer.worker.lane_bundles import LaneBundles
from consumer.worker.lane_opener import LaneOpener, LaneSetup
from consumer.worker.lanes import Lanes
from consumer.worker.liveness import LivenessFile, default_path
from consumer.worker.metrics import Metrics
from consumer.worker.owned_lane import OwnedLane
from consumer.worker.start import patiently, stop_on_signals
from consumer.worker.status import Status, StatusLog
from consumer.worker.table_reader import TableReader
from consumer.worker.worker import EXIT_FAILED, EXIT_OK, Background, Worker
from reporting.contract.source import EventSource
from reporting.sinks.archive import Archive
from reporting.sinks.chart_links import ChartLinks
from reporting.sinks.topic import Topic
from scoring.bundle import Bundle
from window.samples import Names

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = structlog.get_logger(__name__)


def run() -> int:
    """Run a worker from the environment until SIGTERM or SIGINT. Returns the exit code. While AWS is down it waits.

    Raises `ConfigurationError` for what the user must fix first, and `Retry` if the state cannot be read or written at
    the start for a reason that does not pass by itself.
    """
    settings = load_settings()
    configure(settings.log_format, settings.log_level)
    log.info("starting", table=settings.table, bucket=settings.bucket, topic=settings.topic_arn)
    aws = session(settings.region)
    stop = threading.Event()
    liveness = LivenessFile(settings.pulse_file or default_path(settings.namespace, settings.table))
    found = patiently(lambda: surroundings(aws, settings), liveness, stop.wait)
    assert found is not None  # nobody has set `stop`
    # From here on a signal stops the worker in order. Before, it ends the process: there is nothing to stop.
    stop_on_signals(stop, EXIT_FAILED)
    worker = patiently(lambda: Assembly(aws, settings, *found).worker(liveness, stop), liveness, stop.wait)
    if worker is None:
        liveness.close()
        return EXIT_OK
    return worker.run(stop)


def surroundings(aws: boto3.Session, settings: Settings) -> tuple[Bundle, Stream]:
    """The bundle and the stream. Raises one `ConfigurationError` with everything around the worker that is wrong."""
    bundle, about_bundle = preflight.check_bundle(BundleSource.at(settings.bundle, lambda: aws))
    credentials = preflight.check_credentials(aws)
    if credentials.state is State.FAULT:
        require([about_bundle, credentials])
    stream, about_table = preflight.check_table(aws, settings)
    about_sinks = [preflight.check_bucket(aws, settings), preflight.check_topic(aws, settings)]
    require([about_bundle, *about_table, *about_sinks])
    assert bundle is not None  # otherwise `require` has raised
    assert stream is not None
    return bundle, stream


class Assembly:
    """Makes the parts that all lanes of a worker share, then the worker."""

    def __init__(self, aws: boto3.Session, settings: Settings, bundle: Bundle, stream: Stream) -> None:
        self._aws = aws
        self._settings = settings
        self._stream = stream
        names = NameTables(Names(), Names())
        self._s3: S3Client = aws.client("s3", config=CALLS)
        self._s3_once: S3Client = aws.client("s3", config=ONE_TRY)
        self._archive = Archive(self._s3, settings.bucket)
        self._topic = Topic(aws.client("sns", config=ONE_TRY), settings.topic_arn)
        self._prefix = stream_prefix(settings.namespace, settings.table, stream.label)
        self._stores = Stores(self._s3, self._s3_once, settings.bucket)
        self._decoder = Decoder(
            table=settings.table,
            device_key=settings.device_key,
            devices=names.devices,
            shards=names.shards,
            plausible=bundle.config.plausible,
        )
        store = BundleStore(self._s3, settings.bucket, settings.namespace)
        source = BundleSource.at(settings.bundle, lambda: aws, ONE_TRY)
        self._known_bundles = BundleReader(source, store, bundle, every_s=settings.bundle_every_s)
        self._bundles = LaneBundles(bundle, store, lambda: self._known_bundles.look().bundle)
        to = Reporting(
            source=str(EventSource.of(settings.table, stream.arn)),
            table=settings.table,
            bucket=settings.bucket,
            chart_prefix=settings.chart_prefix,
            link=ChartLinks(
                self._s3, settings.bucket, ttl_s=settings.link_ttl_s, credentials_expire=lambda: _expiry(aws)
            ),
            publish=settings.publish,
        )
        setup = LaneSetup(to, names, cold_start=settings.start == "trim_horizon", one_device=stream.time_keyed)
        self._clock = HostClock()
        self._claimant = Claimant(new_owner(), self._clock, settings.take_over_s, steady_s)
        self._opener = LaneOpener(self._stores, self._prefix, self._claimant, self._bundles, setup)

    def worker(self, liveness: LivenessFile, stop: threading.Event) -> Worker | None:
        """Claim the table, stand by while another worker owns it, then build the worker. Blocks until then. None if
        ``stop`` was set before."""

        def wait(seconds: float) -> bool:
            trouble = self._claimant.watch.trouble
            liveness.observe(Status(self._clock(), "waiting" if trouble else "standing by", unwell=trouble))
            return stop.wait(seconds)

        table = self._open(TABLE_LANE, wait=wait)
        if table is None:
            return None
        # The owner of the table's lane owns all lanes of the table. So the others are taken without waiting.
        left = [] if self._stream.time_keyed else self._opener.left()
        lanes = Lanes(
            one_lane=self._stream.time_keyed,
            table=table,
            open_lane=self._open_owned,
            left=left,
        )
        settings, opener = self._settings, self._opener
        source = DirectSource(
            DynamoDBStreams(
                self._aws.client("dynamodbstreams", config=CALLS),
                self._stream.arn,
                self._aws.client("dynamodb", config=CALLS),
            ),
            self._decoder,
            StartPoint(opener.positions, "trim_horizon" if opener.inherited else settings.start, since=opener.started),
            clock=self._clock,
        )
        history = TableHistory(
            self._aws.client("dynamodb", config=CALLS),
            settings.table,
            partition=self._stream.partition_key,
            sort=self._stream.sort_key,
        )
        first = FirstWindow(opener.unfilled and settings.start == "latest", opener.tip)
        background = Background(
            backfill=Backfill(TableReader(history, self._decoder), lanes, first),
            mutes=MuteReader(MuteStore(self._s3_once, settings.bucket)),
            rollout=BundleRollout(self._known_bundles, lanes, self._bundles.replace),
            charts=Charting(self._archive),
        )
        metrics = Metrics(table=settings.table, namespace=settings.namespace, embedded=settings.log_format == "json")
        return Worker(lanes, source, background, [StatusLog(), liveness, metrics], clock=self._clock)

    def _open_owned(self, name: str) -> OwnedLane:
        owned = self._open(name, wait=None)
        if owned is None:
            raise ConfigurationError(f"lane {name} cannot be claimed")
        return owned

    def _open(self, name: str, *, wait: Callable[[float], bool] | None) -> OwnedLane | None:
        opened = self._opener.open(name, wait=wait)
        if opened is None:
            return None
        sinks = Sinks(opened.store, self._archive, (self._topic,))
        beat_s = heartbeat_s(self._settings.take_over_s)
        return OwnedLane(opened.lane, Committer(sinks, head=opened.head, heartbeat_s=beat_s, clock=self._clock))


def _expiry(aws: boto3.Session) -> datetime | None:
    """When the session's credentials expire; None for those that do not."""
    # Only refreshable credentials of botocore have this attribute, and it is not a public one.
    return cast("datetime | None", getattr(aws.get_credentials(), "_expiry_time", None))
