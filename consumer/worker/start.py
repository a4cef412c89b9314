"""A start while AWS is down waits and says so; a stop ends the process in time, whatever it is doing (rule 34)."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from consumer.errors import Retry, Unavailable, may_pass
from consumer.worker.status import Observer, Status

WAIT_FROM_S, WAIT_TO_S = 1.0, 15.0
"""Between two tries of a start. Shorter than the time after which the health check takes the process for dead."""
STOPPED_AFTER_S = 9.5
"""A process ends so long after SIGTERM at the latest. Docker waits 10 s before it kills."""
Started = TypeVar("Started")
log = structlog.get_logger(__name__)


def patiently(start: Callable[[], Started], observer: Observer, wait: Callable[[float], bool]) -> Started | None:
    """Call ``start`` until AWS is there: a container that ended would only be started again. Faults that do not pass by
    themselves are raised at once. ``wait`` blocks for that many seconds and returns True to give up; then this returns
    None. ``observer`` hears why it waits, so that the health check knows."""
    began, pause_s = time.monotonic(), WAIT_FROM_S
    while True:
        try:
            return start()
        except Retry as error:
            if not isinstance(error, Unavailable) and not may_pass(error.__cause__):
                raise
            reason = str(error)
        waited_s = time.monotonic() - began
        log.warning("the start waits for AWS", reason=reason, waited_s=round(waited_s), retry_in_s=pause_s)
        observer.observe(Status(time.time(), "waiting", unwell=reason))
        if wait(pause_s):
            return None
        pause_s = min(pause_s * 2, WAIT_TO_S)


def stop_on_signals(stop: threading.Event, exit_code: int) -> None:
    """From now on SIGTERM and SIGINT set ``stop``. If the process does not end by itself then, it ends after
    `STOPPED_AFTER_S` with ``exit_code``: a call may hang for longer. No record is lost: the next owner goes on from the
    last commit."""

    def told(*_: object) -> None:
        if not stop.is_set():
            backstop = threading.Timer(STOPPED_AFTER_S, os._exit, (exit_code,))
            backstop.daemon = True
            backstop.start()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
