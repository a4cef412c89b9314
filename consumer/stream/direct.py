"""The direct source: a few threads read the shards with boto3.

`DirectSource.step` does one piece of work, a listing or one page of a shard, and returns when the next is due. The
threads only call it in a loop, so a test can call it in any order on its own clock.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

import structlog

from consumer.errors import BatteryWatchError, ConfigurationError, Retry, Vanished
from consumer.stream.agenda import Agenda, Due
from consumer.stream.client import Streams
from consumer.stream.discovery import DISCOVER_S, Discovery, StartPoint
from consumer.stream.ending import StreamEnd
from consumer.stream.page_reader import POLL_S, Calls, PageReader
from consumer.stream.records import Decoder
from consumer.stream.service_time import ServiceTime
from consumer.stream.shard import Failures, Shard
from consumer.stream.source import (
    Clock,
    Event,
    Failed,
    ShardEnded,
    ShardGone,
    ShardOpened,
    SourceHealth,
)
from consumer.stream.trouble import Trouble

log = structlog.get_logger(__name__)


class DirectSource:
    """A `Source` over the stream calls.

    ``start``: where reading begins. Shards that appear later are read from their beginning, a parent to its end before
    its children. ``clock``: epoch seconds of this host. They count until the service says its own time. The schedule
    runs on ``monotonic`` seconds.
    """

    def __init__(
        self,
        streams: Streams,
        decoder: Decoder,
        start: StartPoint,
        *,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
        threads: int = 4,
    ) -> None:
        time_of_service = ServiceTime(clock, monotonic)
        self._monotonic = monotonic
        self._discovery = Discovery(streams, start, time_of_service)
        self._lock = threading.Lock()
        self._shards: dict[str, Shard] = {}
        self._agenda = Agenda()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._unlisted = Failures()
        self._listing = threading.Lock()
        self._last_turn_at: dict[int, float] = {}
        self._trouble = Trouble(monotonic)
        self._end = StreamEnd(streams)
        self._reader = PageReader(
            Calls(streams, decoder, time_of_service),
            self._discovery,
            self._trouble,
            self._events.put,
            self._agenda.list,
        )
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
            known.allow(records)

    def ack(self, shard: str, epoch: int, sequence: str) -> None:
        """Nothing to do: the lane's head holds the positions."""

    def ended(self, shard: str, epoch: int) -> None:
        """Nothing to do: the lane's head holds the positions."""

    def quiesce(self, timeout_s: float) -> None:
        """See `Source`. It does not wait longer for a reader in the middle of a call; that page is dropped."""
        self._stopping.set()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))

    def close(self, timeout_s: float) -> None:
        """Nothing to do: it holds no lease."""

    def health(self) -> SourceHealth:
        """See `Source`."""
        return SourceHealth(
            alive=all(thread.is_alive() for thread in self._threads),
            idle_s=(now := self._monotonic()) - min(self._last_turn_at.values(), default=now),
            trouble=str(self._trouble),
            superseded=self._end.superseded,
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
            now = self._monotonic()
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
            reading = dict(self._shards)
        try:
            found = self._discovery.list_shards(reading)
        except (Retry, Vanished, ConfigurationError) as error:
            self._agenda.list(self._list_later(error, now))
            return
        self._trouble.answered("")
        self._unlisted = Failures()
        self._end.listed(ended=found.ended)
        self._report_end()
        for begin in found.begin:
            node = begin.node
            with self._lock:
                self._shards[node.shard] = Shard(node.shard, 0, begin.position, begin.kind)
            self._events.put(ShardOpened(node.shard, 0, node.parent, begin.position.since, node.closed))
            self._agenda.read(node.shard, now)
        for shard in reading.values():
            if shard.may_be_over and self._discovery.over(shard.name):
                self._agenda.hasten(shard.name, now)
        if found.topology is not None:
            self._events.put(found.topology)
        self._agenda.list(now + found.again_s)

    def _list_later(self, error: BatteryWatchError, now: float) -> float:
        """The listing has failed. Returns when to list again."""
        again = self._unlisted.add(now, DISCOVER_S)
        if isinstance(error, ConfigurationError):
            self._events.put(Failed(None, str(error)))
            self._trouble.refused("", str(error))
            return now + DISCOVER_S
        if isinstance(error, Vanished) and self._end.missing(now):
            self._discovery.stream_missing()
            self._report_end()
        log.warning("listing shards failed, will retry", error=str(error), retry_in_s=again - now)
        self._trouble.failed("", f"the shards cannot be listed: {error}", self._unlisted.for_s(now))
        return again

    def _report_end(self) -> None:
        if self._end.reason and self._end.reason != self._trouble.ended:
            self._events.put(Failed(None, self._end.reason))
        self._trouble.ended = self._end.reason

    def _read(self, shard: Shard, now: float) -> None:
        """Read one page of a shard, and put its next page on the agenda."""
        again = self._reader.read(shard, now)
        if isinstance(again, ShardEnded | ShardGone):
            self._finish(shard, again, now)
        else:
            self._agenda.read(shard.name, again)

    def _finish(self, shard: Shard, over: ShardEnded | ShardGone, now: float) -> None:
        """A shard is not read any more."""
        self._events.put(over)
        # After the event: from here on another thread may open the children, and the parent must end first.
        self._trouble.forget(shard.name)
        with self._lock:
            # In this order: a listing in between finds the shard in one of both, and does not read it again.
            self._discovery.finished(shard.name)
            self._shards.pop(shard.name, None)
        self._agenda.list(now)
