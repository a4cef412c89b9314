"""The epochs in which shards are read: events of one that is over are void."""

from __future__ import annotations


class Epochs:
    """Knows of each shard in which epoch it is read now, and in which it was read last.

    A shard comes back in a higher epoch: a lease that moved away and returned, a reader that lost it and did not know.
    """

    def __init__(self) -> None:
        self._current: dict[str, int] = {}
        self._over: dict[str, int] = {}
        self._again: set[str] = set()

    def __contains__(self, shard: str) -> bool:
        """Is the shard being read, or was it read to its end?"""
        return shard in self._current

    def of(self, shard: str) -> int | None:
        """The epoch in which a shard is read; None for one that is not."""
        return self._current.get(shard)

    def stale(self, shard: str, epoch: int) -> bool:
        """True for an opening that is older news than what is known."""
        return epoch < self._current.get(shard, -1) or epoch <= self._over.get(shard, -1)

    def begin(self, shard: str, epoch: int) -> None:
        """The shard is read in this epoch from now on."""
        self._current[shard] = epoch

    def end(self, shard: str) -> None:
        """Its epoch is over: the shard is another reader's, or begins anew."""
        self._over[shard] = self._current.pop(shard)
        self._again.add(shard)

    def again(self, shard: str) -> bool:
        """True for a shard that was read in an earlier epoch, until `fresh`: a source may begin again before the last
        record that was processed."""
        return shard in self._again

    def fresh(self, shard: str) -> None:
        """A record has come that was not processed in an earlier epoch."""
        self._again.discard(shard)

    def forget(self, shard: str) -> None:
        """The stream has the shard no more."""
        self._current.pop(shard, None)
        self._over.pop(shard, None)
        self._again.discard(shard)
