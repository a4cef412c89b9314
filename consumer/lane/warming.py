"""The first 25 minutes of a first start at the stream's oldest record: the windows are still filling (rule 18)."""

from __future__ import annotations

from math import inf
from typing import Any

from consumer.state.head import Head
from reporting.contract.events import utc
from reporting.health.notice import Notice
from window.rolling import SHOWN_S


class Warming:
    """Reports when the windows begin to fill, and when they show their full 25 minutes. On the watermark, each once.

    ``cold``: nothing was processed yet. ``since``: the stamp at which the windows began to fill; None before that, and
    after the end. ``lane``: the lane of the windows.
    """

    def __init__(self, *, cold: bool, since: float | None = None, lane: str = "") -> None:
        self._lane = lane
        self.cold = cold
        self.since = since

    @classmethod
    def restore(cls, head: Head) -> Warming:
        """With the open notice of the last owner."""
        return cls(cold=head.cold, since=head.warming, lane=head.lane)

    def stored(self) -> dict[str, Any]:
        """For the head."""
        return {"cold": self.cold, "warming": self.since}

    @property
    def due(self) -> float:
        """The stamp at which the windows are full; infinite if they do not fill."""
        return inf if self.since is None else self.since + SHOWN_S

    def begin(self, stamp: float) -> list[Notice]:
        """A record with this stamp is processed."""
        if not self.cold:
            return []
        self.cold, self.since = False, stamp
        text = (
            f"The windows are empty at {utc(stamp):%Y-%m-%d %H:%M:%S} UTC, the oldest record of the stream. For 25 "
            "minutes charts show less, and a fault that began earlier cannot be seen."
        )
        return [Notice("health.warming", None, stamp, "opened", text, since=stamp, lane=self._lane)]

    def fire(self) -> list[Notice]:
        """The watermark has reached `due`."""
        if self.since is None:
            return []
        since, until, self.since = self.since, self.due, None
        text = "The windows are full: they show 25 minutes."
        return [Notice("health.warming", None, until, "closed", text, since=since, until=until, lane=self._lane)]
