"""The first 25 minutes of a first start at the stream's oldest record: the windows are still filling (rule 18)."""

from __future__ import annotations

from math import inf
from typing import Any

from consumer.state.head import Head
from reporting.contract.events import utc
from reporting.health.notice import Notice
from window.rolling import SHOWN_S


class Warming:
    """Says when the windows begin to fill, and when they show their full 25 minutes; on the watermark, once.

    ``cold``: nothing was processed yet, it has yet to begin. ``since``: the stamp at which it began; None before, and
    after its end. ``lane``: whose windows.
    """

    def __init__(self, *, cold: bool, since: float | None = None, lane: str = "") -> None:
        self._lane = lane
        self.cold = cold
        self.since = since

    @classmethod
    def restore(cls, head: Head) -> Warming:
        """As the last owner left it."""
        return cls(cold=head.cold, since=head.warming, lane=head.lane)

    def stored(self) -> dict[str, Any]:
        """For the head."""
        return {"cold": self.cold, "warming": self.since}

    @property
    def due(self) -> float:
        """The stamp of its end; infinite where there is none."""
        return inf if self.since is None else self.since + SHOWN_S

    def begin(self, stamp: float) -> list[Notice]:
        """A record is processed."""
        if not self.cold:
            return []
        self.cold, self.since = False, stamp
        said = (
            f"The windows are empty at {utc(stamp):%Y-%m-%d %H:%M:%S} UTC, the oldest record of the stream. For 25 "
            "minutes charts show less, and a fault that began earlier cannot be seen."
        )
        return [Notice("health.warming", None, stamp, "opened", said, since=stamp, lane=self._lane)]

    def fire(self) -> list[Notice]:
        """The watermark has reached `due`."""
        if self.since is None:
            return []
        since, until, self.since = self.since, self.due, None
        said = "The windows are full: they show 25 minutes."
        return [Notice("health.warming", None, until, "closed", said, since=since, until=until, lane=self._lane)]
