"""Where records come from: the contract between what reads shards and the lane.

The invariant: within an *epoch* of a shard a source delivers every record once and in order, from where it was told to
begin; a parent ends before its children open. It acknowledges nothing by itself. What breaks the promise is an event
(`Gap`, `ShardGone`, `ShardLost`, `Failed`), never silence: an empty `ShardBatch` says that the shard was read.

Every source passes the suite `tests/simulation/test_source_contract.py`.
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
class ShardGone:
    """The stream has the shard no more: what was not read of it is missing, and is declared as a gap."""

    shard: str
    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class ShardLost:
    """The shard is another reader's now: a lease has moved. Nothing is missing. What waits in the merge is void: that
    reader delivers it again, and so does this source, in a new epoch, if the shard comes back."""

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


Event = Topology | ShardOpened | ShardBatch | ShardEnded | ShardGone | ShardLost | Gap | Failed


@dataclass(frozen=True, slots=True)
class Position:
    """Where to go on in a shard. ``sequence`` None: nothing was read yet, records written before ``since`` (epoch
    seconds) are not wanted."""

    sequence: str | None
    since: float | None = None
    ended: bool = False


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """How a source is.

    ``alive``: all its readers run; one that died is not started again, the worker stops. ``idle_s``: seconds since the
    reader that is furthest behind last finished a call. ``trouble``: why no records come, where that is not because
    none are written; empty where all is well. ``superseded``: all of this stream was read, and the table has a newer
    one.
    """

    alive: bool = True
    idle_s: float = 0.0
    trouble: str = ""
    superseded: bool = False


class Source(Protocol):
    """Reads shards. All calls come from the lane's thread; none blocks longer than its time-out.

    Their order: `begin`, then any of the others, `quiesce` before the last commits, `close` after them.
    """

    def begin(self) -> None:
        """Start reading. The first events are the shards that are open."""

    def poll(self, timeout_s: float) -> list[Event]:
        """The events since the last call, in order per shard; waits up to ``timeout_s`` for the first."""

    def health(self) -> SourceHealth:
        """How it is now. Never blocks."""

    def credit(self, shard: str, epoch: int, records: int) -> None:
        """Allow that many more records of a shard (negative: take back). Without credit a shard is not read. Void for
        an epoch that is over."""

    def ack(self, shard: str, epoch: int, sequence: str) -> None:
        """All records up to ``sequence`` are durable. Void for an epoch that is over."""

    def ended(self, shard: str, epoch: int) -> None:
        """All records of an ended shard are durable: its children may be acknowledged past it."""

    def quiesce(self, timeout_s: float) -> None:
        """Stop reading and wait for the readers. Events not polled are void: nothing was acknowledged. Acknowledgements
        are still taken."""

    def close(self, timeout_s: float) -> None:
        """Give up what is held, leases and connections. Nothing more is acknowledged."""


class Clock(Protocol):
    """Epoch seconds now."""

    def __call__(self) -> float: ...
