"""The lanes of a worker, and which shard belongs to which lane.

A table keyed by time scatters one device's samples over all its shards, so all shards form one lane. In a table keyed
by device, a device stays in one lineage, that is a shard and its descendants. So each lineage is a lane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import inf

import structlog

from consumer.state.store import TABLE_LANE
from consumer.stream.source import Event, ShardBatch, ShardOpened, Topology
from consumer.worker.claims import Claims
from consumer.worker.owned_lane import OwnedLane
from window.samples import Samples

log = structlog.get_logger(__name__)


class Lanes:
    """Routes the events of a source to lanes.

    ``table``: the table's lane. It has all shards (``one_lane``), or none; then it only shows who owns the table.
    ``open_lane`` opens another lane; ``left``: the names of lanes that have a state.
    """

    def __init__(
        self,
        *,
        one_lane: bool,
        table: OwnedLane,
        open_lane: Callable[[str], OwnedLane],
        left: Iterable[str] = (),
    ) -> None:
        self.one_lane = one_lane
        self._open_lane = open_lane
        self._claims = Claims()
        self._lanes = {TABLE_LANE: table}
        for name in left:
            self._lanes[name] = owned = open_lane(name)
            self._claims.restored(name, owned.lane.custody.owned)
        table.lane.recovery.restore_context()
        self._lane_of = {shard: name for name, owned in self._lanes.items() for shard in owned.lane.shards}

    def __iter__(self) -> Iterator[OwnedLane]:
        return iter(self._lanes.values())

    @property
    def table(self) -> OwnedLane:
        """The table's own lane."""
        return self._lanes[TABLE_LANE]

    @property
    def reading(self) -> list[OwnedLane]:
        """The lanes that read shards. In a table keyed by device the table's lane reads none; it is returned only while
        there is no other."""
        others = [owned for name, owned in self._lanes.items() if name != TABLE_LANE]
        return others or [self.table]

    def await_fill(self) -> None:
        """The windows are empty: nothing is committed before `fill`."""
        for owned in self:
            owned.lane.recovery.awaits_fill = True

    def fill(self, samples: Samples) -> None:
        """Fill the windows, which all lanes share, at a first start (rule 18). Only a single lane can claim all
        devices: two lanes that stored the same device could not both be restored. Until another lane has stored a
        device's window, the table's lane stores it."""
        self.table.lane.recovery.fill(samples, own=self.one_lane)
        for owned in self:
            owned.lane.recovery.awaits_fill = False

    def take(self, event: Event, now: float) -> None:
        """Give an event to the lane of its shard, or to all."""
        if isinstance(event, ShardOpened):
            self._assign(event)
        if isinstance(event, Topology) or event.shard is None:
            for owned in self:
                owned.lane.take(event, now)
        else:
            name = self._lane_of[event.shard]
            if isinstance(event, ShardBatch) and not self.one_lane:
                self._claims.delivered(name, event)
            self._lanes[name].lane.take(event, now)

    def settle(self) -> None:
        """Let devices change lanes, and lanes whose shards are gone follow the others until they are over (rule 32).
        Call it before the lanes' turns."""
        if self.one_lane:
            return
        self._claims.settle(self._lanes)
        for owned in self:
            self.table.lane.recovery.stored_elsewhere(owned.stored_devices)
        lineages = {name: owned for name, owned in self._lanes.items() if name != TABLE_LANE}
        orphaned = {name: owned for name, owned in lineages.items() if owned.lane.custody.orphaned}
        if not orphaned:
            return
        floor = min((owned.watermark for name, owned in lineages.items() if name not in orphaned), default=-inf)
        for name, owned in orphaned.items():
            owned.lane.custody.follow(floor)
            if owned.retired:
                owned.stop()
                del self._lanes[name]
                self._lane_of = {shard: lane for shard, lane in self._lane_of.items() if lane != name}
                log.info("the lane is over: its shards are gone, and its devices are other lanes'", lane=name)
            elif owned.retired is None and owned.quiet and owned.lane.idle and owned.lane.custody.spent:
                owned.retire()

    def _assign(self, event: ShardOpened) -> None:
        if self.one_lane:
            self._lane_of[event.shard] = TABLE_LANE
            return
        name = self._lane_of.get(event.shard) or self._lane_of.get(event.parent or "") or event.shard
        if name not in self._lanes:
            self._lanes[name] = self._open_lane(name)
        self._lane_of[event.shard] = name
