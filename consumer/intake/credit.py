"""How much each shard may still be read: memory stays bounded, and no shard runs away from the others (rule 6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

PAGE = 1000
TOTAL = 20_000
AHEAD_S = 120.0
WORTH_TELLING = 200


class Credit:
    """Counts, for each shard, the records that may still be delivered and those that were and are not committed.

    The bound of `TOTAL` records is divided over the shards, but is never less than a page each. A shard that was read
    more than `AHEAD_S` of stamps past the lowest hold gets none until the others have followed.
    """

    def __init__(self) -> None:
        self._granted: Counter[str] = Counter()
        self._held: Counter[str] = Counter()
        self._leaving: Counter[str] = Counter()

    def delivered(self, shard: str, records: int) -> None:
        """Records came in."""
        self._granted[shard] -= records
        self._held[shard] += records

    def processed(self, shard: str, records: int) -> None:
        """Records left the merge for the commit being filled."""
        self._leaving[shard] += records

    def cut(self) -> None:
        """The commit was cut: what went into it no longer counts."""
        self._held.subtract(self._leaving)
        self._held = +self._held  # without those that hold nothing: shards come and go
        self._leaving.clear()

    def closed(self, shard: str) -> None:
        """The shard will not be read again."""
        del self._granted[shard]

    def left(self, shard: str) -> None:
        """The shard is not read any more, and what was delivered of it is void."""
        del self._granted[shard], self._held[shard], self._leaving[shard]

    def grants(self, read_to: Mapping[str, float], holds: Mapping[str, float], *, idle: bool) -> dict[str, int]:
        """What to add to each shard's credit, or take back from it (negative).

        ``read_to``: the last stamp read of each open shard; ``holds``: the holds of the lineages that are waited for
        (those passed by, rule 7, would hold the reading of the others two minutes further on). ``idle``: nothing
        waits to be processed; then the lineage that holds all others gets a page even beyond its share, or the merge
        would wait for a record that it does not allow to be read.
        """
        if not read_to:
            return {}
        share = max(PAGE, TOTAL // len(read_to))
        lowest = min(holds.values(), default=0.0)
        changes = {}
        for shard, last in read_to.items():
            wanted = 0 if last > lowest + AHEAD_S else max(0, share - self._held[shard])
            if idle and holds.get(shard) == lowest:
                wanted = max(wanted, PAGE)
            change = wanted - self._granted[shard]
            if change < 0 or change >= WORTH_TELLING or (change > 0 and self._granted[shard] <= 0):
                changes[shard] = change
                self._granted[shard] += change
        return changes
