"""The longest turn over a backlog: a thousand devices, the merge full, charts and a snapshot due."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from benchmarks.account import BUCKET, Bucket, Topic
from benchmarks.charges import names, reading
from benchmarks.child import Child
from benchmarks.figures import Found, Measured
from benchmarks.full_windows import more, watched
from benchmarks.smoothness import Stopwatch
from consumer.aws import session
from consumer.bundles.watcher import Offer
from consumer.lane.lane import Lane
from consumer.outgoing.chart_schedule import EVERY_S
from consumer.outgoing.outbox import Reporting
from consumer.settings import SHIPPED_BUNDLE
from consumer.state.committer import Committer, Sinks
from consumer.state.head import Gap, Head
from consumer.state.snapshot import Snapshot
from consumer.state.store import S3StateStore
from consumer.stream.records import Decoded, NameTables
from consumer.stream.source import Event, ShardBatch, ShardNode, ShardOpened, SourceHealth, Topology
from consumer.worker import charts
from consumer.worker.backfill import Backfill, FirstWindow
from consumer.worker.bundle_rollout import BundleRollout
from consumer.worker.lanes import Lanes
from consumer.worker.owned_lane import OwnedLane
from consumer.worker.worker import Background, Worker
from reporting.mutes import Mutes
from reporting.sinks import topic
from reporting.sinks.archive import Archive
from reporting.sinks.chart_links import ChartLinks
from scoring.bundle import load
from scoring.scorer import Scorer
from window.samples import Names, Samples

NAMES = ("backlog_turn_cpu_ms", "backlog_turn_ms", "backlog_stop_s")
CASES = ("in order", "out of order", "silent")
DEVICES, RECORDS, SHARDS, PAGE, SHARE = 1000, 20_000, 4, 1000, 0.01
BEFORE_CHARTS_S = 10.0
"""From the first record of the backlog to the moment at which charts are due."""
SILENT_S, LATER_S, MOST_S, STOP_AFTER_S = 600.0, 60.0, 900.0, 3.0
PROOF_S = 64
"""A claim of many idle minutes takes empty pages over a minute at most (rule 24)."""


def measure(wanted: set[str], say: Callable[[str], None]) -> Found:
    """The longest turn of all cases, and the longest stop in the middle of one."""
    heard = []
    for case in CASES:
        say(f"a backlog of {RECORDS:,} records of {DEVICES:,} devices through {SHARDS} shards: {case}")
        with Child(partial(run, case)) as child:
            heard.append(child.heard())
    found = {}
    for name, place in zip(NAMES, range(3), strict=True):
        note = "; ".join(f"{case} {each[place]:,.3g}" for case, each in zip(CASES, heard, strict=True))
        found[name] = Measured(max(each[place] for each in heard), note)
    return {name: each for name, each in found.items() if name in wanted}


def run(case: str, pipe: Connection) -> None:
    """A worker with full windows takes in the backlog, until nothing is left of it; then one that is stopped."""
    worked = Backlog(case)
    watch = Stopwatch()
    turn = watch.around(worked.worker.turn)
    began = time.monotonic()
    while not worked.done and time.monotonic() < began + MOST_S:
        turn(0.0)
    assert worked.done, "the worker does not get on"
    worked.worker.stop()
    stopped = Backlog(case)
    began = time.monotonic()
    while time.monotonic() < began + STOP_AFTER_S:
        stopped.worker.turn(0.0)
    # SIGTERM comes at the beginning of the next turn, which is taken to its end.
    stopped.worker.turn(0.0)
    stopped.worker.stop()
    stop_s = time.monotonic() - began - STOP_AFTER_S
    pipe.send((max(cpu for _, cpu in watch.ms), max(wall for wall, _ in watch.ms), stop_s))


class Backlog:
    """The worker's real parts but the source, which has everything at once; bucket and topic are in memory."""

    def __init__(self, case: str) -> None:
        devices, codes = names(DEVICES), NameTables(Names(), Names())
        head, snapshot, self._begin = full(devices)
        aws = session("us-east-1")
        bucket: Any = Bucket(aws.client("s3"))
        link = ChartLinks(bucket, BUCKET, ttl_s=3600, credentials_expire=lambda: None)
        to = Reporting("urn:battery-watch:bench", "bench", BUCKET, "battery-reports", link)
        self._lane = Lane(Scorer(load(SHIPPED_BUNDLE)), head, to, codes, snapshot)
        sink: Any = topic.Topic(Topic(), "arn")  # type: ignore[arg-type]
        sinks = Sinks(S3StateStore(bucket, BUCKET, "state"), Archive(bucket, BUCKET), (sink,))
        self._owned = OwnedLane(self._lane, Committer(sinks))
        lanes = Lanes(one_lane=True, table=self._owned, open_lane=lambda _: self._owned)
        self._source = Buffered([*self._events(case, devices, codes)])
        beside = Background(
            backfill=Backfill(Nothing(), lanes, FirstWindow()),
            mutes=Nothing(Mutes()),
            rollout=BundleRollout(Nothing(), lanes, lambda _: None),
            charts=charts.Charting(Archive(bucket, BUCKET)),
        )
        self.worker = Worker(lanes, self._source, beside, clock=lambda: self._end + LATER_S)

    @property
    def done(self) -> bool:
        """Everything is processed and durable."""
        quiet = self._lane.idle and self._owned._in_flight is None and self._lane._parts.outbox.messages == 0
        return quiet and self._lane.watermark >= self._end - 10.0

    @property
    def _end(self) -> float:
        return self._begin + max(RECORDS / DEVICES, SILENT_S)

    def _events(self, case: str, devices: Sequence[str], codes: NameTables) -> Iterator[Event]:
        shards = [f"shardId-{n}" for n in range(SHARDS)]
        for shard in shards:
            yield ShardOpened(shard, 0, None)
        yield Topology(tuple(ShardNode(shard, None, False) for shard in shards))
        rng = np.random.default_rng(7)
        row = np.arange(RECORDS)
        second, device = self._begin + row // DEVICES, row % DEVICES
        values = np.array([reading(int(at), int(of), SHARE) for at, of in zip(second, device, strict=True)])
        code = np.array([codes.devices.code(name) for name in devices], np.int32)[device]
        ts = second.astype(float)
        created = ts
        if case == "out of order":
            # All of it was written within a second, in any order.
            created = np.full(RECORDS, ts[-1] + 1.0)
            order = rng.permutation(RECORDS)
            ts, code, values = ts[order], code[order], values[order]
        of = rng.integers(0, SHARDS, RECORDS)
        for number, shard in enumerate(shards) if case != "silent" else ():
            rows = np.flatnonzero(of == number)
            for begin in range(0, len(rows), PAGE):
                page = rows[begin : begin + PAGE]
                samples = Samples.of(
                    ts[page],
                    values[page, 0],
                    values[page, 1],
                    created=created[page],
                    device=code[page],
                    shard=codes.shards.code(shard),
                )
                sequence = (page + 1).astype(str).astype(object)
                yield ShardBatch(shard, 0, samples, sequence, {}, self._end, full=False)
        nothing = Samples.empty()
        for before_s in range(PROOF_S, -1, -1):
            for shard in shards:
                yield ShardBatch(shard, 0, nothing, np.empty(0, object), {}, self._end - before_s, full=False)


