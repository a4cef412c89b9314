"""The contract between a reader of shards and the lane.

The invariant: within an *epoch* of a shard a source delivers every record once and in order, from its position on. A
parent ends before its children open. A source acknowledges nothing by itself. If it cannot keep this, it says so with
an event (`Gap`, `ShardGone`, `ShardLost`, `Failed`). An empty `ShardBatch` means that the shard was read.

Every source passes the suite `tests/simulation/test_source_contract.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from consumer.stream.records import Reject
from window.released import Sequences
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
    """Reading of a shard begins. Later events of its older epochs are void. ``since``: if it begins at its tip, when
    that was (epoch seconds). Records written before are skipped, also after a restart. ``closed``: as far as is known,
    nothing is written to it any more."""

    shard: str
    epoch: int
    parent: str | None
    since: float | None = None
    closed: bool = False


@dataclass(frozen=True, slots=True)
class ShardBatch:
    """One page: the records in order, or none. ``asked_at``: when it was asked for (epoch seconds). ``full``: the page
    was cut by its limit, so more records may wait. ``renewed``: it is the first page after reading had failed and began
    again: the empty pages before it prove nothing about those that follow."""

    shard: str
    epoch: int
    samples: Samples
    sequence: Sequences
    rejects: Mapping[int, Reject]
    asked_at: float
    full: bool
    renewed: bool = False


@dataclass(frozen=True, slots=True)
class ShardEnded:
    """The shard was read to its end; every record of it has been delivered."""

    shard: str
    epoch: int


@dataclass(frozen=True, slots=True)
class ShardGone:
    """The stream does not have the shard any more. Its unread records are missing: the lane declares a gap."""

    shard: str
    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class ShardLost:
    """A lease has moved: another reader has the shard now. Nothing is missing. Its records in the merge are void: that
    reader delivers them again. If the shard comes back, this source delivers it in a new epoch."""

    shard: str
    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Records from ``after`` (exclusive; None: the shard's beginning) to where reading continues are gone."""

    shard: str
    epoch: int
    after: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The source cannot continue by itself. ``shard`` None: the whole stream is concerned."""

    shard: str | None
    reason: str


Event = Topology | ShardOpened | ShardBatch | ShardEnded | ShardGone | ShardLost | Gap | Failed


@dataclass(frozen=True, slots=True)
class Position:
    """Where to continue in a shard. ``sequence`` None: nothing was read yet; records written before ``since`` (epoch
    seconds) are skipped."""

    sequence: str | None
    since: float | None = None
    ended: bool = False


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """The health of a source.

    ``alive``: all its readers run; if one died, the worker stops. ``idle_s``: seconds since the slowest reader last
    finished a call. ``trouble``: why no records come, if the reason is a fault; empty if all is well. ``superseded``:
    the stream was read to its end, and the table has a newer one.
    """

    alive: bool = True
    idle_s: float = 0.0
    trouble: str = ""
    superseded: bool = False


class Source(Protocol):
    """Reads shards. All calls come from the worker's loop; none blocks longer than its time-out.

    Their order: `begin`, then any of the others, `quiesce` before the last commits, `close` after them. Commits
    acknowledge, so a source that closed earlier would lose the last acknowledgements.
    """

    def begin(self) -> None:
        """Start reading. The first events are the shards that are open."""

    def poll(self, timeout_s: float) -> list[Event]:
        """The events since the last call, in order per shard; waits up to ``timeout_s`` for the first."""

    def health(self) -> SourceHealth:
        """The health now. Never blocks."""

    def credit(self, shard: str, epoch: int, records: int) -> None:
        """Allow that many more records of a shard (negative: take back). A shard without credit is not read. Ignored
        for an epoch that is over."""

    def ack(self, shard: str, epoch: int, sequence: str) -> None:
        """All records up to ``sequence`` are durable. Ignored for an epoch that is over."""

    def ended(self, shard: str, epoch: int) -> None:
        """All records of an ended shard are durable, so acknowledgements of its children count from now on."""

    def quiesce(self, timeout_s: float) -> None:
        """Stop reading and wait for the readers. Events that were not polled are void: nothing of them was
        acknowledged. Acknowledgements are still accepted."""

    def close(self, timeout_s: float) -> None:
        """Give up leases and connections. No acknowledgement may come after it."""


class Clock(Protocol):
    """Epoch seconds now."""

    def __call__(self) -> float: ...
