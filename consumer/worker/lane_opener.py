"""Opens a lane: claims it, then restores it from the state of its last owner."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import structlog

from consumer.heartbeat import heartbeat_s
from consumer.intake.gaps import LANES_RECREATED, STREAM_KEEPS_S
from consumer.lane.lane import Lane
from consumer.lane.parts import LaneOptions
from consumer.outgoing.outbox import Reporting
from consumer.state.agreement import refuse_newer_windows, stored_windows
from consumer.state.devices import LaneState, settle
from consumer.state.head import Counts, Head, ShardPosition, is_backfill
from consumer.state.ledger import days_until
from consumer.state.ownership import Claimant, Terms, claim, inherit
from consumer.state.snapshot import Snapshot, beginning
from consumer.state.store import TABLE_LANE, StateStore
from consumer.stream.records import NameTables
from consumer.stream.source import Position
from consumer.worker.lane_bundles import LaneBundles
from scoring.scorer import Scorer
from window.rolling import RETAINED_S, Windows

HEAD_LOST = "the head of the lane was deleted; what was told since is told again, and open episodes are not known"
"""The reason of a gap."""
log = structlog.get_logger(__name__)


class States(Protocol):
    """The state of all lanes: `consumer.state.store.Stores`."""

    def store(self, prefix: str, lane: str) -> StateStore:
        """The state of one lane."""

    def lanes(self, prefix: str) -> list[str]:
        """The names of the lanes that have a head."""

    def highest_epoch(self, prefix: str) -> int:
        """The highest epoch that any lane of the table has had."""

    def ledger(self, lane: str, days: Iterable[str]) -> dict[str, dict[str, Counts]]:
        """The stored ledger of a lane, by day and device."""

    def previous_stream(self, prefix: str, lane: str) -> tuple[Head, StateStore] | None:
        """The lane's state under the previous stream of the table."""

    def previous_watermark(self, prefix: str, lane: str) -> float | None:
        """The watermark of all lanes under the previous stream of the table."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A lane that this worker owns, its head as it was claimed, and the store of its state."""

    lane: Lane
    head: Head
    store: StateStore


@dataclass(frozen=True, slots=True)
class _Claimed:
    store: StateStore
    head: Head
    snapshot: Snapshot | None
    new: bool
    lost: bool


@dataclass(frozen=True, slots=True)
class LaneSetup:
    """What all lanes of a worker share. ``cold_start``: a first start begins at the stream's oldest record with empty
    windows. ``one_device``: the table's key is the time alone, so it can hold one device only."""

    to: Reporting
    names: NameTables
    cold_start: bool = False
    one_device: bool = False


