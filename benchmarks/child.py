"""Processes of a benchmark: each subject has one of its own, so that no other's imports and objects weigh on it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import structlog

from demo.environment import client_environment, scrubbed

NOWHERE = "http://127.0.0.1:9"
"""A client whose calls are not answered in the process reaches nothing."""
END_S = 30.0
Work = Callable[[Connection], object]


class Failed(Exception):
    """The process raised; the message is what it said."""


class Child:
    """Runs ``work`` in a new interpreter, over a pipe. A context manager; leaving ends it, with all it has started.

    ``core``: the only one it may use, where the system can say so.
    """

    def __init__(self, work: Work, *, core: int | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_run, args=(work, theirs, core))
        self._process.start()
        theirs.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._process.join(0.5)
        if self._process.is_alive():
            self._process.terminate()  # SIGTERM: it leaves by its context managers
            self._process.join(END_S)
        if self._process.is_alive():
            self._process.kill()

    def ask(self, question: object) -> Any:
        """Send something and wait for what comes back."""
        self._pipe.send(question)
        return self.heard()

    def heard(self) -> Any:
        """Wait for what it sends. Raises `Failed`."""
        try:
            answer = self._pipe.recv()
        except EOFError:
            raise Failed("the process ended without an answer") from None
        if isinstance(answer, Failed):
            raise answer
        return answer


def _run(work: Work, pipe: Connection, core: int | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches everybody in the terminal: the runner ends us
    signal.signal(signal.SIGTERM, _leave)
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    environment = {**scrubbed(os.environ), **client_environment(os.environ, NOWHERE)}
    os.environ.clear()
    os.environ.update(environment)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        work(pipe)
    except (EOFError, BrokenPipeError):
        pass  # nobody wants an answer any more
    except Exception as error:
        logging.getLogger(__name__).debug("failed", exc_info=True)
        pipe.send(Failed(f"{type(error).__name__}: {error}"))


def _leave(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)
