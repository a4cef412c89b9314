"""Progress, not presence: the main loop writes a file as it turns, and the health check looks at its age."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from consumer.worker.status import Status

WRITE_EVERY_S = 5.0
STALE_S = 45.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Liveness:
    """What the loop says of itself, as its `Status` has it."""

    at: float
    state: str
    lag_s: float | None = None
    fault: str = ""


class LivenessFile:
    """The file that the loop writes as it turns, and that the health check reads. It lies on a file system that may be
    written: the root of the container may not."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written_at = float("-inf")

    def observe(self, status: Status) -> None:
        """See `consumer.worker.status.Observer`. Writes at most every `WRITE_EVERY_S`, and never half a file."""
        if status.at - self._written_at < WRITE_EVERY_S:
            return
        self._written_at = status.at
        said = asdict(Liveness(status.at, status.state, status.lag_s, status.fault))
        part = self._path.with_suffix(f".{os.getpid()}")
        try:
            part.write_text(json.dumps(said))
            part.replace(self._path)
        except OSError as error:
            # The watching goes on; that the file grows old is what the health check is there to notice.
            log.warning("no pulse can be written", path=str(self._path), error=str(error))

    def close(self) -> None:
        """The worker has stopped in order."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def check(self, now: float) -> tuple[bool, str]:
        """Is the worker well, and what is to be said of it? Raises nothing."""
        try:
            said = Liveness(**json.loads(self._path.read_text()))
        except FileNotFoundError:
            return False, f"no worker runs here: there is no {self._path}"
        except (OSError, ValueError, TypeError) as error:
            return False, f"{self._path} cannot be read: {error}"
        age_s = now - said.at
        if age_s > STALE_S:
            return False, f"the worker's loop has not turned for {age_s:.0f} s"
        if said.fault:
            return False, said.fault
        lag = "" if said.lag_s is None else f", {said.lag_s:.1f} s behind"
        return True, f"{said.state}{lag}"


def default_path(namespace: str, table: str) -> Path:
    """Where worker and health check meet when nothing else is said."""
    return Path(tempfile.gettempdir()) / f"battery-watch-{namespace}-{table}.pulse"