class LaneOpener:
    """Opens the lanes of one worker, and collects the positions where reading begins. ``prefix``: the place of the
    states of this stream's lanes."""

    def __init__(self, states: States, prefix: str, claimant: Claimant, bundles: LaneBundles, setup: LaneSetup) -> None:
        self._states = states
        self._prefix = prefix
        self._claimant = claimant
        self._bundles = bundles
        self._setup = setup
        self._windows = Windows()  # one ring for all lanes, each has devices of its own
        self._begin: dict[str, ShardPosition] = {}
        self._left: dict[str, _Claimed] = {}
        self._epoch: int | None = None
        self.inherited = False
        """True if a lane inherited the state of another stream. Its own stream is then read from the beginning."""
        self.started: float | None = None
        """When the table's first owner began, epoch seconds; None if this worker is the first."""
        self.unfilled = False
        """True if the table's lane has no stored windows, neither its own nor inherited ones."""

    @property
    def positions(self) -> dict[str, Position]:
        """By shard: where reading continues. Empty at a first start. Gaps are left out: the table has them, not the
        stream."""
        shards = ((shard, at) for shard, at in self._begin.items() if not is_backfill(shard))
        return {shard: Position(at.sequence, at.since, at.ended) for shard, at in shards}

    @property
    def tip(self) -> float | None:
        """When an earlier first start took the tip of the shards, epoch seconds; None if there was none. The windows
        are filled from the table up to there."""
        return max((at.since for at in self._begin.values() if at.since is not None), default=self.started)

    def left(self) -> list[str]:
        """Claim the lanes that earlier owners of the table have left, and return their names: `open` each. A device
        that several of them name is one's (rule 32). Raises as `open` does."""
        for name in self._states.lanes(self._prefix):
            if name != TABLE_LANE and not _over(self._states.store(self._prefix, name).read()):
                claimed = self._claim(name, None)
                assert claimed is not None  # without waiting it is taken from any owner
                self._left[name] = claimed
        settled = settle({name: LaneState(claimed.head, claimed.snapshot) for name, claimed in self._left.items()})
        for name, state in settled.items():
            self._left[name] = replace(self._left[name], head=state.head, snapshot=state.snapshot)
        return sorted(self._left)

    def open(self, name: str, *, wait: Callable[[float], bool] | None) -> Opened | None:
        """Claim a lane and restore it; ``wait`` as in `claim`. None if ``wait`` gives up. Raises `Retry`, and
        `ConfigurationError` if the last owner's state cannot be read."""
        claimed = self._left.pop(name, None) or self._claim(name, wait)
        return None if claimed is None else self._restored(name, claimed)

    def _claim(self, name: str, wait: Callable[[float], bool] | None) -> _Claimed | None:
        store = self._states.store(self._prefix, name)
        terms = Terms(
            self._bundles.for_table if name == TABLE_LANE else lambda head: self._bundles.own_id,
            self._bundles.prepare,
            self._highest_epoch,
            lambda: self._recovered(name, store),
            partial(refuse_newer_windows, store),
        )
        taken = claim(store, name, self._claimant, terms, wait=wait)
        if taken is None:
            return None
        self._epoch = max(self._epoch or 0, taken.head.epoch)
        windows = stored_windows(store, needed=taken.lost)
        return _Claimed(store, taken.head, windows, taken.new, taken.lost)

    def _highest_epoch(self) -> int:
        """Looked for once: the owner of the table's lane owns all of its lanes, so nobody else raises it."""
        return self._states.highest_epoch(self._prefix) if self._epoch is None else self._epoch

    def _recovered(self, name: str, store: StateStore) -> Head | None:
        """What the windows of a lane tell of it, for the case that its head is lost: where they stand, and the health
        of its devices. Episodes that were open are not known."""
        snapshot, revision = stored_windows(store), store.windows_revision()
        if snapshot is None or revision is None:
            return None
        stamps = [at.stamp for at in snapshot.positions.values() if at.stamp is not None]
        return Head(
            lane=name,
            owner="unknown",
            epoch=revision[0],
            commit=max(snapshot.commit, revision[1]),  # windows that prove nothing do not say their commit
            bundle=self._bundles.own_id,
            positions=dict(snapshot.positions),
            health={device: replace(state, fit=None) for device, state in snapshot.health.items()},
            watermark=min(stamps, default=None),
            delays=dict(snapshot.delays),
            ledger=self._states.ledger(name, days_until(self._claimant.clock())),
        )

    def _restored(self, name: str, claimed: _Claimed) -> Opened:
        store, head, snapshot, clock = claimed.store, claimed.head, claimed.snapshot, self._claimant.clock
        if not claimed.new and name == TABLE_LANE:
            self.started = head.started
        gap_since = known_to = None
        reason = "the stream was recreated"
        before = self._states.previous_stream(self._prefix, name) if snapshot is None else None
        if before is not None:
            # A recreated stream has new shards and does not have the unread records of the old one: that is a gap. The
            # old stream's windows serve until this lane has written its own, which is the last step of a commit.
            snapshot = _without_positions(stored_windows(before[1], needed=False))
            self.inherited = True
            if head.commit == 0:
                gap_since, known_to = before[0].watermark, _read_to(before[0])
                if gap_since is None and name == TABLE_LANE:
                    # A lane of a device-keyed table is a lineage of the old stream, and the new stream has none of
                    # them. So the table's lane, which reads no shards, reports the gap for all of them.
                    gap_since, reason = self._states.previous_watermark(self._prefix, name), LANES_RECREATED
                head = inherit(head, before[0])
        elif head.commit == 0:
            # A lane that nothing is known of, of a table that had an owner before, may have a ledger: it is added to,
            # never written over.
            stored = self._states.ledger(name, days_until(clock())) if head.epoch > 1 else head.ledger
            head = head.model_copy(update={"cold": self._setup.cold_start, "ledger": stored})
        if name == TABLE_LANE:
            self.unfilled = snapshot is None and store.windows_revision() is None  # damaged ones were filled once
        self._begin.update(beginning(head.positions, snapshot))
        log.info("owner", lane=name, bundle=head.bundle, epoch=head.epoch, commit=head.commit)
        lane = Lane(
            Scorer(self._bundles.succession(head, self._setup.names.devices), self._windows),
            head,
            self._setup.to,
            self._setup.names,
            snapshot,
            LaneOptions(
                heartbeat_s(self._claimant.take_over_s),
                one_device=self._setup.one_device,
                new_windows=snapshot is None,
            ),
        )
        if gap_since is not None:
            # The windows may be older than the head. The records in between are read too, for the windows alone.
            since = gap_since if known_to is None else min(gap_since, known_to) - RETAINED_S
            lane.declare_gap(since, reason, clock(), known_to=known_to)
        elif claimed.lost and head.watermark is not None:
            lane.declare_gap(head.watermark, HEAD_LOST, clock())
        elif _forgotten(head, clock()):
            lane.declare_gap(head.watermark or 0.0, "nothing was read for more than 24 h", clock())
        return Opened(lane, head, store)


def _over(head: Head | None) -> bool:
    """True for the head of a lane that was retired: its shards are gone, and its devices are other lanes'. A lane whose
    head is lost is not over."""
    if head is None:
        return False
    owes = head.outbox.messages or head.outbox.minutes
    return head.released and head.commit > 0 and not (head.positions or head.health or owes)


def _without_positions(snapshot: Snapshot | None) -> Snapshot | None:
    return replace(snapshot, commit=-1, positions={}) if snapshot is not None else None


def _read_to(head: Head) -> float | None:
    """The stamp of the last record that was committed."""
    return max((at.stamp for at in head.positions.values() if at.stamp is not None), default=None)


def _forgotten(head: Head, now: float) -> bool:
    """True if records may be missing without any shard reporting it. A shard that is read after a sequence number
    reports it, because that record is trimmed. A shard that is read from its beginning does not."""
    if head.watermark is None or now - head.watermark <= STREAM_KEEPS_S or any(not gap.closed for gap in head.gaps):
        return False
    return not any(at.sequence is not None and not at.ended for at in head.positions.values())
