"""Makes commits durable, one at a time, in the one order that is safe (rule 10)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from consumer.errors import Retry
from consumer.heartbeat import HEARTBEAT_S
from consumer.state.commit import Commit
from consumer.state.delivery import Delivered, Delivery, together
from consumer.state.head import Head
from consumer.state.store import StateStore
from reporting.message import Message
from reporting.sinks.archive import Revision, StoredObject
from reporting.sinks.publisher import Publisher

HEAD = "head"
PARALLEL_PUTS = 16
BACKOFF_FROM_S, BACKOFF_TO_S = 0.2, 2.5
"""The longest back-off is shorter than the time between two heartbeats: a thread that waits writes none."""
UNFULFILLED = -1
"""The commit of windows that prove nothing: no head has this number."""
log = structlog.get_logger(__name__)


class Objects(Protocol):
    """Where archive, ledger, quarantine and undelivered messages go: `reporting.sinks.archive.Archive`, or its twin in
    tests."""

    bucket: str

    def put(self, item: StoredObject) -> None:
        """Write an object whose bytes are the same for every owner."""

    def put_revision(self, item: StoredObject, revision: Revision) -> Revision:
        """Write an object that grows, unless a higher revision is stored. Returns the one that is there afterwards."""


@dataclass(frozen=True, slots=True)
class Sinks:
    """Everything that a commit writes to."""

    state: StateStore
    objects: Objects
    publishers: tuple[Publisher, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a commit. It may be repeated: what it writes is the same each time."""

    name: str
    call: Callable[[], object]


class Abandoned(Exception):
    """The committer was stopped while a sink kept failing. If the head was written, a successor does the rest."""


class Outgoing:
    """The messages of a commit on their way to all publishers. ``episodes``: ids of those that are set aside."""

    def __init__(self, messages: Sequence[Message], to: Sinks, episodes: Iterable[str] = ()) -> None:
        self._messages = messages
        self._deliveries = [Delivery(each, to.objects, messages, episodes) for each in to.publishers]

    def steps(self) -> list[Step]:
        """One step for each publisher. A repeated step sends what its own publisher has not answered yet."""
        return [Step(each.name, each.run) for each in self._deliveries]

    @property
    def result(self) -> Delivered:
        """What became of the messages, once all steps are done."""
        return together([each.result for each in self._deliveries], self._messages)


def steps(commit: Commit, to: Sinks, outgoing: Outgoing) -> Iterator[list[Step]]:
    """A commit as groups of steps. A group begins when the one before is done; the steps of a group have no order.
    ``outgoing``: the commit's messages."""
    written = _Revised(commit, to)
    # Before the head, which moves the positions past these records: after a crash nobody would quarantine them again.
    yield [Step("quarantine", partial(to.objects.put, item)) for item in commit.quarantine]
    # The head before all that is published. It fences other owners, and its outbox promises what follows: after a crash
    # a successor sends the messages and rewrites the minutes.
    yield [Step(HEAD, partial(to.state.write, commit.head))]
    yield [Step("archive", partial(written.put, item)) for item in commit.minutes]
    yield from written.again()
    yield [Step("ledger", partial(to.objects.put, item)) for item in (*commit.ledger, *commit.scored_minutes)]
    yield outgoing.steps()
    # The windows last: windows of the head's own commit prove to a successor that all that the head promised was done.
    # If a message is carried or was set aside, they must not prove that: the next head knows of it, this one does not.
    if commit.snapshot is not None:
        whole = outgoing.result.complete
        snapshot = commit.snapshot if whole else replace(commit.snapshot, commit=UNFULFILLED)
        yield [Step("windows", partial(written.put_windows, snapshot.encode()))]
        yield from written.again()


class _Revised:
    """Writes the objects of a commit that have a revision. A higher one is there if a counter began again (a head was
    lost, a backup restored) or if another worker owns the lane by now. Writing the head tells which."""

    def __init__(self, commit: Commit, to: Sinks) -> None:
        self._commit = commit
        self._to = to
        self._epoch = commit.head.epoch
        self._refused: dict[str, tuple[int, Callable[[], object]]] = {}

    def put(self, item: StoredObject) -> None:
        """Write a minute of the archive, or note that it was refused."""
        there = self._to.objects.put_revision(item, self._revision)
        self._note(item.key, there, partial(self.put, item))

    def put_windows(self, body: bytes) -> None:
        """Write the windows, or note that they were refused."""
        there = self._to.state.write_windows(body, self._revision)
        self._note("windows", there, partial(self.put_windows, body))

    def again(self) -> Iterator[list[Step]]:
        """Write what was refused, in a higher epoch, once the head is written in that epoch: it raises `Fenced` if the
        lane has another owner."""
        while self._refused:
            refused, self._refused = self._refused, {}
            self._epoch = max(self._epoch, *(epoch for epoch, _ in refused.values())) + 1
            log.warning("objects of a higher revision are written again", keys=sorted(refused), epoch=self._epoch)
            head = self._commit.head.model_copy(update={"epoch": self._epoch})
            self._commit.rewritten.epoch = self._epoch
            self._commit.rewritten.keys += refused
            yield [Step(HEAD, partial(self._to.state.write, head))]
            yield [Step("archive", call) for _, call in refused.values()]

    @property
    def _revision(self) -> Revision:
        return self._epoch, self._commit.head.commit

    def _note(self, key: str, there: Revision, again: Callable[[], object]) -> None:
        if there != self._revision:
            self._refused[key] = there[0], again


