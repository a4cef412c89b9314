"""Which shards exist, and which may be read now: parents before their children.

DescribeStream is eventually consistent. One listing may miss a shard that is being read, that must be read again, or
that is new. So one listing proves neither that a shard is gone nor that all shards are known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from consumer.stream.client import IteratorType, Streams
from consumer.stream.service_time import ServiceTime
from consumer.stream.shard import Failures
from consumer.stream.source import Position, ShardNode, Topology

Start = Literal["latest", "trim_horizon"]
DISCOVER_S = 10.0
EAGER_LISTINGS, EAGER_S = 6, 0.3
"""List this often at the start and after a shard has ended: all lanes wait for shards that are not known yet."""
AGREEING = 5
"""The first listings count as complete after this many in a row without a new shard. A shard that is found later, in
the middle of a catch-up, has older records than the other shards have processed: they would be out of order."""
ENDED_LISTINGS = 10
"""The stream has ended after this many listings in a row in which every shard is closed and read."""
GONE_LISTINGS, GONE_S = 5, 60.0
"""A shard is gone when this many listings in a row lack it, over this time. A listing may miss a shard that exists, and
after a doubt there are three listings a second."""
REPEATS = 6
FORGET_S = 30 * 3600.0
"""A stream keeps a record for 24 h, and a listing may be hours behind. A shard that is forgotten too early counts as
new when a later listing names it, and is read twice."""
ORPHAN_LISTINGS, ORPHAN_S = 4, 1.0
"""A shard waits for this many listings for a parent that is not listed. At a first start the parents of the oldest
shards are trimmed and never come, so the wait must be short."""
LATER_ORPHAN_LISTINGS = 30
"""The same for a shard that comes later. Its parent exists, so a listing will name it soon. Its records come first."""


@dataclass(frozen=True, slots=True)
class StartPoint:
    """Where reading begins. ``positions``: from the lanes' heads, by shard. Where there are none, at a first start,
    ``start`` decides for the shards that are open: their tip, or all that the stream still has. ``since``: an earlier
    first start took the tip then (epoch seconds) and committed no positions."""

    positions: Mapping[str, Position]
    start: Start
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Begin:
    """A shard to read from now on: its position, and the kind of its first iterator."""

    node: ShardNode
    position: Position
    kind: IteratorType


@dataclass(frozen=True, slots=True)
class Discovered:
    """The result of a listing. ``begin``: shards to begin, parents first. ``topology``: the listing itself, None until
    it can be trusted to be complete. ``again_s``: seconds until the next one. ``ended``: all shards are closed and
    read."""

    begin: tuple[Begin, ...]
    topology: Topology | None
    again_s: float
    ended: bool = False


class Discovery:
    """Lists the shards of a stream repeatedly, and decides which of them may begin. ``time``: the service's."""

    def __init__(self, streams: Streams, start: StartPoint, time: ServiceTime) -> None:
        self._streams = streams
        self._positions = dict(start.positions)
        self._latest = not self._positions and start.start == "latest"
        self._since = start.since
        self._time = time
        self._finished = {name: time.now() for name, at in self._positions.items() if at.ended}
        """The shards that will not be read any more, and since when."""
        self._missing_parent: Counter[str] = Counter()
        self._doubted: dict[str, float] = {}
        """The shards that the stream says it does not have, and since when; monotonic seconds."""
        self._lacking: dict[str, Failures] = {}
        """Of these: the listings in a row that lack them; monotonic seconds."""
        self._over: set[str] = set()
        """The shards that a listing has shown as closed, or a child of them."""
        self._complete = False
        self._agreed = 0
        self._ended_listings = 0
        self._eager = EAGER_LISTINGS

    def finished(self, shard: str) -> None:
        """A shard will not be read any more. Its children may begin, so list them at once."""
        self.trust(shard)
        self._finish([shard])
        self._eager = EAGER_LISTINGS

    def doubt(self, shard: str, now: float) -> float:
        """Reading a shard has failed because the stream does not have it. One such answer proves nothing (rule 25), so
        the next listings decide, and they come soon. Returns for how many seconds it has been so."""
        self._eager = EAGER_LISTINGS
        return now - self._doubted.setdefault(shard, now)

    def trust(self, shard: str) -> None:
        """The shard was read, so it exists."""
        self._doubted.pop(shard, None)
        self._lacking.pop(shard, None)

    def gone(self, shard: str) -> bool:
        """True once `GONE_LISTINGS` listings in a row, over `GONE_S`, lack a doubted shard."""
        lacking, now = self._lacking.get(shard), self._time.asking().monotonic_s
        return lacking is not None and lacking.count >= GONE_LISTINGS and lacking.for_s(now) >= GONE_S

    def over(self, shard: str) -> bool:
        """True if the listings confirm that nothing more is written to a shard."""
        return shard in self._over or self.gone(shard)

    def stream_missing(self) -> None:
        """The listing has failed because there is no such stream: a listing without any shard."""
        self._count_doubted(set())

    def list_shards(self, reading: Collection[str]) -> Discovered:
        """List the shards; ``reading``: those that have begun. Blocks for the calls. Raises what `Streams.describe`
        does."""
        asked = self._time.asking()
        nodes = self._list()
        tip = self._time.at(asked)
        listed = {node.shard for node in nodes}
        self._count_doubted(listed)
        over = {node.shard for node in nodes if node.closed} | {node.parent for node in nodes if node.parent}
        self._over = over | (self._over & listed.union(reading))
        self._finish(self._skipped(nodes))
        self._forget(listed)
        # A shard with a position exists until reading it fails. It counts as closed until a listing says that it is
        # open: an empty page of a closed shard is no proof that it is idle.
        nodes += [ShardNode(name, None, closed=True) for name in self._positions if name not in listed]
        known = {node.shard for node in nodes}.union(reading)
        unread = [node for node in nodes if node.shard not in reading and node.shard not in self._finished]
        orphans = [node for node in unread if self._orphaned(node, known)]
        unread = [node for node in unread if node not in orphans]
        begin: list[Begin] = []
        while ready := [node for node in unread if node.parent not in known or node.parent in self._finished]:
            for node in ready:
                unread.remove(node)
                self._missing_parent.pop(node.shard, None)
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
        done = all(node.closed and node.shard in self._finished for node in nodes)
        self._ended_listings = self._ended_listings + 1 if done else 0
        self._complete = self._complete or self._agreed >= AGREEING
        if not self._complete:
            return Discovered(tuple(begin), None, EAGER_S)
        # Only these listings tell the lane which children an ended shard has.
        self._eager = max(0, self._eager - 1)
        topology = Topology(tuple(node for node in nodes if node.shard in listed))
        again_s = EAGER_S if self._eager else DISCOVER_S
        return Discovered(tuple(begin), topology, again_s, ended=self._ended_listings >= ENDED_LISTINGS)

    def _count_doubted(self, listed: Collection[str]) -> None:
        now = self._time.asking().monotonic_s
        for shard in [*self._doubted]:  # other threads add to it
            if shard in listed:
                self._lacking.pop(shard, None)
            else:
                self._lacking.setdefault(shard, Failures()).add(now)

    def _finish(self, shards: Iterable[str]) -> None:
        now = self._time.now()
        self._finished |= {shard: now for shard in shards if shard not in self._finished}

    def _forget(self, listed: Collection[str]) -> None:
        """Forget shards that the stream has certainly dropped; see `FORGET_S`."""
        horizon = self._time.now() - FORGET_S
        for shard in [shard for shard, at in [*self._finished.items()] if at < horizon and shard not in listed]:
            del self._finished[shard]
            self._positions.pop(shard, None)

    def _list(self) -> list[ShardNode]:
        """All pages of a listing. A page without new shards that names a next one is asked for again, a few times: it
        is either a passing fault with more shards behind it, or the end of a listing that does not say so."""
        nodes: dict[str, ShardNode] = {}
        after: str | None = None
        repeats = 0
        while True:
            page = self._streams.describe(after)
            self._time.answered(page.served)
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
        misses it and its records come first. Only more listings can show which."""
        if node.parent is None or node.parent in known or node.parent in self._finished:
            return False
        if node.shard in self._positions:
            return False
        self._missing_parent[node.shard] += 1
        later = self._complete or self._positions
        return self._missing_parent[node.shard] < (LATER_ORPHAN_LISTINGS if later else ORPHAN_LISTINGS)

    def _skipped(self, nodes: Iterable[ShardNode]) -> set[str]:
        """Ancestors of the shards that a first start took at their tip. Their records are older, so none is read."""
        parents = {node.shard: node.parent for node in nodes}
        skipped: set[str] = set()
        for shard, position in self._positions.items():
            ancestor = parents.get(shard) if position.since is not None else None
            while ancestor is not None and ancestor not in self._positions and ancestor not in skipped:
                skipped.add(ancestor)
                ancestor = parents.get(ancestor)
        return skipped

    def _begin(self, node: ShardNode, tip: float) -> Begin | None:
        """How to begin a shard; None for one that is not read at all. ``tip``: when this listing began,
        the service's time."""
        position = self._positions.get(node.shard)
        if position is not None:
            return Begin(node, position, "AFTER_SEQUENCE_NUMBER" if position.sequence else "TRIM_HORIZON")
        if not self._latest or self._complete:
            return Begin(node, Position(None), "TRIM_HORIZON")
        if self._since is not None:
            # The tip was taken before: by an earlier first start, or by the listing before this one. LATEST would skip
            # what was written since then.
            return Begin(node, Position(None, since=self._since), "TRIM_HORIZON")
        if node.closed:
            return None
        return Begin(node, Position(None, since=tip), "LATEST")
