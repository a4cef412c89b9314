"""The epochs in which shards are read. Events of an epoch that has ended are void."""

from __future__ import annotations


class Epochs:
    """Keeps for each shard the epoch in which it is read now, and the last one that ended.

    A shard that a reader loses and gets again comes back in a higher epoch.
    """

    def __init__(self) -> None:
        self._current: dict[str, int] = {}
        self._over: dict[str, int] = {}
        self._reopened: set[str] = set()

    def __contains__(self, shard: str) -> bool:
        """Is the shard being read, or was it read to its end?"""
        return shard in self._current

    def of(self, shard: str) -> int | None:
        """The epoch in which a shard is read; None for one that is not."""
        return self._current.get(shard)

    def stale(self, shard: str, epoch: int) -> bool:
        """True for an opening in an epoch that has ended, or is older than the present one."""
        return epoch < self._current.get(shard, -1) or epoch <= self._over.get(shard, -1)

    def begin(self, shard: str, epoch: int) -> None:
        """The shard is read in this epoch from now on."""
        self._current[shard] = epoch

    def end(self, shard: str) -> None:
        """Its epoch has ended: another reader has the shard, or it is opened again."""
        self._over[shard] = self._current.pop(shard)
        self._reopened.add(shard)

    def reopened(self, shard: str) -> bool:
        """True for a shard that was read in an earlier epoch, until `caught_up`. A source may begin it again before the
        last processed record."""
        return shard in self._reopened

    def caught_up(self, shard: str) -> None:
        """A record was delivered that no earlier epoch has processed."""
        self._reopened.discard(shard)

    def forget(self, shard: str) -> None:
        """The stream does not have the shard any more."""
        self._current.pop(shard, None)
        self._over.pop(shard, None)
        self._reopened.discard(shard)
