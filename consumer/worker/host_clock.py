"""The worker's time: epoch seconds that never jump, made of the monotonic clock (rule 27)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from consumer.heartbeat import steady_s
from reporting.duration import duration
from reporting.health.notice import Notice

JUMP_S = 5.0
"""A wall clock that moves by more than this within one reading has jumped. A time service moves it by milliseconds."""
FOLLOW = 0.1
"""How much faster or slower than a second a second may be, to follow the wall clock. Ages and cadences are wrong by no
more than that while the two differ. A glitch of a minute is hardly followed; a wrong start is put right in the end."""
log = structlog.get_logger(__name__)


class HostClock:
    """Epoch seconds for everything that the worker does. It runs with the monotonic clock and follows the wall clock
    slowly. Once a jump of +600 s and back stopped all commits: the next one was due after the time that had been.

    ``wall``: epoch seconds, may jump either way; ``steady``: seconds that never do. Any thread may ask.
    """

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = steady_s) -> None:
        self._wall = wall
        self._steady = steady
        self._lock = threading.Lock()
        self._at = steady()
        self._now = wall()
        self._apart = 0.0
        self._jumps: list[tuple[float, float]] = []

    def __call__(self) -> float:
        """Now, epoch seconds."""
        with self._lock:
            at, wall = self._steady(), self._wall()
            elapsed = max(0.0, at - self._at)
            apart = wall - (self._now + elapsed)
            if abs(apart - self._apart) > JUMP_S:
                log.warning("the clock of this machine has jumped", seconds=round(apart - self._apart, 3))
                self._jumps.append((self._now + elapsed, apart - self._apart))
            most = FOLLOW * elapsed
            self._at, self._now = at, self._now + elapsed + min(max(apart, -most), most)
            self._apart = wall - self._now
            return self._now

    def notices(self) -> list[Notice]:
        """The notices of the jumps since the last call."""
        with self._lock:
            jumps, self._jumps = self._jumps, []
        return [_notice(at, seconds) for at, seconds in jumps]


def _notice(at: float, seconds: float) -> Notice:
    text = (
        f"The clock of the worker's machine has jumped {duration(abs(seconds))} {'ahead' if seconds > 0 else 'back'}. "
        "Nothing stops: the worker's own time follows slowly. Check the time service of that machine."
    )
    return Notice("health.host_clock", None, at, "opened", text, since=at, offset_s=round(seconds, 3))
