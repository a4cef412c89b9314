"""How many records of each shard may still be read. It bounds memory, and keeps the shards close together (rule 6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

PAGE = 1000
TOTAL = 20_000
"""Records in memory, of all shards. Without a bound a catch-up over many shards would read 24 h into memory."""
AHEAD_S = 120.0
LEAST_CHANGE = 200
"""A smaller change waits for the next turn, unless the shard has no credit left: a call for every record is slow."""


class Credit:
    """Counts, for each shard, the records that may still be delivered, and those delivered but not committed.

    The shards share `TOTAL` records; each has at least a page. A shard that was read more than `AHEAD_S` of stamps past
    the lowest hold gets none until the others have come closer.
    """

    def __init__(self) -> None:
        self._granted: Counter[str] = Counter()
        self._uncommitted: Counter[str] = Counter()
        self._in_next_commit: Counter[str] = Counter()

    def delivered(self, shard: str, records: int) -> None:
        """The source has delivered records."""
        self._granted[shard] -= records
        self._uncommitted[shard] += records

    def processed(self, shard: str, records: int) -> None:
        """Records have left the merge. They are in the next commit."""
        self._in_next_commit[shard] += records

    def cut(self) -> None:
        """The commit was cut: its records no longer count."""
        self._uncommitted.subtract(self._in_next_commit)
        self._uncommitted = +self._uncommitted  # drop the zeros: shards come and go for years
        self._in_next_commit.clear()

    def close(self, shard: str) -> None:
        """The shard was read to its end."""
        del self._granted[shard]

    def drop(self, shard: str) -> None:
        """The shard is not read any more, and its delivered records are void."""
        del self._granted[shard], self._uncommitted[shard], self._in_next_commit[shard]

    def grants(self, read_to: Mapping[str, float], holds: Mapping[str, float], *, idle: bool) -> dict[str, int]:
        """The change of each shard's credit (negative: taken back).

        ``read_to``: the last stamp read of each open shard. ``holds``: the holds of the lineages that the merge waits
        for. Those that it has passed by (rule 7) must not be among them: they would stop the others `AHEAD_S` later.
        ``idle``: nothing waits to be processed. Then the lineage with the lowest hold gets a page beyond its share.
        Otherwise the merge would wait for a record that it does not allow to be read, for ever.
        """
        if not read_to:
            return {}
        share = max(PAGE, TOTAL // len(read_to))
        lowest = min(holds.values(), default=0.0)
        changes = {}
        for shard, last in read_to.items():
            wanted = 0 if last > lowest + AHEAD_S else max(0, share - self._uncommitted[shard])
            if idle and holds.get(shard) == lowest:
                wanted = max(wanted, PAGE)
            change = wanted - self._granted[shard]
            if change < 0 or change >= LEAST_CHANGE or (change > 0 and self._granted[shard] <= 0):
                changes[shard] = change
                self._granted[shard] += change
        return changes
