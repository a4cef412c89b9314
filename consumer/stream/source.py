"""Where records come from: the contract between whatever reads shards and the lane.

The invariant: a source delivers every record of a shard once and in order, starting where it was told, for as long
as an *epoch* of that shard lasts; parents end before their children open. It never acknowledges by itself. Whatever
breaks the promise is an event (`Gap`, `ShardLost`, `Failed`), never silence: an empty `ShardBatch` is a heartbeat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from consumer.stream.records import Reject
from window.merge import Sequences
from window.samples import Samples


@dataclass(frozen=True, slots=True)
class ShardNode:
    """A shard in the stream's graph."""

    shard: str
    parent: str | None
    closed: bool


@dataclass(frozen=True, slots=True)
class Topology:
    """A complete listing of the stream's shards."""

    shards: tuple[ShardNode, ...]


@dataclass(frozen=True, slots=True)
class ShardOpened:
    """Reading of a shard begins. Later events of an older epoch of it are void. ``since``: where it begins at its tip,
    when that was (epoch seconds): records written before are not wanted, after a restart neither. ``closed``: nothing
    is written to it any more, as far as is known."""

    shard: str
    epoch: int
    parent: str | None
    since: float | None = None
    closed: bool = False


@dataclass(frozen=True, slots=True)
class ShardBatch:
    """One page: the records in order, or none. ``asked_at`` is when it was asked for (epoch seconds); ``full`` says
    that the page was cut by its limit, so more may be waiting."""

    shard: str
    epoch: int
    samples: Samples
    sequence: Sequences
    rejects: Mapping[int, Reject]
    asked_at: float
    full: bool


@dataclass(frozen=True, slots=True)
class ShardEnded:
    """The shard was read to its end; every record of it has been delivered."""

    shard: str
    epoch: int


@dataclass(frozen=True, slots=True)
class ShardLost:
    """The shard is no longer this source's to read: a lease was taken, or its stream is gone."""

    shard: str
    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Records between ``after`` (exclusive; None: the shard's beginning) and where reading goes on are gone."""

    shard: str
    epoch: int
    after: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The source cannot go on by itself. ``shard`` is None when it is about the whole stream."""

    shard: str | None
    reason: str


Event = Topology | ShardOpened | ShardBatch | ShardEnded | ShardLost | Gap | Failed


@dataclass(frozen=True, slots=True)
class Position:
    """Where to go on in a shard. ``sequence`` None: nothing was read yet, records written before ``since`` (epoch
    seconds) are not wanted."""

    sequence: str | None
    since: float | None = None
    ended: bool = False


class Source(Protocol):
    """Reads shards. All calls come from the lane's thread; none blocks longer than its time-out."""

    def poll(self, timeout_s: float) -> list[Event]:
        """The events since the last call, in order per shard; waits up to ``timeout_s`` for the first."""

    def credit(self, shard: str, epoch: int, records: int) -> None:
        """Allow that many more records of a shard. Without credit a shard is not read."""

    def ack(self, shard: str, epoch: int, sequence: str) -> None:
        """All records up to ``sequence`` are durable."""

    def ended(self, shard: str, epoch: int) -> None:
        """All records of an ended shard are durable: its children may be acknowledged past it."""

    def stop(self, timeout_s: float) -> None:
        """Stop reading and wait for the readers. Events not polled are void: nothing was acknowledged."""


class Clock(Protocol):
    """Epoch seconds now."""

    def __call__(self) -> float: ...
