"""A child process: apart from the terminal, its output kept, always ended."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

KEPT_LINES = 400


class Child:
    """A running program. Two threads read its output.

    It gets a session of its own, so a Ctrl-C in the terminal reaches the demo alone, which then stops its children in
    order. A reader thread calls ``on_stdout`` with each line of stdout. ``log``: a file that gets both streams.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        on_stdout: Callable[[str], None] | None = None,
        log: Path | None = None,
    ) -> None:
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._log = log
        self._process = subprocess.Popen(
            list(command),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(pipe, callback), daemon=True)
            for pipe, callback in ((self._process.stdout, on_stdout), (self._process.stderr, None))
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative if a signal ended it."""
        return self._process.poll()

    def last_lines(self, count: int) -> str:
        """The last ``count`` lines of its output, both streams as they came."""
        return "\n".join(list(self._lines)[-count:])

    def kill(self) -> None:
        """End it and its own children at once (SIGKILL), as a container's end would, and wait until it is gone."""
        self._kill()
        self._finish()

    def stop(self, timeout_s: float) -> int:
        """SIGTERM, then SIGKILL after ``timeout_s``; its exit code. Safe to call again."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._kill()
        return self._finish()

    def _kill(self) -> None:
        if self._process.poll() is None:
            # Its session is its process group. The id is not used again before the `wait`.
            os.killpg(self._process.pid, signal.SIGKILL)

    def _finish(self) -> int:
        code = self._process.wait()
        for reader in self._readers:
            # A grandchild may hold the pipe open. The readers are daemons, so do not wait long.
            reader.join(timeout=2.0)
        return code

    def _read(self, pipe: IO[str] | None, callback: Callable[[str], None] | None) -> None:
        if pipe is None:
            return
        with pipe, open(self._log or os.devnull, "a", encoding="utf-8", buffering=1) as log:
            for line in pipe:
                self._lines.append(line.rstrip("\n"))
                log.write(line)
                if callback is not None:
                    callback(line)