def full(devices: Sequence[str]) -> tuple[Head, Snapshot, int]:
    """A head and windows of these devices without any shard, and the second that comes next."""
    objects, second = watched(devices[0])
    (folder,) = {key.rpartition("/")[0] for key in objects if key.endswith("/windows") and "/table/" not in key}
    head = Head.model_validate_json(objects[f"{folder}/head"][0])
    snapshot = Snapshot.decode(objects[f"{folder}/windows"][0])
    boundary = (second // EVERY_S + 1) * EVERY_S
    head, snapshot = more(head, snapshot, devices, later_s=boundary - BEFORE_CHARTS_S - second)
    head = head.model_copy(update={"lane": "table", "positions": {}, "released": False, "commit": snapshot.commit})
    return head, Snapshot(snapshot.commit, {}, snapshot.devices, snapshot.health), int(boundary - BEFORE_CHARTS_S)


class Buffered:
    """A `consumer.stream.source.Source` that has all its events at once, and none later."""

    def __init__(self, events: list[Event]) -> None:
        self._events = events

    def poll(self, timeout_s: float) -> list[Event]:
        """See `Source`."""
        events, self._events = self._events, []
        return events

    def health(self) -> SourceHealth:
        """See `Source`."""
        return SourceHealth()

    def begin(self) -> None:
        """See `Source`."""

    def credit(self, shard: str, epoch: int, records: int) -> None:
        """See `Source`."""

    def ack(self, shard: str, epoch: int, sequence: str) -> None:
        """See `Source`."""

    def ended(self, shard: str, epoch: int) -> None:
        """See `Source`."""

    def quiesce(self, timeout_s: float) -> None:
        """See `Source`."""

    def close(self, timeout_s: float) -> None:
        """See `Source`."""


class Nothing:
    """Tables, mutes and bundles of a worker that looks for none."""

    def __init__(self, current: Any = Offer(None)) -> None:  # noqa: B008
        self.current = current

    def ask(self, lane: str, gap: Gap, devices: Sequence[str]) -> None:
        """See `consumer.worker.table_reader.Tables`."""

    def answers(self) -> Iterator[tuple[str, Gap, Decoded]]:
        """See `consumer.worker.table_reader.Tables`."""
        return iter(())

    def begin(self) -> None:
        """See `KnownMutes` and `KnownBundles`."""

    def stop(self) -> None:
        """See `KnownMutes` and `KnownBundles`."""
