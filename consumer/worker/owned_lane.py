"""A lane and the committer of its commits: one commit in flight, while the lane fills the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

import structlog

from consumer.lane.budget import Budget, unlimited
from consumer.lane.lane import Lane
from consumer.state.commit import Commit
from consumer.stream.source import Source
from reporting.contract.health_kinds import HEALTH_COUNTERS
from reporting.message import Message

log = structlog.get_logger(__name__)


class Commits(Protocol):
    """What makes a lane's commits durable: `consumer.state.committer.Committer`, or its twin in tests."""

    def submit(self, commit: Commit) -> Future[Commit]:
        """Begin to write a commit, one at a time; the future raises `Fenced` or `Abandoned`."""

    def resend(self, messages: Sequence[Message]) -> None:
        """Publish what the last owner promised, before the first commit."""

    def stop(self) -> None:
        """Give up retrying."""

    @property
    def trouble(self) -> tuple[float, str] | None:
        """Since when a sink has been failing, and why."""


class OwnedLane:
    """A lane that this worker owns."""

    def __init__(self, lane: Lane, commits: Commits) -> None:
        self.lane = lane
        self._commits = commits
        self._in_flight: Future[Commit] | None = None
        self._published: Counter[str] = Counter()
        commits.resend(lane.promised)

    def turn(self, source: Source, now: float, budget: Budget = unlimited, *, process: bool = True) -> None:
        """Process the released records as far as ``budget`` goes, acknowledge what is durable, commit what is due.
        Raises `Fenced`."""
        if process:
            self.lane.step(now, budget)
        self._settle(source)
        if self._in_flight is None and (commit := self.lane.cut(now)) is not None:
            self._in_flight = self._commits.submit(commit)
        for shard, (epoch, records) in self.lane.grants().items():
            source.credit(shard, epoch, records)

    def finish(self, source: Source, now: float, timeout_s: float) -> None:
        """Make all that was processed durable, and release the lane. Blocks for two commits, up to ``timeout_s`` for
        each. Raises `Fenced`, `Abandoned` or TimeoutError."""
        if self._in_flight is not None:
            self._in_flight.result(timeout=timeout_s)
            self._settle(source)
        commit = self.lane.cut(now, final=True)
        if commit is not None:
            self._in_flight = self._commits.submit(commit)
            self._in_flight.result(timeout=timeout_s)
            self._settle(source)

    @property
    def watermark(self) -> float:
        """See `Lane.watermark`."""
        return self.lane.watermark

    def tally(self) -> Counter[str]:
        """What was counted since the last call: records by class, forced releases, messages, opened health notices."""
        tally, self._published = self.lane.tally() + self._published, Counter()
        return tally

    @property
    def trouble(self) -> tuple[float, str] | None:
        """Since when (epoch seconds) a commit has been failing, and why; None while all is well."""
        return self._commits.trouble

    def stop(self) -> None:
        """Give up commits that are not durable yet."""
        self._commits.stop()

    def _settle(self, source: Source) -> None:
        if self._in_flight is None or not self._in_flight.done():
            return
        commit = self._in_flight.result()
        self._in_flight = None
        for shard, position in commit.head.positions.items():
            epoch = self.lane.epoch(shard)
            if epoch is None:
                continue
            if position.sequence is not None:
                source.ack(shard, epoch, position.sequence)
            if position.ended:
                source.ended(shard, epoch)
        for message in commit.messages:
            self._published["messages"] += 1
            if message.type in HEALTH_COUNTERS and message.state == "opened":
                self._published[HEALTH_COUNTERS[message.type]] += 1
            # The archive has samples only. Without the log a health event's text would reach the subscribers alone.
            more = {"says": message.text} if message.type.startswith("health.") else {}
            log.info("told", type=message.type, severity=message.severity, device=message.device, id=message.id, **more)
