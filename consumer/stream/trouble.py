"""Why no records come, if the reason is a fault and not a quiet table."""

from __future__ import annotations

from collections.abc import Callable

OUT_OF_REACH_S = 60.0
"""The shards are listed every 10 s at the latest. So if nothing has answered for this long, the stream is not just
quiet."""
TROUBLE_AFTER_S = 60.0
"""A fault that may pass by itself is said after this time."""


class Trouble:
    """Keeps which calls the stream refused, and when it last answered. ``monotonic``: seconds that never jump.
    ``ended``: why the stream will have no more records; empty while it is open."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._answered = monotonic()
        self._refused: dict[str, str] = {}
        self._failing: dict[str, str] = {}
        self.ended = ""

    def answered(self, what: str) -> None:
        """A shard was read; with an empty name, the shards were listed."""
        self._answered = self._monotonic()
        self.forget(what)

    def refused(self, what: str, reason: str) -> None:
        """A shard, or with an empty name the listing, cannot be read until the user fixes something."""
        self._refused[what] = reason

    def failed(self, what: str, reason: str, for_s: float) -> None:
        """It has failed for so long (seconds) with a fault that may pass by itself."""
        if for_s >= TROUBLE_AFTER_S:
            self._failing[what] = reason

    def forget(self, shard: str) -> None:
        """The shard is gone: what it refused does not matter any more."""
        self._refused.pop(shard, None)
        self._failing.pop(shard, None)

    def __str__(self) -> str:
        if self.ended:
            return self.ended
        if refused := [*self._refused.values()]:
            return refused[0]
        failing = ([*self._failing.values()] or [""])[0]
        silent_s = self._monotonic() - self._answered
        if silent_s <= OUT_OF_REACH_S:
            return failing
        return f"the stream has not answered for {silent_s:.0f} s" + (f" ({failing})" if failing else "")
