"""When the watermark stands still: may the lane go on without the shard that holds it? (rule 7)"""

from __future__ import annotations

from math import inf, isfinite
from typing import Any

from consumer.state.head import Head
from reporting.contract.events import utc
from reporting.health.notice import Notice

RELEASE_AFTER_S = 60.0
NEAR_NOW_S = 120.0
ALIVE_S = 30.0
MOST_AHEAD_S = 20 * 60.0
"""Stamps processed are never further than this ahead of the slowest lineage."""


class Stall:
    """Watches the watermark. ``lagging``: it has stood still for too long, and going on without the shard that holds
    it would be a guess: the lane holds, and says so. ``told``: since which stamp the topic knows that it does."""

    def __init__(self, told: float | None = None, *, lane: str = "") -> None:
        self._lane = lane
        self.told = told
        self._watermark = -inf
        self._since: float | None = None
        self.lagging = False

    @classmethod
    def restore(cls, head: Head) -> Stall:
        """As the topic knows it from the last owner."""
        return cls(head.lagging, lane=head.lane)

    def stored(self) -> dict[str, Any]:
        """For the head."""
        return {"lagging": self.told}

    def look(self, watermark: float, furthest: float, now: float) -> bool:
        """True when the lineages that hold may be passed by. All in epoch seconds.

        ``furthest``: the highest hold. Where no lineage has come on, the whole stream is out of reach: there is nothing
        to gain by passing one by, and its records would only be out of order later.
        """
        if self._since is None or watermark > self._watermark:
            self._watermark, self._since, self.lagging = watermark, now, False
            return False
        if now - self._since < RELEASE_AFTER_S:
            return False
        near = now - watermark <= NEAR_NOW_S
        alive = furthest - watermark >= ALIVE_S
        self.lagging = not (near and alive)
        return near and alive

    def excuse(self, now: float) -> None:
        """It stands still because nothing may be processed: no shard is to blame."""
        self._since = now

    def notices(self, now: float) -> list[Notice]:
        """What the topic does not know yet."""
        at = self._watermark if isfinite(self._watermark) else now
        if self.lagging and self.told is None:
            self.told = at
            said = (
                f"Paused since {utc(at):%Y-%m-%d %H:%M:%S} UTC: a shard of the stream cannot be read, and later events "
                "wait for it. Run `battery-watch doctor`."
            )
            return [Notice("health.lagging", None, at, "opened", said, since=at, lane=self._lane)]
        if self.told is not None and self._watermark > self.told:
            since, self.told = self.told, None
            said = (
                f"Resumed: the shard that all events since {utc(since):%Y-%m-%d %H:%M:%S} UTC waited for is read again."
            )
            return [Notice("health.lagging", None, at, "closed", said, since=since, until=at, lane=self._lane)]
        return []
