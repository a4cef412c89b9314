"""A lane and the committer of its commits: one commit in flight, while the lane fills the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Protocol

import orjson
import structlog

from consumer.lane.budget import Budget, unlimited
from consumer.lane.lane import Lane
from consumer.state.commit import Commit
from consumer.state.delivery import Delivered
from consumer.stream.source import Source
from reporting.contract.health_kinds import HEALTH_COUNTERS
from reporting.message import Message

log = structlog.get_logger(__name__)


class Commits(Protocol):
    """What makes a lane's commits durable: `consumer.state.committer.Committer`, or its twin in tests."""

    def submit(self, commit: Commit) -> Future[Delivered]:
        """Begin to write a commit, one at a time; the future returns what became of its messages, or raises `Fenced` or
        `Abandoned`."""

    def resend(self, messages: Sequence[Message], episodes: Iterable[str] = ()) -> Future[Delivered]:
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
        self._published: Counter[str] = Counter()
        self.waits = self.holds = False
        """Another lane has a device that this one needs first, or has taken one and not stored it: nothing is
        processed, or committed, meanwhile (`consumer.worker.claims`)."""
        self.last_cut = self.durable = self.stored_windows = -1
        """The numbers of the last commit, of the last durable one, and of the last durable one with windows."""
        self.stored_devices: frozenset[str] = frozenset()
        """The devices in those windows."""
        self.retired: bool | None = None
        """True once the last commit of a lane that is over is durable; None before `retire`."""
        self._carrying: tuple[float, str] | None = None
        self._commit: Commit | None = None
        self._in_flight: Future[Delivered] | None = None
        if lane.promised:
            # It is in flight like a commit: what the sinks do not take must be in the first commit's outbox.
            self._in_flight = commits.resend(lane.promised, lane.undelivered)

    def turn(self, source: Source, now: float, budget: Budget = unlimited, *, process: bool = True) -> None:
        """Process the released records as far as ``budget`` goes, acknowledge what is durable, commit what is due.
        Raises `Fenced`."""
        if process and not self.waits:
            self.lane.step(now, budget)
        self._settle(source, now)
        if self._in_flight is None and not self.holds and self.retired is not True:
            commit = self.lane.cut(now, final=self.retired is False)
            if commit is not None:
                self._submit(commit)
        for shard, (epoch, records) in self.lane.grants().items():
            source.credit(shard, epoch, records)

    @property
    def settled(self) -> bool:
        """True if no commit is in flight, or the one that was is durable."""
        return self._in_flight is None or self._in_flight.done()

    def begin_last(self, source: Source, now: float, timeout_s: float) -> None:
        """Begin to make all that was processed durable, and to release the lane. Blocks up to ``timeout_s`` for the
        commit in flight. Raises `Fenced`, `Abandoned` or TimeoutError."""
        if self._in_flight is not None:
            self._in_flight.result(timeout=timeout_s)
            self._settle(source, now)
        if self.holds:
            return  # its last commit still has the device that another lane has taken and not stored
        commit = self.lane.cut(now, final=True)
        if commit is not None:
            self._submit(commit)

    def end_last(self, source: Source, now: float, timeout_s: float) -> None:
        """Wait for the last commit, up to ``timeout_s``. Raises as `begin_last`."""
        if self._in_flight is not None:
            self._in_flight.result(timeout=timeout_s)
            self._settle(source, now)

    @property
    def quiet(self) -> bool:
        """True while nothing that this lane or its last owner has promised is on its way."""
        return self._in_flight is None and self._carrying is None

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
        """Since when (epoch seconds) a commit has been failing or messages were refused, and why; None while all is
        well."""
        return min((each for each in (self._commits.trouble, self._carrying) if each is not None), default=None)

    def stop(self) -> None:
        """Give up commits that are not durable yet."""
        self._commits.stop()

    def _submit(self, commit: Commit) -> Future[Delivered]:
        self.last_cut = commit.head.commit
        self._commit, self._in_flight = commit, self._commits.submit(commit)
        return self._in_flight

    def _settle(self, source: Source, now: float) -> None:
        if self._in_flight is None or not self._in_flight.done():
            return
        delivered, commit = self._in_flight.result(), self._commit
        self._in_flight = self._commit = None
        self.lane.delivered(delivered, now)
        if not delivered.carried:
            self._carrying = None
        else:
            since = now if self._carrying is None else self._carrying[0]
            self._carrying = since, f"{len(delivered.carried)} messages are not taken: {delivered.why}"
        self._published["undelivered"] += len(delivered.aside)
        if commit is not None:
            self._written(commit, now)
            self._acknowledge(source, commit)
            left = {message.id for message in delivered.carried} | {each.message.id for each in delivered.aside}
            self._count([message for message in commit.messages if message.id not in left])

    def _written(self, commit: Commit, now: float) -> None:
        self.durable = commit.head.commit
        if commit.snapshot is not None:
            self.stored_windows = commit.snapshot.commit
            self.stored_devices = frozenset(commit.snapshot.devices)
        if self.retired is False and commit.head.released:
            self.retired = True
        if commit.rewritten.keys:
            self.lane.rewrote(commit.rewritten, now)

    def _acknowledge(self, source: Source, commit: Commit) -> None:
        for shard, position in commit.head.positions.items():
            epoch = self.lane.epoch(shard)
            if epoch is None:
                continue
            if position.sequence is not None:
                source.ack(shard, epoch, position.sequence)
            if position.ended:
                source.ended(shard, epoch)

    def _count(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._published["messages"] += 1
            if message.type in HEALTH_COUNTERS and message.state == "opened":
                self._published[HEALTH_COUNTERS[message.type]] += _devices(message)
            # The archive has samples only. Without the log a health event's text would reach the subscribers alone.
            more = {"says": message.text} if message.type.startswith("health.") else {}
            log.info("told", type=message.type, severity=message.severity, device=message.device, id=message.id, **more)


def _devices(message: Message) -> int:
    """How many devices a notice is about: one, or those of a message about many (rule 30)."""
    many = orjson.loads(message.body).get("data", {}).get("devices")
    return 1 if many is None else int(many["count"])
