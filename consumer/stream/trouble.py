"""Why no records come, where that is not because none are written."""

from __future__ import annotations

from consumer.stream.source import Clock

OUT_OF_REACH_S = 60.0
"""The shards are listed every 10 s at least: no answer to anything for so long is no quiet stream."""


class Trouble:
    """Remembers what the stream has refused and when it last answered. ``over``: why the stream has nothing more, empty
    while it goes on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answered = clock()
        self._refused: dict[str, str] = {}
        self.over = ""

    def answered(self, what: str) -> None:
        """A shard was read, or (empty name) the shards were listed."""
        self._answered = self._clock()
        self._refused.pop(what, None)

    def refused(self, what: str, reason: str) -> None:
        """A shard, or the listing, cannot be read before something is put right."""
        self._refused[what] = reason

    def forget(self, shard: str) -> None:
        """The shard is gone: what it refused is nobody's trouble any more."""
        self._refused.pop(shard, None)

    def __str__(self) -> str:
        if self.over:
            return self.over
        if self._refused:
            return next(iter(self._refused.values()))
        silent_s = self._clock() - self._answered
        return f"the stream has not answered for {silent_s:.0f} s" if silent_s > OUT_OF_REACH_S else ""
