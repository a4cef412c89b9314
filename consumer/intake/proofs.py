"""The proofs of idleness that the last owner had (rule 24)."""

from __future__ import annotations

from collections.abc import Mapping

from consumer.intake.reread import Reread
from consumer.state.head import ShardPosition
from window.merge import Merge


class StoredProofs:
    """How far the last owner had proven its shards idle. A proof counts once its shard is re-read up to the head's
    position: it says that all records written before it lie up to there."""

    def __init__(self, before: Mapping[str, ShardPosition], reread: Reread, merge: Merge) -> None:
        self._reread = reread
        self._merge = merge
        self._left = {shard: at.idle for shard, at in before.items() if at.idle is not None and not at.ended}

    def apply(self) -> None:
        """Trust those whose shards are open and re-read."""
        for shard in self._left.keys() - self._reread.shards:
            if shard in self._merge.shards:
                self._merge.proof(shard).trust(self._left.pop(shard))
