"""Ctrl-C, without an exception in the middle of anything."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SLICE_S = 0.05


class Interrupted(Exception):
    """Someone wants the demo to end; ``exit_code`` is 130 for Ctrl-C, 143 for SIGTERM."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = 128 + signum


class Interrupt:
    """Remembers a signal until the next pause.

    A handler that raised could do so between the start of a process and its noting; here all cleaning up runs
    undisturbed, and a second Ctrl-C cannot cut it short. Every wait of the demo is a `pause`.
    """

    def __init__(self) -> None:
        # A plain attribute: an Event's lock may be held by the very frame that the handler interrupts.
        self._signum = 0

    def pause(self, seconds: float) -> None:
        """Sleep; raises `Interrupted` within `SLICE_S` of a signal, at once if there was one before."""
        deadline = time.monotonic() + seconds
        while True:
            if self._signum:
                raise Interrupted(self._signum)
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(SLICE_S, left))

    def rearm(self) -> None:
        """Forget the signal, so that what follows can be interrupted by another one."""
        self._signum = 0

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self._signum = signum


@contextmanager
def interrupts() -> Iterator[Interrupt]:
    """Note Ctrl-C, SIGTERM and a closed terminal instead of dying of them. Main thread only."""
    interrupt = Interrupt()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt._note) for number in numbers}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
