"""Makes commits durable, one at a time, in the one order that is safe (rule 10)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from consumer.commit import Commit
from consumer.errors import Fenced, Retry
from consumer.state import HeadStore
from reporting.archive import Archive, StoredObject
from reporting.topic import Topic

PARALLEL_PUTS = 16
BACKOFF_FROM_S, BACKOFF_TO_S = 0.2, 20.0
log = structlog.get_logger(__name__)


class Abandoned(Exception):
    """The committer was told to stop while a sink kept failing. The head, if it was written, tells the successor."""


class Committer:
    """Writes commits on a thread of its own; a failing sink is tried again until it works or `stop` is called.

    Nothing is dropped for it: meanwhile the lane fills its one next commit, credit dries up, and reading stops.
    """

    def __init__(self, store: HeadStore, archive: Archive, topic: Topic) -> None:
        self._store = store
        self._archive = archive
        self._topic = topic
        self._stop = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="committer")
        self._puts = ThreadPoolExecutor(PARALLEL_PUTS, thread_name_prefix="put")

    def submit(self, commit: Commit) -> Future[Commit]:
        """Begin to write a commit. The future gives it back when all of it is durable, or raises `Fenced` or
        `Abandoned`. One at a time: submit no other before that."""
        return self._thread.submit(self._write, commit)

    def stop(self) -> None:
        """Give up retrying and end the threads."""
        self._stop.set()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._puts.shutdown(wait=True, cancel_futures=True)

    def _write(self, commit: Commit) -> Commit:
        self._until_done("head", lambda: self._store.write(commit.head))
        revision = (commit.head.epoch, commit.head.commit)
        self._put_all("archive", commit.minutes, lambda item: self._archive.put_revision(item, revision))
        self._put_all("objects", commit.objects, self._archive.put)
        waiting = list(commit.messages)

        def publish() -> None:
            waiting[:] = self._topic.publish(waiting)
            if waiting:
                raise Retry(f"{len(waiting)} messages were not taken")

        self._until_done("topic", publish)
        return commit

    def _put_all(self, name: str, items: Sequence[StoredObject], put: Callable[[StoredObject], object]) -> None:
        for done in [self._puts.submit(self._until_done, name, partial(put, item)) for item in items]:
            done.result()

    def _until_done(self, what: str, call: Callable[[], object]) -> None:
        backoff_s = BACKOFF_FROM_S
        while True:
            try:
                call()
            except Fenced:
                raise
            except (Retry, ClientError, BotoCoreError) as error:
                log.warning("commit step failed, will retry", step=what, error=str(error), retry_in_s=backoff_s)
                if self._stop.wait(backoff_s):
                    raise Abandoned(f"{what}: {error}") from error
                backoff_s = min(backoff_s * 2, BACKOFF_TO_S)
            else:
                return
