"""The worker's real classes over an account in memory: as a process has them, or turned step by step on one thread.

`consumer.worker.assembly.Assembly` puts the worker together, so only the names that are exchanged for the steps are
known here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import boto3

from benchmarks.account import BUCKET, TOPIC_ARN, Account, Stored
from benchmarks.charges import TABLE
from benchmarks.tape import ARN, LABEL, Tape
from consumer.aws import session
from consumer.settings import SHIPPED_BUNDLE, Settings
from consumer.state.commit import Commit
from consumer.state.committer import Outgoing, Sinks, Step, steps
from consumer.state.delivery import Delivered
from consumer.stream.client import Stream
from consumer.stream.direct import DirectSource
from consumer.worker import assembly
from consumer.worker.liveness import LivenessFile
from consumer.worker.worker import Worker
from reporting.message import Message
from scoring.bundle import Bundle, load

START_S = 120.0


def settings(**more: Any) -> Settings:
    """Those of a worker, from nothing of the environment."""
    known = {"table": TABLE, "bucket": BUCKET, "region": "us-east-1", "topic_arn": TOPIC_ARN, "start": "trim_horizon"}
    return Settings(**{**known, **more})


class Engine:
    """A worker over a table that is keyed by device. ``objects`` lie in the bucket: what a last owner left.

    ``stepped``: it has no threads, draws no charts, and writes its commits at once; `run_to` turns it.
    """

    def __init__(
        self,
        tape: Tape,
        *,
        objects: Mapping[str, Stored] | None = None,
        stepped: bool = True,
    ) -> None:
        self._sources: list[Any] = []
        self.account = Account(session("us-east-1"), tape)
        self.account.bucket.objects.update(objects or {})
        stream = Stream(ARN, LABEL, "device", "ts")
        bundle: Bundle = load(SHIPPED_BUNDLE)
        with ExitStack() as exchanged:
            for name, part in (self._parts() if stepped else {}).items():
                exchanged.enter_context(patch.object(assembly, name, part))
            put_together = assembly.Assembly(cast(boto3.Session, self.account), settings(), bundle, stream)
            worker = put_together.worker(LivenessFile(Path("/dev/null/liveness")), threading.Event())
            assert worker is not None
            self.worker: Worker = worker
            if stepped:
                # The lane of a shard is opened when the shard is met: with the parts exchanged as well.
                self._until(lambda: self.worker.watching, pause_s=0.02)

    def run_to(self, watermark: float) -> None:
        """Turn until everything before ``watermark`` (epoch seconds) is processed."""
        self._until(lambda: self.watermark >= watermark)

    @property
    def watermark(self) -> float:
        """Of the lane that is furthest behind, epoch seconds."""
        return min((owned.watermark for owned in self.worker._lanes.reading), default=-inf)

    def turn(self) -> float:
        """Read at most one page and process it; when to read again (`time.monotonic`)."""
        (source,) = self._sources
        wake = float(source.step(time.monotonic()))
        self.worker.turn(0.0)
        return wake

    def _until(self, over: Callable[[], bool], pause_s: float = 0.0) -> None:
        deadline = time.monotonic() + START_S
        while not over():
            wait_s = max(pause_s, self.turn() - time.monotonic())
            if wait_s > 0:
                time.sleep(wait_s)
            assert time.monotonic() < deadline, "the worker does not get on"

    def _parts(self) -> dict[str, Any]:
        real = partial(DirectSource, threads=0)

        def source(*args: Any, **more: Any) -> Any:
            self._sources.append(real(*args, **more))
            return self._sources[-1]

        return {"DirectSource": source, "Committer": AtOnce, "Charting": NoCharting}


class AtOnce:
    """The steps of `consumer.state.committer.Committer`, on the caller's thread."""

    trouble = None

    def __init__(self, to: Sinks, **_: Any) -> None:
        self._to = to

    def submit(self, commit: Commit) -> Future[Delivered]:
        """See `Committer`."""
        outgoing = Outgoing(commit.messages, self._to, commit.head.undelivered)
        return self._carry_out(steps(commit, self._to, outgoing), outgoing)

    def resend(self, messages: Sequence[Message], episodes: Iterable[str] = ()) -> Future[Delivered]:
        """See `Committer`."""
        outgoing = Outgoing(messages, self._to, episodes)
        return self._carry_out([outgoing.steps()], outgoing)

    @staticmethod
    def _carry_out(groups: Iterable[list[Step]], outgoing: Outgoing) -> Future[Delivered]:
        for group in groups:
            for step in group:
                step.call()
        done: Future[Delivered] = Future()
        done.set_result(outgoing.result)
        return done

    def stop(self) -> None:
        """See `Committer`."""


class NoCharting:
    """`consumer.worker.charts.Charting` that draws nothing: that is another process's work."""

    def __init__(self, archive: object) -> None:
        pass

    def draw(self, requests: object) -> None:
        """See `Charting`."""

    def finish(self, timeout_s: float) -> None:
        """See `Charting`."""
