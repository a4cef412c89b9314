"""The real worker as a process of its own. All its settings come from its environment."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from demo.child import Child

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
STANDING_BY, OWNER, WATCHING = "standing by", "owner", "watching"
"""Events in its log: another worker owns the lane; it owns the lane; it reads everything that is written."""


class WorkerError(RuntimeError):
    """The worker does not start, or ended by itself. The message holds its last lines."""


class Worker:
    """``battery-watch run``; a context manager that ends it in any case. After a `kill`, `start` starts it again.

    Its log is one JSON object per line. ``heard`` holds the events in it since the start, each with the time of its
    first line. `WATCHING` means that it reads everything written from then on. ``pause`` waits between two looks; raise
    from it to leave early. ``log``: a file for all its output.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        log: Path | None = None,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._environment = environment
        self._log = log
        self._pause = pause
        self._child: Child | None = None
        self._stopped = False
        self.heard: dict[str, float] = {}

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._running().pid

    def __enter__(self) -> Worker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it. The one before must have ended."""
        self.heard = {}
        self._stopped = False
        command = [sys.executable, "-m", "battery_watch", "run"]
        self._child = Child(command, self._environment, on_stdout=self._hear, log=self._log)

    def wait_until_watching(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Block until it reads the stream. Raises `WorkerError` if it ended or took longer."""
        deadline = time.monotonic() + timeout_s
        while WATCHING not in self.heard:
            self.check()
            if time.monotonic() > deadline:
                raise WorkerError(f"the worker did not watch within {timeout_s:.0f} s.\n{self.logs()}")
            self._pause(0.05)

    def check(self) -> None:
        """Raise `WorkerError` if it ended without being asked."""
        code = self._running().exit_code
        if code is not None and not self._stopped:
            raise WorkerError(f"the worker ended by itself with exit code {code}.\n{self.logs()}")

    def stop(self) -> int:
        """SIGTERM and wait: it commits and makes its final charts. Its exit code; safe to call again."""
        self._stopped = True
        return self._running().stop(STOP_TIMEOUT_S)

    def kill(self) -> None:
        """End it as a crash would."""
        self._stopped = True
        self._running().kill()

    def logs(self) -> str:
        """Its last lines, for error reports."""
        return f"The worker's last lines:\n{self._running().last_lines(25)}"

    def _running(self) -> Child:
        if self._child is None:
            raise WorkerError("the worker was not started")
        return self._child

    def _hear(self, line: str) -> None:
        try:
            entry = json.loads(line)
        except ValueError:
            # A traceback or a library's line. It stays among the last lines.
            return
        if isinstance(entry, dict):
            self.heard.setdefault(str(entry.get("event")), time.monotonic())
