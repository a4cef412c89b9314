"""Reads the mutes on a thread of its own, so that a bucket that hangs does not stop the worker."""

from __future__ import annotations

import threading
import time
from typing import Protocol

import structlog

from consumer.errors import Retry
from consumer.mutes.store import MOST, MuteObject, MuteStore
from consumer.stream.source import Clock
from reporting.contract.events import utc
from reporting.mutes import Mute, Mutes

LOOK_EVERY_S = 30.0
FIRST_LOOK_S = 5.0
KEPT_S = 7 * 86_400.0
"""How long a mute matters after its end: a worker that was down still has to read records from under it."""
log = structlog.get_logger(__name__)


class KnownMutes(Protocol):
    """How a worker learns of mutes: from `MuteReader`, or its twin in tests."""

    @property
    def current(self) -> Mutes:
        """The known mutes; the same object until they change. Never blocks."""

    def begin(self) -> None:
        """Start to read. Waits for the first result, but at most `FIRST_LOOK_S`."""

    def stop(self) -> None:
        """Stop to read."""


class MuteReader:
    """Reads the mutes every `LOOK_EVERY_S`. While the bucket cannot be read, the known mutes stay in force until they
    end. A worker that could never read it mutes nothing."""

    def __init__(self, store: MuteStore, *, clock: Clock = time.time) -> None:
        self._store = store
        self._clock = clock
        self._mutes = Mutes()
        self._found: dict[str, MuteObject] = {}
        self._in_force: dict[str, Mute] = {}
        self._failing = False
        self._read = False
        self._looked = threading.Event()
        self._stop = threading.Event()

    @property
    def current(self) -> Mutes:
        """See `KnownMutes`."""
        return self._mutes

    def begin(self) -> None:
        """See `KnownMutes`."""
        threading.Thread(target=self._run, name="mutes", daemon=True).start()
        if not self._looked.wait(FIRST_LOOK_S):
            log.warning("the mutes are not known yet: until then everything is told")

    def stop(self) -> None:
        """See `KnownMutes`."""
        self._stop.set()

    def look(self) -> None:
        """Read what has changed, and log which mutes begin and end. Raises nothing."""
        now = self._clock()
        try:
            found = self._store.read(now - KEPT_S, self._found)
        except Retry as error:
            if not self._failing:
                log.warning("the mutes cannot be read, will retry; those known stay in force", error=str(error))
            self._failing = True
        except Exception:
            # Catch everything: if this thread dies, mutes never end early.
            log.exception("looking for mutes failed, will retry; those known stay in force")
            self._failing = True
        else:
            if self._failing:
                log.info("the mutes can be read again")
            self._failing = False
            self._take(found)
        self._say(now)

    def _run(self) -> None:
        while True:
            self.look()
            self._looked.set()
            if self._stop.wait(LOOK_EVERY_S):
                return

    def _take(self, found: dict[str, MuteObject]) -> None:
        if self._read and found == self._found:
            return
        for key, each in found.items():
            if each.mute is None and each != self._found.get(key):
                log.warning("this is no mute, and mutes nothing", key=key, fault=each.fault)
        if len(found) >= MOST:
            log.warning("too many mutes: the rest mutes nothing", read=MOST)
        self._found = found
        self._mutes = Mutes(each.mute for each in found.values() if each.mute is not None)

    def _say(self, now: float) -> None:
        before, self._in_force = self._in_force, {mute.id: mute for mute in self._mutes.in_force(now)}
        if not self._read and not self._failing:
            self._read = True
            log.info("mutes in force", count=len(self._in_force))
        for name, mute in self._in_force.items():
            if name not in before:
                log.info("muted from now on", **_log_fields(mute), reason=mute.reason, by=mute.by)
        for name, mute in before.items():
            if name not in self._in_force:
                log.info("mute ended" if mute.until <= now else "mute taken back", **_log_fields(mute))


def _log_fields(mute: Mute) -> dict[str, object]:
    device = mute.device if mute.device is not None else "every device"
    return {"mute": mute.id, "device": device, "until": utc(mute.until).isoformat(), "health": mute.health}
