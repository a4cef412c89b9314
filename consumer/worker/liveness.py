"""The liveness file: the main loop writes it as it turns, and the health check reads its age. A process that hangs is
running too, so only progress counts."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from consumer.heartbeat import steady_s

if TYPE_CHECKING:  # the health check runs every 30 s and must not load the worker
    from consumer.worker.status import Status


WRITE_EVERY_S = 5.0
STALE_S = 45.0
"""A turn takes far less, even while a sink is slow. A failed health check restarts the worker, so it must be sure."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Liveness:
    """The content of the file: the part of a `Status` that the health check needs. ``at``: when it was written, by the
    clock that all processes of the machine share: the wall clock may jump (rule 27)."""

    at: float
    state: str
    lag_s: float | None = None
    fault: str = ""
    unwell: str = ""


class LivenessFile:
    """The file that the loop writes and the health check reads. ``path`` must be on a writable file system: the
    container's root is read-only. ``clock``: `steady_s`, or its twin in tests."""

    def __init__(self, path: Path, clock: Callable[[], float] = steady_s) -> None:
        self._path = path
        self._clock = clock
        self._written_at = float("-inf")

    def observe(self, status: Status) -> None:
        """See `consumer.worker.status.Observer`. Writes at most every `WRITE_EVERY_S`, and never half a file."""
        now = self._clock()
        if now - self._written_at < WRITE_EVERY_S:
            return
        self._written_at = now
        content = asdict(Liveness(now, status.state, status.lag_s, status.fault, status.unwell))
        part = self._path.with_suffix(f".{os.getpid()}")
        try:
            part.write_text(json.dumps(content))
            part.replace(self._path)
        except OSError as error:
            # The worker goes on: the file grows old, and the health check notices that.
            log.warning("no pulse can be written", path=str(self._path), error=str(error))

    def close(self) -> None:
        """The worker has stopped in order."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def check(self, *, ready: bool = False) -> tuple[bool, str]:
        """Is the worker alive, and a sentence about it. It is if its loop turns and its readers live, though it may be
        unwell; with ``ready`` it must be well too (rule 34). Raises nothing."""
        try:
            content = Liveness(**json.loads(self._path.read_text()))
        except FileNotFoundError:
            return False, f"no worker runs here: there is no {self._path}"
        except (OSError, ValueError, TypeError) as error:
            return False, f"{self._path} cannot be read: {error}"
        age_s = self._clock() - content.at
        if age_s < 0:
            return False, "no worker has run here since the machine was started"
        if age_s > STALE_S:
            return False, f"the worker's loop has not turned for {age_s:.0f} s"
        if content.fault:
            return False, content.fault
        lag = "" if content.lag_s is None else f", {content.lag_s:.1f} s behind"
        unwell = f"; unwell: {content.unwell}" if content.unwell else ""
        return not (ready and content.unwell), f"{content.state}{lag}{unwell}"


def default_path(namespace: str, table: str) -> Path:
    """The path that worker and health check use if the settings have none."""
    return Path(tempfile.gettempdir()) / f"battery-watch-{namespace}-{table}.pulse"
