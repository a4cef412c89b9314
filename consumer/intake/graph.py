"""The stream's shard graph as openings and listings show it: parents, and whose children are all known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from consumer.stream.source import Topology

ENDED_LISTINGS, CHILDLESS_LISTINGS = 5, 8
"""So many listings with a child name all children of a shard; so many without any prove that it has none. A listing may
miss shards for a while, so one alone proves nothing."""


class ShardGraph:
    """Parents of shards, and how often each ended shard was listed with a child and without."""

    def __init__(self) -> None:
        self._parents: dict[str, str | None] = {}
        self._with_child: Counter[str] = Counter()
        self._childless: Counter[str] = Counter()

    def add(self, shard: str, parent: str | None) -> None:
        """A shard was opened."""
        self._parents[shard] = parent

    def listed(self, listing: Topology, ended: Collection[str]) -> None:
        """A complete listing; ``ended``: the shards that were read to their end and still hold."""
        parents = {node.parent for node in listing.shards}
        for node in listing.shards:
            if node.parent is not None and node.shard in self._parents:
                self._parents[node.shard] = node.parent  # a shard opened while the listing missed it came without
        for shard in ended:
            (self._with_child if shard in parents else self._childless)[shard] += 1

    def complete(self, shard: str) -> bool:
        """True when all children of an ended shard are known: it need not hold for them any more (rule 5)."""
        alone = shard not in self._with_child and self._childless[shard] >= CHILDLESS_LISTINGS
        return alone or self._with_child[shard] >= ENDED_LISTINGS

    def close(self, shard: str) -> None:
        """An ended shard does not hold any more."""
        del self._with_child[shard], self._childless[shard]

    def lineage(self, shard: str) -> list[str]:
        """The shard and its ancestors, as far as they are known, nearest first."""
        found: list[str] = []
        at: str | None = shard
        while at is not None and at not in found:
            found.append(at)
            at = self._parents.get(at)
        return found

    def forget(self, shard: str) -> None:
        """The stream has the shard no more."""
        self._parents.pop(shard, None)
