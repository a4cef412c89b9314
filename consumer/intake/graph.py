"""The stream's shard graph, from openings and listings: parents, and which shards have all their children known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from consumer.stream.source import Topology
from window.ancestry import Ancestry

ENDED_LISTINGS, CHILDLESS_LISTINGS = 5, 8
"""After this many listings with a child, all children of a shard are known; after this many without one, it has none.
DescribeStream is eventually consistent, so one listing proves nothing. If a child comes later than that, records of it
may be older than the watermark."""


class ShardGraph:
    """The parents of shards, and how many listings showed each ended shard with a child and without."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._ancestry = Ancestry()
        self._with_child: Counter[str] = Counter()
        self._childless: Counter[str] = Counter()

    def add(self, shard: str, parent: str | None) -> None:
        """A shard was opened."""
        self._known.add(shard)
        self._ancestry.note(shard, parent)

    def listed(self, listing: Topology, ended: Collection[str]) -> None:
        """A complete listing. ``ended``: the shards that were read to their end and still hold the watermark."""
        parents = {node.parent for node in listing.shards}
        for node in listing.shards:
            if node.shard in self._known:
                self._ancestry.note(node.shard, node.parent)  # unknown if it was opened while a listing missed it
        for shard in ended:
            (self._with_child if shard in parents else self._childless)[shard] += 1

    def complete(self, shard: str) -> bool:
        """True if all children of an ended shard are known. They hold the watermark then, and it need not (rule 5)."""
        alone = shard not in self._with_child and self._childless[shard] >= CHILDLESS_LISTINGS
        return alone or self._with_child[shard] >= ENDED_LISTINGS

    def close(self, shard: str) -> None:
        """An ended shard does not hold the watermark any more."""
        del self._with_child[shard], self._childless[shard]

    def lineage(self, shard: str) -> list[str]:
        """The shard and its ancestors, as far as they are known, nearest first."""
        return self._ancestry.of(shard)

    def forget(self, shard: str) -> None:
        """The stream does not have the shard any more."""
        self._known.discard(shard)
        self._ancestry.forget(shard)
