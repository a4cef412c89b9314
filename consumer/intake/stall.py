"""When the watermark stands still: may the lane pass by the shard that holds it? (rule 7)"""

from __future__ import annotations

from math import inf, isfinite
from typing import Any

from consumer.state.head import Head
from reporting.contract.events import utc
from reporting.health.notice import Notice

RELEASE_AFTER_S, RELEASE_PROVING_S = 60.0, 90.0
"""The second where the shard answers with empty pages: it is about to be proven idle, which takes a minute at most
(rule 24)."""
NEAR_NOW_S = 120.0
"""A watermark that is older belongs to a catch-up: the shard has records to read, and passing it by would put them out
of order."""
ALIVE_S = 30.0
"""Another lineage must be this far ahead. Otherwise the whole stream is unreachable, and not one shard."""


class Stall:
    """Watches the watermark. ``lagging``: it has not moved for too long, and it is not safe to pass by the shard that
    holds it. So the lane waits and reports it. ``reported``: the stamp of the open notice."""

    def __init__(self, reported: float | None = None, *, lane: str = "") -> None:
        self._lane = lane
        self.reported = reported
        self._watermark = -inf
        self._since: float | None = None
        self.lagging = False

    @classmethod
    def restore(cls, head: Head) -> Stall:
        """With the open notice of the last owner."""
        return cls(head.lagging, lane=head.lane)

    def stored(self) -> dict[str, Any]:
        """For the head."""
        return {"lagging": self.reported}

    def may_release(self, watermark: float, furthest: float, now: float, *, proving: bool = False) -> bool:
        """True if the merge may pass by the lineages that hold it. All in epoch seconds; ``furthest``: the highest
        hold; ``proving``: one that holds it answers, and is about to be proven idle."""
        if self._since is None or watermark > self._watermark:
            self._watermark, self._since, self.lagging = watermark, now, False
            return False
        if now - self._since < (RELEASE_PROVING_S if proving else RELEASE_AFTER_S):
            return False
        near = now - watermark <= NEAR_NOW_S
        alive = furthest - watermark >= ALIVE_S
        self.lagging = not (near and alive)
        return near and alive

    def restart_wait(self, now: float) -> None:
        """The watermark stands still because the lane may not process: no shard is the cause."""
        self._since = now

    def notices(self, now: float, before: float = -inf) -> list[Notice]:
        """The notices that are due: one when the lag begins, one when it has ended. ``before``: the last owner's
        watermark. Where records are read again the watermark lies below it, but only later events wait."""
        at = max(self._watermark, before)
        at = at if isfinite(at) else now
        if self.lagging and self.reported is None:
            self.reported = at
            text = (
                f"Paused since {utc(at):%Y-%m-%d %H:%M:%S} UTC: a shard of the stream cannot be read; later events "
                "wait. Run `battery-watch doctor`."
            )
            return [Notice("health.lagging", None, at, "opened", text, since=at, lane=self._lane)]
        if self.reported is not None and self._watermark > self.reported:
            since, self.reported = self.reported, None
            text = f"Resumed: the shard can be read again. Events waited since {utc(since):%Y-%m-%d %H:%M:%S} UTC."
            return [Notice("health.lagging", None, at, "closed", text, since=since, until=at, lane=self._lane)]
        return []
