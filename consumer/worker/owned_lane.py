"""A lane and the committer of its commits: one commit in flight, while the lane fills the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

import structlog

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
        self._resending = bool(lane.promised)
        self.waits = self.holds = False
        """Another lane has a device that this one needs first, or has taken one and not stored it: nothing is
        processed, or committed, meanwhile (`consumer.worker.claims`)."""
        self.last_cut = self.stored_windows = -1
        """The numbers of the last commit, and of the last durable one with windows."""
        self.retired: bool | None = None
        """True once the last commit of a lane that is over is durable; None before `retire`."""
        commits.resend(lane.promised)

    def turn(self, source: Source, now: float, *, process: bool = True) -> None:
        """Process the released records, acknowledge what is durable, commit what is due. Raises `Fenced`."""
        if process and not self.waits:
            self.lane.step(now)
        self._settle(source, now)
        if self._in_flight is None and not self.holds and self.retired is not True:
            commit = self.lane.cut(now, final=self.retired is False)
            if commit is not None:
                self.last_cut = commit.head.commit
                self._in_flight = self._commits.submit(commit)
        for shard, (epoch, records) in self.lane.grants().items():
            source.credit(shard, epoch, records)

    def finish(self, source: Source, now: float, timeout_s: float) -> None:
        """Make all that was processed durable, and release the lane. Blocks for two commits, up to ``timeout_s`` for
        each. Raises `Fenced`, `Abandoned` or TimeoutError."""
        if self._in_flight is not None:
            self._in_flight.result(timeout=timeout_s)
            self._settle(source, now)
        if self.holds:
            return  # its last commit still has the device that another lane has taken and not stored
        commit = self.lane.cut(now, final=True)
        if commit is not None:
            self._in_flight = self._commits.submit(commit)
            self._in_flight.result(timeout=timeout_s)
            self._settle(source, now)

    @property
    def quiet(self) -> bool:
        """True while nothing that this lane or its last owner has promised is on its way."""
        return self._in_flight is None and not self._resending

    def retire(self) -> None:
        """The lane is over: release it with its next commit, and make no other."""
        self.retired = False

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

    def _settle(self, source: Source, now: float) -> None:
        if self._in_flight is None or not self._in_flight.done():
            return
        commit = self._in_flight.result()
        self._in_flight, self._resending = None, False  # the resent messages come before the first commit
        if commit.snapshot is not None:
            self.stored_windows = commit.snapshot.commit
        if self.retired is False and commit.head.released:
            self.retired = True
        if commit.rewritten.keys:
            self.lane.rewrote(commit.rewritten, now)
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
