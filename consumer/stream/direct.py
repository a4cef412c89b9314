"""The direct source: a few threads read the shards with boto3.

`DirectSource.step` does one piece of work, a listing or one page of a shard, and returns when the next is due. The
threads only call it in a loop, so a test can call it in any order on its own clock.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from time import monotonic

import structlog

from consumer.errors import ConfigurationError, Expired, Retry, Trimmed, Vanished
from consumer.stream.agenda import Agenda, Due
from consumer.stream.client import IteratorType, Page, Streams
from consumer.stream.discovery import DISCOVER_S, Discovery, StartPoint
from consumer.stream.records import Decoder
from consumer.stream.source import (
    Clock,
    Event,
    Failed,
    Gap,
    Position,
    ShardBatch,
    ShardEnded,
    ShardGone,
    ShardOpened,
    SourceHealth,
)
from consumer.stream.trouble import Trouble

PAGE, PAGE_BYTES = 1000, 900_000
"""GetRecords returns 1,000 records or 1 MB. A page of almost 1 MB counts as cut, so more records may wait."""
POLL_S = 0.2
RETRY_FROM_S, RETRY_TO_S = 0.5, 30.0
FAILURES_OF_AN_ITERATOR = 3
"""After this many failures in a row the next read takes a new iterator."""
MISSING_IS_TROUBLE_S, GONE_AFTER_S = 60.0, 15 * 60.0
"""A shard that is listed and cannot be read makes the worker unhealthy after the first time, and counts as gone, with a
gap, after the second: the lane waits for it meanwhile."""
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Shard:
    """The state of a shard that is being read."""

    name: str
    epoch: int
    position: Position
    kind: IteratorType
    iterator: str | None = None
    credit: int = 0
    backoff_s: float = RETRY_FROM_S
    failures: int = 0
    renewed: bool = False

    def drop_iterator(self) -> None:
        """The next read takes a new iterator behind the last record. Never LATEST again: what was written since the
        first iterator would be skipped."""
        self.iterator = None
        self.kind = "AFTER_SEQUENCE_NUMBER" if self.position.sequence else "TRIM_HORIZON"
        self.renewed = True


class DirectSource:
    """A `Source` over the stream calls.

    ``start``: where reading begins. Shards that appear later are read from their beginning, a parent to its end before
    its children. ``clock``: epoch seconds; the schedule runs on monotonic seconds.
    """

    def __init__(
        self,
        streams: Streams,
        decoder: Decoder,
        start: StartPoint,
        *,
        clock: Clock,
        threads: int = 4,
    ) -> None:
        self._streams = streams
        self._decoder = decoder
        self._discovery = Discovery(streams, start, clock)
        self._clock = clock
        self._lock = threading.Lock()
        self._shards: dict[str, _Shard] = {}
        self._agenda = Agenda()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._list_backoff_s = RETRY_FROM_S
        self._listing = threading.Lock()
        self._last_turn_at: dict[int, float] = {}
        self._trouble = Trouble(clock)
        self._superseded = False
        self._agenda.list(0.0)
        self._threads = [threading.Thread(target=self._run, name=f"reader-{n}", daemon=True) for n in range(threads)]

    def begin(self) -> None:
        """Start the reader threads."""
        for thread in self._threads:
            thread.start()

    def poll(self, timeout_s: float) -> list[Event]:
        """See `Source`."""
        events: list[Event] = []
        try:
            events.append(self._events.get(timeout=timeout_s) if timeout_s > 0 else self._events.get_nowait())
            while True:
                events.append(self._events.get_nowait())
        except queue.Empty:
            return events

    def credit(self, shard: str, epoch: int, records: int) -> None:
        """See `Source`."""
        with self._lock:
            known = self._shards.get(shard)
            if known is not None and known.epoch == epoch:
                known.credit += records

    def ack(self, shard: str, epoch: int, sequence: str) -> None:
        """Nothing to do: the lane's head holds the positions."""

    def ended(self, shard: str, epoch: int) -> None:
        """Nothing to do: the lane's head holds the positions."""

    def quiesce(self, timeout_s: float) -> None:
        """See `Source`. It does not wait longer for a reader in the middle of a call; that page is dropped."""
        self._stopping.set()
        deadline = monotonic() + timeout_s
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - monotonic()))

    def close(self, timeout_s: float) -> None:
        """Nothing to do: it holds no lease."""

    def health(self) -> SourceHealth:
        """See `Source`."""
        return SourceHealth(
            alive=all(thread.is_alive() for thread in self._threads),
            idle_s=monotonic() - min(self._last_turn_at.values(), default=monotonic()),
            trouble=str(self._trouble),
            superseded=self._superseded,
        )

    def step(self, now: float) -> float:
        """Do one piece of work that is due at ``now`` (monotonic seconds). Blocks for its calls. Returns when more is
        due."""
        due = self._agenda.take(now)
        if not isinstance(due, Due):
            return now + POLL_S if due is None else due
        if due.shard is None:
            with self._listing:  # two listings at once would open a shard twice
                self._discover(now)
        elif (shard := self._shards.get(due.shard)) is not None:
            self._read(shard, now)
        return now

    def _run(self) -> None:
        while not self._stopping.is_set():
            now = monotonic()
            self._last_turn_at[threading.get_ident()] = now
            try:
                wake = self.step(now)
            except Exception as error:  # a reader must not die silently: the worker stops when one is dead
                log.exception("reader failed")
                self._events.put(Failed(None, f"reader failed: {error!r}"))
                return
            if wake > now:
                self._stopping.wait(min(wake - now, POLL_S))

    def _discover(self, now: float) -> None:
        """List all shards and open those that may begin."""
        with self._lock:
            reading = set(self._shards)
        try:
            found = self._discovery.list_shards(reading)
        except Retry as error:
            log.warning("listing shards failed, will retry", error=str(error), retry_in_s=self._list_backoff_s)
            self._agenda.list(now + self._list_backoff_s)
            self._list_backoff_s = min(self._list_backoff_s * 2, DISCOVER_S)
            return
        except (Vanished, ConfigurationError) as error:
            self._events.put(Failed(None, str(error)))
            self._trouble.refused("", str(error))
            if isinstance(error, Vanished):
                self._discovery.stream_missing()
                self._check_superseded()
            self._agenda.list(now + DISCOVER_S)
            return
        self._trouble.answered("")
        self._list_backoff_s = RETRY_FROM_S
        self._trouble.ended = ""
        if found.ended:
            self._check_superseded()
        for begin in found.begin:
            node = begin.node
            with self._lock:
                self._shards[node.shard] = _Shard(node.shard, 0, begin.position, begin.kind)
            self._events.put(ShardOpened(node.shard, 0, node.parent, begin.position.since, node.closed))
            self._agenda.read(node.shard, now)
        if found.topology is not None:
            self._events.put(found.topology)
        self._agenda.list(now + found.again_s)

    def _check_superseded(self) -> None:
        """Nothing is written to this stream any more: does the table have a newer one? A reader that kept the old
        positions would skip every record of it, as EventBridge Pipes does."""
        try:
            self._superseded = any(label > self._streams.label for label in self._streams.labels())
        except (Retry, Vanished, ConfigurationError) as error:
            log.warning("listing the table's streams failed, will retry", error=str(error))
        self._trouble.end(superseded=self._superseded)

    def _read(self, shard: _Shard, now: float) -> None:
        """Read one page of a shard, and put its next page on the agenda."""
        asked_at = self._clock()
        try:
            if shard.iterator is None:
                shard.iterator = self._streams.iterator(shard.name, shard.kind, shard.position.sequence)
            with self._lock:
                limit = min(PAGE, shard.credit)
            if limit <= 0:
                self._agenda.read(shard.name, now + POLL_S)
                return
            page = self._streams.records(shard.iterator, limit)
        except Retry as error:
            log.warning("reading a shard failed, will retry", shard=shard.name, error=str(error))
            shard.failures += 1
            if shard.failures >= FAILURES_OF_AN_ITERATOR:
                shard.drop_iterator()  # the fault may be the iterator's own
            self._read_later(shard, now)
        except Expired:
            shard.drop_iterator()
            shard.failures += 1
            # An iterator that was used for minutes expires by itself. A fresh one that does would be a hot loop.
            self._read_later(shard, now) if shard.failures > 1 else self._agenda.read(shard.name, now)
        except Trimmed:
            self._events.put(Gap(shard.name, shard.epoch, shard.position.sequence, "trimmed: the stream keeps 24 h"))
            shard.iterator, shard.kind = None, "TRIM_HORIZON"
            shard.position = Position(None, since=shard.position.since)
            self._agenda.read(shard.name, now)
        except Vanished as error:
            self._miss(shard, now, str(error))
        except ConfigurationError as error:
            self._events.put(Failed(shard.name, str(error)))
            self._trouble.refused(shard.name, str(error))
            self._agenda.read(shard.name, now + RETRY_TO_S)
        else:
            self._trouble.answered(shard.name)
            self._discovery.trust(shard.name)
            shard.backoff_s, shard.failures = RETRY_FROM_S, 0
            if page.records or page.next_iterator is not None:
                self._deliver(shard, page, limit, asked_at)
            shard.iterator = page.next_iterator
            if page.next_iterator is None:
                # No empty batch before it: a closed shard is never idle (rule 5). Newer records are in its children.
                self._events.put(ShardEnded(shard.name, shard.epoch))
                # After the event: from here on another thread may open the children, and the parent must end first.
                self._forget(shard)
                self._agenda.list(now)
            else:
                self._agenda.read(shard.name, now if page.records else now + POLL_S)

    def _read_later(self, shard: _Shard, now: float) -> None:
        self._agenda.read(shard.name, now + shard.backoff_s)
        shard.backoff_s = min(shard.backoff_s * 2, RETRY_TO_S)

    def _miss(self, shard: _Shard, now: float, reason: str) -> None:
        """The stream says that it lacks a shard. That is true once the listings lack it as well. Until then it is a
        fault like others: one false answer must not end a shard that goes on (rule 25)."""
        missing_s = self._discovery.doubt(shard.name, now)
        if self._discovery.gone(shard.name) or missing_s >= GONE_AFTER_S:
            self._events.put(ShardGone(shard.name, shard.epoch, reason))
            self._trouble.forget(shard.name)
            self._forget(shard)
            self._agenda.list(now)
            return
        log.warning("the stream does not have a shard that is listed, will retry", shard=shard.name, error=reason)
        if missing_s >= MISSING_IS_TROUBLE_S:
            self._trouble.refused(shard.name, f"shard {shard.name} is listed, but cannot be read: {reason}")
        shard.drop_iterator()
        self._agenda.list(now)
        self._read_later(shard, now)

    def _deliver(self, shard: _Shard, page: Page, limit: int, asked_at: float) -> None:
        records = page.records
        since = shard.position.since
        if since is not None and shard.position.sequence is None and shard.kind == "TRIM_HORIZON":
            # The shard was to begin at its tip, and the iterator expired before the first record. It is read from the
            # horizon instead, without what is older than the tip. Creation times have whole seconds, hence int().
            records = [r for r in records if float(r["dynamodb"]["ApproximateCreationDateTime"]) >= int(since)]
            if page.records and not records:
                return  # an empty batch would mean that the shard is idle
        decoded = self._decoder.page(shard.name, records)
        if records:
            shard.position = Position(str(decoded.sequence[-1]))
        with self._lock:
            shard.credit -= len(records)
        size = sum(record["dynamodb"].get("SizeBytes", 0) for record in page.records)
        full = len(page.records) >= limit or size >= PAGE_BYTES
        samples, sequence, rejects = decoded.samples, decoded.sequence, decoded.rejects
        self._events.put(ShardBatch(shard.name, shard.epoch, samples, sequence, rejects, asked_at, full, shard.renewed))
        shard.renewed = False

    def _forget(self, shard: _Shard) -> None:
        with self._lock:
            # In this order: a listing in between finds the shard in one of both, and does not read it again.
            self._discovery.finished(shard.name)
            self._shards.pop(shard.name, None)
