"""Why no records come, if the reason is a fault and not a quiet table."""

from __future__ import annotations

from consumer.stream.source import Clock

OUT_OF_REACH_S = 60.0
"""The shards are listed every 10 s at the latest. So if nothing has answered for this long, the stream is not just
quiet."""


class Trouble:
    """Keeps which calls the stream refused, and when it last answered. ``ended``: why the stream will have no more
    records; empty while it is open."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answered = clock()
        self._refused: dict[str, str] = {}
        self.ended = ""

    def answered(self, what: str) -> None:
        """A shard was read; with an empty name, the shards were listed."""
        self._answered = self._clock()
        self._refused.pop(what, None)

    def refused(self, what: str, reason: str) -> None:
        """A shard, or with an empty name the listing, cannot be read until the user fixes something."""
        self._refused[what] = reason

    def forget(self, shard: str) -> None:
        """The shard is gone: what it refused does not matter any more."""
        self._refused.pop(shard, None)

    def end(self, *, superseded: bool) -> None:
        """Nothing more is written to the stream. ``superseded``: the table has a newer one."""
        self.ended = (
            "the table has a new stream, and this one is read to its end"
            if superseded
            else "the table's stream is turned off, and read to its end: turn it on again with new images"
        )

    def __str__(self) -> str:
        if self.ended:
            return self.ended
        if self._refused:
            return next(iter(self._refused.values()))
        silent_s = self._clock() - self._answered
        return f"the stream has not answered for {silent_s:.0f} s" if silent_s > OUT_OF_REACH_S else ""
