"""The work of the readers by time: pages of shards, and listings. Any thread may call."""

from __future__ import annotations

import heapq
import threading
from dataclasses import dataclass, field
from math import inf


@dataclass(order=True, slots=True)
class Due:
    """A page of a shard, or a listing (``shard`` None). ``at``: when it is due, monotonic seconds."""

    at: float
    turn: int
    shard: str | None = field(compare=False)


class Agenda:
    """A queue by time, first come first served among what is due at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: list[Due] = []
        self._turn = 0
        self._listing_at = inf

    def read(self, shard: str, at: float) -> None:
        """Read a page of a shard at that time."""
        with self._lock:
            self._push(at, shard)

    def list(self, at: float) -> None:
        """List the shards at that time, at the latest. Only one listing waits: every shard that ends asks for one, and
        so does every listing. DescribeStream allows ten calls a second."""
        with self._lock:
            if at < self._listing_at:
                self._listing_at = at
                self._push(at, None)

    def take(self, now: float) -> Due | float | None:
        """What is due at ``now``, or the time at which more is due; None when nothing waits."""
        with self._lock:
            if not self._due or self._due[0].at > now:
                return self._due[0].at if self._due else None
            due = heapq.heappop(self._due)
            if due.shard is None:
                if due.at != self._listing_at:
                    return now  # an earlier one took its place
                self._listing_at = inf
            return due

    def _push(self, at: float, shard: str | None) -> None:
        self._turn += 1
        heapq.heappush(self._due, Due(at, self._turn, shard))
