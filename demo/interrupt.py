"""Handles Ctrl-C without raising in the middle of anything."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SLICE_S = 0.05


class Interrupted(Exception):
    """Somebody wants the demo to end. ``exit_code``: 130 for Ctrl-C, 143 for SIGTERM."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = 128 + signum


class Interrupt:
    """Remembers a signal until the next pause.

    A handler that raises could do so right after a process was started and before that is noted. Here all cleaning up
    runs undisturbed, and a second Ctrl-C cannot cut it short. Every wait of the demo is a `pause`.
    """

    def __init__(self) -> None:
        # A plain attribute, not an Event: the frame that the handler interrupts may hold the Event's lock.
        self._signum = 0

    def pause(self, seconds: float) -> None:
        """Sleep. Raises `Interrupted` within `SLICE_S` of a signal, at once if there was one before."""
        deadline = time.monotonic() + seconds
        while True:
            if self._signum:
                raise Interrupted(self._signum)
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(SLICE_S, left))

    def rearm(self) -> None:
        """Forget the signal, so that another one can interrupt what follows."""
        self._signum = 0

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self._signum = signum


@contextmanager
def interrupts() -> Iterator[Interrupt]:
    """Note Ctrl-C, SIGTERM and a closed terminal instead of ending. Main thread only."""
    interrupt = Interrupt()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt._note) for number in numbers}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
