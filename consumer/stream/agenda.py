"""The work of the readers by time: pages of shards, and listings. Any thread may call."""

from __future__ import annotations

import heapq
import threading
from dataclasses import dataclass, field


@dataclass(order=True, slots=True)
class Due:
    """A page of a shard, or a listing (``shard`` None). ``at``: when it is due, monotonic seconds."""

    at: float
    turn: int
    shard: str | None = field(compare=False)


class Agenda:
    """A queue by time, first come first served among what is due at once. A shard waits for one page only, so two
    threads never read the same shard."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: list[Due] = []
        self._turn = 0
        self._waits: dict[str | None, int] = {}
        """The entry that counts, by its turn. Earlier ones of the same shard are void."""
        self._at: dict[str | None, float] = {}

    def read(self, shard: str, at: float) -> None:
        """Read a page of a shard at that time."""
        with self._lock:
            self._push(at, shard)

    def hasten(self, shard: str, at: float) -> None:
        """Read the page that a shard waits for at that time, at the latest. Nothing for a shard that is being read."""
        with self._lock:
            if shard in self._waits and at < self._at[shard]:
                self._push(at, shard)

    def list(self, at: float) -> None:
        """List the shards at that time, at the latest. Only one listing waits: every shard that ends asks for one, and
        so does every listing. DescribeStream allows ten calls a second."""
        with self._lock:
            if None not in self._waits or at < self._at[None]:
                self._push(at, None)

    def take(self, now: float) -> Due | float | None:
        """What is due at ``now``, or the time at which more is due; None when nothing waits."""
        with self._lock:
            while self._due and self._waits.get(self._due[0].shard) != self._due[0].turn:
                heapq.heappop(self._due)  # an earlier one took its place
            if not self._due or self._due[0].at > now:
                return self._due[0].at if self._due else None
            due = heapq.heappop(self._due)
            del self._waits[due.shard], self._at[due.shard]
            return due

    def _push(self, at: float, shard: str | None) -> None:
        self._turn += 1
        self._waits[shard], self._at[shard] = self._turn, at
        heapq.heappush(self._due, Due(at, self._turn, shard))