class Committer:
    """Writes commits on its own thread. It retries a failing sink until it works or `stop` is called.

    Nothing is dropped: meanwhile the lane fills its one next commit, the credit runs out, and reading stops.
    """

    def __init__(
        self,
        to: Sinks,
        *,
        head: Head | None = None,
        heartbeat_s: float = HEARTBEAT_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``head``: as it was claimed. It is written with a new heartbeat every ``heartbeat_s`` while a sink is slow,
        also before the first commit."""
        self._heartbeat_s = heartbeat_s
        self._to = to
        self._clock = clock
        self._head = head  # as last written
        self._failing: dict[int, tuple[float, str]] = {}
        self._beating = threading.Lock()
        self._stop = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="committer")
        self._puts = ThreadPoolExecutor(PARALLEL_PUTS, thread_name_prefix="put")

    def submit(self, commit: Commit) -> Future[Delivered]:
        """Begin to write a commit. When all of it is durable, the future returns what became of its messages; it raises
        `Fenced` or `Abandoned`. Submit the next one only after that, with the messages that were carried."""
        return self._thread.submit(self._write, commit)

    @property
    def trouble(self) -> tuple[float, str] | None:
        """Since when (epoch seconds) a sink has been failing, and why; None while all is well."""
        return min(self._failing.values(), default=None)

    def resend(self, messages: Sequence[Message], episodes: Iterable[str] = ()) -> Future[Delivered]:
        """Publish again what the last owner promised, before the first commit. ``episodes``: those that it had set
        aside. The future is that of `submit`."""
        return self._thread.submit(self._resend, messages, episodes)

    def stop(self) -> None:
        """Give up retrying and end the threads."""
        # Without waiting: a call that hangs ends with its own time-out, and a stop has less time than that.
        self._stop.set()
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._puts.shutdown(wait=False, cancel_futures=True)

    def _resend(self, messages: Sequence[Message], episodes: Iterable[str]) -> Delivered:
        outgoing = Outgoing(messages, self._to, episodes)
        if messages:
            self._carry_out(outgoing.steps())
        return outgoing.result

    def _write(self, commit: Commit) -> Delivered:
        outgoing = Outgoing(commit.messages, self._to, commit.head.undelivered)
        for group in steps(commit, self._to, outgoing):
            self._carry_out(group)
            if group and group[0].name == HEAD:
                epoch = max(commit.head.epoch, commit.rewritten.epoch)
                self._head = commit.head.model_copy(update={"epoch": epoch})
        return outgoing.result

    def _carry_out(self, group: list[Step]) -> None:
        """Carry out all steps of a group, in parallel. While they last, this thread writes heartbeats: one call of a
        sink that hangs may take longer than a stand-by waits."""
        if group and group[0].name == HEAD:
            self._retry_until_done(group[0])  # it is a heartbeat itself
            return
        waiting = {self._puts.submit(self._retry_until_done, step) for step in group}
        while waiting:
            done, waiting = wait(waiting, timeout=self._heartbeat_s / 2, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
            self._write_heartbeat()

    def _write_heartbeat(self) -> None:
        """Write a heartbeat while a sink is slow or down. Without it a stand-by would take the lane over, only to wait
        for the same sink."""
        # One thread at a time: two writers would fence each other by the head's ETag. No step runs beside the head's.
        if self._head is None or not self._beating.acquire(blocking=False):
            return
        try:
            now = self._clock()
            if now - self._head.heartbeat >= self._heartbeat_s:
                beat = self._head.model_copy(update={"heartbeat": now})
                self._to.state.write(beat)
                self._head = beat
        except Retry as error:
            log.warning("no heartbeat, will retry", error=str(error))
        finally:
            self._beating.release()

    def _retry_until_done(self, step: Step) -> None:
        backoff_s = BACKOFF_FROM_S
        while True:
            try:
                step.call()
            except (Retry, ClientError, BotoCoreError) as error:
                log.warning("commit step failed, will retry", step=step.name, error=str(error), retry_in_s=backoff_s)
                self._failing.setdefault(id(step), (self._clock(), f"{step.name}: {error}"))
                self._write_heartbeat()
                if self._stop.wait(backoff_s):
                    raise Abandoned(f"{step.name}: {error}") from error
                backoff_s = min(backoff_s * 2, BACKOFF_TO_S, self._heartbeat_s / 2)
            else:
                self._failing.pop(id(step), None)
                return
