"""Lists the shards, and decides which may be read now: parents before their children.

DescribeStream is only eventually consistent. A listing may miss a shard that is being read, that will be read again, or
that is still unknown. So one listing never proves that a shard is gone or that the list is complete.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from consumer.stream.client import IteratorType, Streams
from consumer.stream.source import Position, ShardNode, Topology

Start = Literal["latest", "trim_horizon"]
DISCOVER_S = 10.0
EAGER_LISTINGS, EAGER_S = 6, 0.3
"""List this often at the start and after a shard has ended: then everything waits for the shards that come next."""
AGREEING = 5
"""This many listings in a row must name no new shard before the first list counts as complete. If a shard is found
later, in the middle of a catch-up, all others have already passed its records."""
OVER_LISTINGS = 10
"""After this many listings in a row without a shard that is open or unread, the stream is over."""
REPEATS = 6
FORGET_S = 30 * 3600.0  # a stream keeps 24 h
ORPHAN_LISTINGS, ORPHAN_S = 4, 1.0
"""For this many listings a shard waits for an unlisted parent: at a first start the oldest shards have none."""
LATER_ORPHAN_LISTINGS = 30
"""The same for a shard that comes later. Its parent is or was known: it will surely be listed soon, and its records
come first."""


@dataclass(frozen=True, slots=True)
class Begin:
    """A shard to read from now on: from which position, and with which kind of iterator."""

    node: ShardNode
    position: Position
    kind: IteratorType


@dataclass(frozen=True, slots=True)
class Discovered:
    """The result of a listing. ``begin``: shards to read now, parents first. ``topology``: the listing, None while it
    may be incomplete. ``again_s``: seconds until the next listing. ``over``: all shards of the stream are closed and
    read."""

    begin: tuple[Begin, ...]
    topology: Topology | None
    again_s: float
    over: bool = False


class Discovery:
    """Lists the shards of a stream repeatedly.

    ``positions``, ``start`` and ``since`` as in `DirectSource`.
    """

    def __init__(
        self,
        streams: Streams,
        *,
        positions: Mapping[str, Position],
        start: Start,
        since: float | None,
        clock: Callable[[], float],
    ) -> None:
        self._streams = streams
        self._positions = dict(positions)
        self._latest = not positions and start == "latest"
        self._since = since
        self._clock = clock
        self._finished = {name: clock() for name, at in self._positions.items() if at.ended}
        """Shards that will not be read again, and since when."""
        self._alone: Counter[str] = Counter()
        self._complete = False
        self._agreed = 0
        self._over = 0
        self._eager = EAGER_LISTINGS

    def finished(self, shard: str) -> None:
        """A shard will not be read again, so its children may be: list at once."""
        self._finish([shard])
        self._eager = EAGER_LISTINGS

    def look(self, reading: Collection[str]) -> Discovered:
        """List the shards. ``reading``: those that are being read. Raises what `Streams.describe` raises."""
        tip = self._clock()
        nodes = self._list()
        listed = {node.shard for node in nodes}
        self._finish(self._left_out(nodes))
        self._forget(listed)
        # A shard with a position exists until reading it shows otherwise. It counts as closed until a listing says that
        # it is open, so nothing takes it for idle.
        nodes += [ShardNode(name, None, closed=True) for name in self._positions if name not in listed]
        known = {node.shard for node in nodes}.union(reading)
        unread = [node for node in nodes if node.shard not in reading and node.shard not in self._finished]
        orphans = [node for node in unread if self._orphaned(node, known)]
        unread = [node for node in unread if node not in orphans]
        begin: list[Begin] = []
        while ready := [node for node in unread if node.parent not in known or node.parent in self._finished]:
            for node in ready:
                unread.remove(node)
                self._alone.pop(node.shard, None)
                found = self._begin(node, tip)
                if found is None:
                    self._finish([node.shard])
                else:
                    begin.append(found)
        if self._since is None and nodes:
            self._since = tip
        self._agreed = 0 if begin or orphans or not nodes else self._agreed + 1
        if orphans or not nodes:
            return Discovered(tuple(begin), None, ORPHAN_S)
        self._eager = max(0, self._eager - 1)
        done = all(node.closed and node.shard in self._finished for node in nodes)
        self._over = self._over + 1 if done else 0
        self._complete = self._complete or self._agreed >= AGREEING
        if not self._complete:
            return Discovered(tuple(begin), None, EAGER_S)
        topology = Topology(tuple(node for node in nodes if node.shard in listed))
        again_s = EAGER_S if self._eager else DISCOVER_S
        return Discovered(tuple(begin), topology, again_s, over=self._over >= OVER_LISTINGS)

    def _finish(self, shards: Iterable[str]) -> None:
        now = self._clock()
        self._finished |= {shard: now for shard in shards if shard not in self._finished}

    def _forget(self, listed: Collection[str]) -> None:
        """Forget the shards that the stream has surely forgotten. Not earlier: a listing may miss a shard that still
        exists, and then the shard would look new and be read again."""
        horizon = self._clock() - FORGET_S
        for shard in [shard for shard, at in [*self._finished.items()] if at < horizon and shard not in listed]:
            del self._finished[shard]
            self._positions.pop(shard, None)

    def _list(self) -> list[ShardNode]:
        """All pages of a listing. An empty page that names another one is asked for again a few times: more shards may
        follow, or the listing is at its end and does not say so."""
        nodes: dict[str, ShardNode] = {}
        after: str | None = None
        repeats = 0
        while True:
            page = self._streams.describe(after)
            found = [node for node in page.shards if node.shard not in nodes]
            nodes.update((node.shard, node) for node in found)
            if page.next_shard is None:
                return list(nodes.values())
            repeats = 0 if found else repeats + 1
            if repeats > REPEATS:
                return list(nodes.values())
            after = page.next_shard

    def _orphaned(self, node: ShardNode, known: set[str]) -> bool:
        """Is it too early to read a shard whose parent is not listed? Either the parent was trimmed, or the listing
        misses it for now, and then its records come first. Only later listings show which."""
        if node.parent is None or node.parent in known or node.parent in self._finished:
            return False
        if node.shard in self._positions:
            return False
        self._alone[node.shard] += 1
        later = self._complete or self._positions
        return self._alone[node.shard] < (LATER_ORPHAN_LISTINGS if later else ORPHAN_LISTINGS)

    def _left_out(self, nodes: Iterable[ShardNode]) -> set[str]:
        """Ancestors of the shards that a first start began at their tip. It skipped these on purpose."""
        parents = {node.shard: node.parent for node in nodes}
        left_out: set[str] = set()
        for shard, position in self._positions.items():
            ancestor = parents.get(shard) if position.since is not None else None
            while ancestor is not None and ancestor not in self._positions and ancestor not in left_out:
                left_out.add(ancestor)
                ancestor = parents.get(ancestor)
        return left_out

    def _begin(self, node: ShardNode, tip: float) -> Begin | None:
        """How to begin a shard, None if it must not be read. ``tip``: the time before the listing."""
        position = self._positions.get(node.shard)
        if position is not None:
            return Begin(node, position, "AFTER_SEQUENCE_NUMBER" if position.sequence else "TRIM_HORIZON")
        if not self._latest or self._complete:
            return Begin(node, Position(None), "TRIM_HORIZON")
        if self._since is not None:
            # The tip lies in the past: at the first start, or at the listing before this one.
            return Begin(node, Position(None, since=self._since), "TRIM_HORIZON")
        if node.closed:
            return None
        return Begin(node, Position(None, since=tip), "LATEST")
