"""Progress, not presence: the main loop writes a file as it turns, and the health check looks at its age."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

WRITE_EVERY_S = 5.0
STALE_S = 45.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pulse:
    """What the loop says of itself. ``at``: when, epoch seconds; ``lag_s``: how far the watermark is behind, None
    before the first. ``fault``: why it is not well, empty where it is."""

    at: float
    state: str
    lag_s: float | None = None
    fault: str = ""


class PulseFile:
    """The file that the loop writes and the health check reads. It lies on a file system that may be written: the
    root of the container may not."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written_at = float("-inf")

    def write(self, pulse: Pulse, *, now: bool = False) -> None:
        """Write, at most every `WRITE_EVERY_S` unless ``now``; never half a file."""
        if not now and pulse.at - self._written_at < WRITE_EVERY_S:
            return
        self._written_at = pulse.at
        part = self._path.with_suffix(f".{os.getpid()}")
        try:
            part.write_text(json.dumps(asdict(pulse)))
            part.replace(self._path)
        except OSError as error:
            # The watching goes on; that the file grows old is what the health check is there to notice.
            log.warning("no pulse can be written", path=str(self._path), error=str(error))

    def remove(self) -> None:
        """The worker has stopped in order."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def check(self, now: float) -> tuple[bool, str]:
        """Is the worker well, and what is to be said of it? Raises nothing."""
        try:
            pulse = Pulse(**json.loads(self._path.read_text()))
        except FileNotFoundError:
            return False, f"no worker runs here: there is no {self._path}"
        except (OSError, ValueError, TypeError) as error:
            return False, f"{self._path} cannot be read: {error}"
        age_s = now - pulse.at
        if age_s > STALE_S:
            return False, f"the worker's loop has not turned for {age_s:.0f} s"
        if pulse.fault:
            return False, pulse.fault
        lag = "" if pulse.lag_s is None else f", {pulse.lag_s:.1f} s behind"
        return True, f"{pulse.state}{lag}"


def default_path(namespace: str, table: str) -> Path:
    """Where worker and health check meet when nothing else is said."""
    return Path(tempfile.gettempdir()) / f"battery-watch-{namespace}-{table}.pulse"
