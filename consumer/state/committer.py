"""Makes commits durable, one at a time, in the one order that is safe (rule 10)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from consumer.errors import Retry
from consumer.heartbeat import HEARTBEAT_S
from consumer.state.commit import Commit
from consumer.state.head import Head
from consumer.state.store import StateStore
from reporting.message import Message
from reporting.sinks.archive import Revision, StoredObject
from reporting.sinks.publisher import Publisher

HEAD = "head"
PARALLEL_PUTS = 16
BACKOFF_FROM_S, BACKOFF_TO_S = 0.2, 2.5  # shorter than the time between two signs of life
log = structlog.get_logger(__name__)


class Objects(Protocol):
    """Where archive, books and quarantine go: `reporting.sinks.archive.Archive`, or its twin in tests."""

    def put(self, item: StoredObject) -> None:
        """Write an object whose bytes are the same whoever writes it."""

    def put_revision(self, item: StoredObject, revision: Revision) -> bool:
        """Write an object that grows, unless a higher revision is there."""


@dataclass(frozen=True, slots=True)
class Sinks:
    """All that a commit is written to."""

    state: StateStore
    objects: Objects
    publishers: tuple[Publisher, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a commit. It may be repeated: what it writes is the same each time."""

    name: str
    call: Callable[[], object]


class Abandoned(Exception):
    """The committer was told to stop while a sink kept failing. The head, if it was written, tells the successor."""


def steps(commit: Commit, to: Sinks) -> Iterator[list[Step]]:
    """A commit as groups of steps: a group begins when all of the one before is done; within one, any order does."""
    revision = (commit.head.epoch, commit.head.commit)
    # Before the head: it moves the positions past these records, and nobody would set them aside again.
    yield [Step("quarantine", partial(to.objects.put, item)) for item in commit.quarantine]
    yield [Step(HEAD, partial(to.state.write, commit.head))]
    yield [Step("archive", partial(to.objects.put_revision, item, revision)) for item in commit.minutes]
    yield [Step("books", partial(to.objects.put, item)) for item in commit.books]
    yield publishing(commit.messages, to.publishers)
    if commit.snapshot is not None:
        body = commit.snapshot.encode()
        yield [Step("windows", partial(to.state.write_windows, body, revision))]


def publishing(messages: Sequence[Message], publishers: Sequence[Publisher]) -> list[Step]:
    """The group of steps that publishes messages, one for each publisher. A step that is repeated goes on with the
    messages that its own publisher has not taken."""
    return [Step(each.name, partial(_publish, each, list(messages))) for each in publishers]


def _publish(publisher: Publisher, waiting: list[Message]) -> None:
    waiting[:] = publisher.publish(waiting)
    if waiting:
        raise Retry(f"{len(waiting)} messages were not taken")


class Committer:
    """Writes commits on a thread of its own; a failing sink is tried again until it works or `stop` is called.

    Nothing is dropped for it: meanwhile the lane fills its one next commit, credit dries up, and reading stops.
    """

    def __init__(
        self,
        to: Sinks,
        *,
        head: Head | None = None,
        heartbeat_s: float = HEARTBEAT_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``head``: the one that stands, so that a sign of life can be given before the first commit, and then every
        ``heartbeat_s`` while a sink is slow."""
        self._heartbeat_s = heartbeat_s
        self._to = to
        self._clock = clock
        self._head = head  # the one last written
        self._failing: dict[int, tuple[float, str]] = {}
        self._owner: threading.Thread | None = None
        self._stop = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="committer")
        self._puts = ThreadPoolExecutor(PARALLEL_PUTS, thread_name_prefix="put")

    def submit(self, commit: Commit) -> Future[Commit]:
        """Begin to write a commit. The future gives it back when all of it is durable, or raises `Fenced` or
        `Abandoned`. One at a time: submit no other before that."""
        return self._thread.submit(self._write, commit)

    @property
    def trouble(self) -> tuple[float, str] | None:
        """Since when (epoch seconds) a sink has been failing, and how; None while all is well."""
        return min(self._failing.values(), default=None)

    def resend(self, messages: Sequence[Message]) -> None:
        """Send again what the last owner promised; it goes before the first commit."""
        if messages:
            self._thread.submit(self._resend, messages)

    def stop(self) -> None:
        """Give up retrying and end the threads."""
        # Without waiting: a call to a sink that hangs ends with its own time-out, and whoever stops us has less time.
        self._stop.set()
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._puts.shutdown(wait=False, cancel_futures=True)

    def _resend(self, messages: Sequence[Message]) -> None:
        self._owner = threading.current_thread()
        self._carry_out(publishing(messages, self._to.publishers))

    def _write(self, commit: Commit) -> Commit:
        self._owner = threading.current_thread()
        for group in steps(commit, self._to):
            self._carry_out(group)
            if group and group[0].name == HEAD:
                self._head = commit.head
        return commit

    def _carry_out(self, group: list[Step]) -> None:
        """Carry out all steps of a group, at the same time where there are several."""
        if len(group) == 1:
            self._until_done(group[0])
            return
        waiting = {self._puts.submit(self._until_done, step) for step in group}
        while waiting:
            done, waiting = wait(waiting, timeout=self._heartbeat_s / 2, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
            self._beat()

    def _beat(self) -> None:
        """A sign of life in the head while a sink is slow or down: a lane whose owner waits for SNS has an owner."""
        if self._head is None or threading.current_thread() is not self._owner:
            return
        now = self._clock()
        if now - self._head.heartbeat >= self._heartbeat_s:
            beat = self._head.model_copy(update={"heartbeat": now})
            try:
                self._to.state.write(beat)
            except Retry as error:
                log.warning("no heartbeat, will retry", error=str(error))
            else:
                self._head = beat

    def _until_done(self, step: Step) -> None:
        backoff_s = BACKOFF_FROM_S
        while True:
            try:
                step.call()
            except (Retry, ClientError, BotoCoreError) as error:
                log.warning("commit step failed, will retry", step=step.name, error=str(error), retry_in_s=backoff_s)
                self._failing.setdefault(id(step), (self._clock(), f"{step.name}: {error}"))
                self._beat()
                if self._stop.wait(backoff_s):
                    raise Abandoned(f"{step.name}: {error}") from error
                backoff_s = min(backoff_s * 2, BACKOFF_TO_S, self._heartbeat_s / 2)
            else:
                self._failing.pop(id(step), None)
                return
