"""Which shards come from which: also of those that are not read."""

from __future__ import annotations


class Ancestry:
    """The parents of shards. A shard that was read before a restart is an ancestor of those after it all the same."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def note(self, shard: str, parent: str | None) -> None:
        """A shard is known, and its parent if it has one."""
        if parent is not None:
            self._parents[shard] = parent

    def forget(self, shard: str) -> None:
        """The stream does not have the shard any more."""
        self._parents.pop(shard, None)

    def of(self, shard: str) -> list[str]:
        """The shard and its ancestors, as far as they are known, nearest first."""
        found: list[str] = []
        at: str | None = shard
        while at is not None and at not in found:
            found.append(at)
            at = self._parents.get(at)
        return found
