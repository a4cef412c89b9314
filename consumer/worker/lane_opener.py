"""How a lane becomes a worker's own: claimed, then put together from all that its last owner left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from consumer.errors import ConfigurationError
from consumer.heartbeat import TAKE_OVER_S, heartbeat_s
from consumer.intake.gaps import LANES_MADE_ANEW, STREAM_KEEPS_S
from consumer.lane.lane import Lane
from consumer.lane.parts import LaneOptions
from consumer.outgoing.outbox import Reporting
from consumer.state.head import Head, ShardPosition, is_backfill
from consumer.state.ownership import claim, inherit
from consumer.state.snapshot import Snapshot, SnapshotError, beginning
from consumer.state.store import StateStore
from consumer.stream.records import NameTables
from consumer.stream.source import Clock, Position
from consumer.worker.lane_bundles import LaneBundles
from consumer.worker.lanes import TABLE_LANE
from scoring.scorer import Scorer
from window.rolling import RETAINED_S, Windows

log = structlog.get_logger(__name__)


class States(Protocol):
    """The state of all lanes: `consumer.state.store.Stores`."""

    def store(self, prefix: str, lane: str) -> StateStore:
        """The state of one lane."""

    def before(self, prefix: str, lane: str) -> tuple[Head, StateStore] | None:
        """The lane's state under the stream's last label before this one."""

    def reached(self, prefix: str, lane: str) -> float | None:
        """The stamp up to which all lanes beside that one were processed."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A lane that is this worker's own, with the head as it was claimed and where its state goes."""

    lane: Lane
    head: Head
    store: StateStore


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who takes lanes: ``owner``, a name that no other worker has; its clock, epoch seconds; and after how many seconds
    without a heartbeat a lane may be taken from another."""

    owner: str
    clock: Clock
    take_over_s: float = TAKE_OVER_S


@dataclass(frozen=True, slots=True)
class LaneSetup:
    """What all lanes of a worker have in common. ``cold_start``: a first start begins at the stream's oldest record,
    with empty windows. ``one_device``: the table's key cannot tell two devices apart."""

    to: Reporting
    names: NameTables
    cold_start: bool = False
    one_device: bool = False


class LaneOpener:
    """Opens the lanes of one worker, and gathers where their shards are to be read from. ``prefix``: where the states
    of the stream's lanes lie."""

    def __init__(self, states: States, prefix: str, claimant: Claimant, bundles: LaneBundles, setup: LaneSetup) -> None:
        self._states = states
        self._prefix = prefix
        self._claimant = claimant
        self._bundles = bundles
        self._setup = setup
        self._windows = Windows()  # one ring for all lanes, each has devices of its own
        self._begin: dict[str, ShardPosition] = {}
        self.inherited = False
        """True where a lane goes on from another stream's state: its own stream is read from its beginning."""
        self.started: float | None = None
        """When the table's first owner began, where that was not this one; epoch seconds."""
        self.unfilled = False
        """True where no windows of the table's lane are there, its own or inherited ones: it never came that far."""

    @property
    def positions(self) -> dict[str, Position]:
        """By shard: where reading is to go on. Empty at a first start. Gaps are read from the table, by nobody else."""
        shards = ((shard, at) for shard, at in self._begin.items() if not is_backfill(shard))
        return {shard: Position(at.sequence, at.since, at.ended) for shard, at in shards}

    @property
    def tip(self) -> float | None:
        """Where the first start took the shards, where that was not this one: what the windows are filled up to; epoch
        seconds."""
        return max((at.since for at in self._begin.values() if at.since is not None), default=self.started)

    def open(self, name: str, *, wait: Callable[[float], bool] | None) -> Opened | None:
        """Make a lane one's own; ``wait`` as in `claim`. None when told to give up while standing by. Raises `Retry`,
        and `ConfigurationError` where what the last owner left cannot be read."""
        store, clock = self._states.store(self._prefix, name), self._claimant.clock
        head = claim(
            store,
            lane=name,
            owner=self._claimant.owner,
            bundle=self._bundles.for_table if name == TABLE_LANE else lambda head: self._bundles.own_id,
            clock=clock,
            wait=wait,
            take_over_s=self._claimant.take_over_s,
            prepare=self._bundles.prepare,
        )
        if head is None:
            return None
        if head.epoch > 1 and name == TABLE_LANE:
            self.started = head.started
        snapshot = _windows(store)
        gap_since = known_to = None
        reason = "the stream was made anew"
        before = self._states.before(self._prefix, name) if snapshot is None else None
        if before is not None:
            # A stream that was made anew has shards of its own, and says nothing of what the old one still held. Until
            # the windows are written, the last step of the first commit, they are the old stream's.
            snapshot = _without_positions(_windows(before[1]))
            self.inherited = True
            if head.commit == 0:
                gap_since, known_to = before[0].watermark, _read_to(before[0])
                if gap_since is None and name == TABLE_LANE:
                    # Every lineage of the old stream was a lane, of which the new one has none: that nobody read what
                    # lies between is told by the table's.
                    gap_since, reason = self._states.reached(self._prefix, name), LANES_MADE_ANEW
                head = inherit(head, before[0])
        elif head.commit == 0 and self._setup.cold_start:
            head = head.model_copy(update={"cold": True})
        if name == TABLE_LANE:
            self.unfilled = snapshot is None
        self._begin.update(beginning(head.positions, snapshot))
        log.info("owner", lane=name, bundle=head.bundle, epoch=head.epoch, commit=head.commit)
        lane = Lane(
            Scorer(self._bundles.succession(head, self._setup.names.devices), self._windows),
            head,
            self._setup.to,
            self._setup.names,
            snapshot,
            LaneOptions(heartbeat_s(self._claimant.take_over_s), one_device=self._setup.one_device),
        )
        if gap_since is not None:
            # The windows may be older than the head: what lies between is read as well, for them alone.
            since = gap_since if known_to is None else min(gap_since, known_to) - RETAINED_S
            lane.declare_gap(since, reason, clock(), known_to=known_to)
        elif _forgotten(head, clock()):
            lane.declare_gap(head.watermark or 0.0, "nothing was read for more than 24 h", clock())
        return Opened(lane, head, store)


def _windows(store: StateStore) -> Snapshot | None:
    """The last owner's windows. Raises `Retry`, and `ConfigurationError` for some that are damaged: without them a
    minute of the archive might be rewritten with less than it held."""
    try:
        body = store.read_windows()
        return Snapshot.decode(body) if body is not None else None
    except SnapshotError as error:
        raise ConfigurationError(f"cannot go on where the last worker stood: {error}") from error


def _without_positions(snapshot: Snapshot | None) -> Snapshot | None:
    return replace(snapshot, commit=-1, positions={}) if snapshot is not None else None


def _read_to(head: Head) -> float | None:
    """The stamp of the last record that was processed."""
    return max((at.stamp for at in head.positions.values() if at.stamp is not None), default=None)


def _forgotten(head: Head, now: float) -> bool:
    """May records be missing that no shard will be found to lack? A position after a record does, once that record is
    trimmed; the beginning of a shard, or a child that was not found in time, does not."""
    if head.watermark is None or now - head.watermark <= STREAM_KEEPS_S or any(not gap.closed for gap in head.gaps):
        return False
    return not any(at.sequence is not None and not at.ended for at in head.positions.values())
