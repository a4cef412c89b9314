"""Puts a backup of a table's state back, where no worker owns it (rule 31)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from consumer.errors import ConfigurationError, Fenced, Retry, retryable
from consumer.heartbeat import TAKE_OVER_S, heartbeat_s, steady_s
from consumer.intake.gaps import STREAM_KEEPS_S
from consumer.offline.state_backup import Backup, Place, SavedLane
from consumer.state.head import Head
from consumer.state.ownership import new_owner
from consumer.state.store import TABLE_LANE, S3StateStore, Stores
from consumer.version import VERSION
from reporting.contract.events import utc
from reporting.duration import duration
from reporting.sinks.archive import Revision

TRIES = 5
Answer = TypeVar("Answer")
_UNSEEN = object()


@dataclass(frozen=True, slots=True)
class Timing:
    """``take_over_s``: for so long a silent owner is watched; ``clock``: epoch seconds; ``monotonic``: seconds;
    ``wait`` blocks for that many seconds."""

    take_over_s: float = TAKE_OVER_S
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = steady_s
    wait: Callable[[float], object] = field(default=time.sleep)


class Restorer:
    """Restores one place. First `watch`, then `restore`: it takes the table's lane as a worker does, so that none can
    start meanwhile, and releases it at the end. Both raise `Retry` and `ConfigurationError`."""

    def __init__(self, stores: Stores, place: Place, timing: Timing) -> None:
        self._stores = stores
        self._place = place
        self._timing = timing
        self._owner = f"restore-{new_owner()}"
        self._table = stores.store(place.prefix, TABLE_LANE)
        self._now: Head | None = None

    @property
    def there(self) -> Head | None:
        """The table's head as it was seen last; None where there is none that can be read."""
        return self._now

    def watch(self, said: Callable[[float], object]) -> None:
        """Raise `ConfigurationError` while a worker owns the table. One that has released it is gone; any other is
        gone if it writes nothing for a whole period of this process's own time. ``said`` is told of the seconds that
        are left."""
        first: object = _UNSEEN
        since = self._timing.monotonic()
        while True:
            self._now = self._patiently(lambda: self._read(self._table))
            etag = self._table.etag
            if self._now is not None and self._now.released:
                return
            if etag is None and self._patiently(self._table.windows_revision) is None:
                return  # nobody has ever been here
            if first is not _UNSEEN and etag != first:
                owner = self._now.owner if self._now is not None else "one of a version that this one cannot read"
                raise ConfigurationError(
                    f"a worker lives and owns {self._place}: {owner}. Stop it first, and its stand-by. The state would "
                    "be written over under it"
                )
            first = etag
            left_s = self._timing.take_over_s - (self._timing.monotonic() - since)
            if left_s <= 0:
                return
            said(left_s)
            self._timing.wait(min(left_s, heartbeat_s(self._timing.take_over_s)))

    def restore(self, backup: Backup, said: Callable[[str], object]) -> None:
        """Write every lane of ``backup``, and delete those that began later: their records are read again, by the lanes
        that are restored. ``said`` is told of each lane. Nobody is overwritten unseen: a worker that has written since
        `watch` makes it raise. If it stops half-way, do it again."""
        table = next((lane for lane in backup.lanes if lane.head.lane == TABLE_LANE), None)
        if table is None:
            raise ConfigurationError("the backup does not have the table's own lane: it is not whole")
        known = self._patiently(lambda: self._stores.highest_epoch(self._place.prefix))
        epoch = max(known, *(lane.head.epoch for lane in backup.lanes)) + 1
        try:
            lock = self._lock(table, epoch)
            saved = {lane.head.lane: lane for lane in backup.lanes}
            for name in self._patiently(lambda: self._stores.lanes(self._place.prefix)):
                if name not in saved:
                    self._patiently(self._stores.store(self._place.prefix, name).remove)
                    said(f"{name}: began after the backup, deleted")
            for lane in backup.lanes:
                if lane is not table:
                    store = self._stores.store(self._place.prefix, lane.head.lane)
                    self._patiently(lambda store=store: self._read(store))  # type: ignore[misc]
                    self._put(store, lane, epoch)
                    said(_line(lane, epoch))
                self._write(self._table, lock)  # a sign of life
            self._put(self._table, table, epoch)
            said(_line(table, epoch))
        except Fenced as error:
            raise ConfigurationError(
                f"a worker has started meanwhile: {error}. Stop it, and its stand-by, and restore again"
            ) from error

    def _lock(self, table: SavedLane, epoch: int) -> Head:
        """Own the table's lane. What is there stays true until the end. Where no head can be read, nothing says what
        the windows belong to: then both are the backup's at once."""
        if self._now is None:
            self._put_windows(self._table, table, epoch)
        lock = self._mine(self._now or table.head, epoch, released=False)
        self._write(self._table, lock)
        return lock

    def _put(self, store: S3StateStore, lane: SavedLane, epoch: int) -> None:
        """The windows, then the head: were it the other way round, a stop in between would leave windows that are
        newer than their head and do not look so."""
        self._put_windows(store, lane, epoch)
        self._write(store, self._mine(lane.head, epoch, released=True))

    def _put_windows(self, store: S3StateStore, lane: SavedLane, epoch: int) -> None:
        if lane.windows is None or lane.revision is None:
            self._patiently(store.remove_windows)
            return
        body, revision = lane.windows, (epoch, min(lane.revision[1], lane.head.commit))

        def write() -> Revision:
            with retryable(f"writing the windows of lane {lane.head.lane}"):
                return store.write_windows(body, revision)

        there = self._patiently(write)
        if there != revision:
            raise Fenced(f"the windows of lane {lane.head.lane} are of epoch {there[0]} by now")

    def _mine(self, head: Head, epoch: int, *, released: bool) -> Head:
        own = {"owner": self._owner, "epoch": epoch, "released": released, "version": VERSION}
        return head.model_copy(update={**own, "heartbeat": self._timing.clock()})

    def _write(self, store: S3StateStore, head: Head) -> None:
        self._patiently(lambda: store.write(head))
        there = self._patiently(store.read)
        if there is None or there.owner != self._owner:
            raise Fenced(f"lane {head.lane} is owned by {there.owner if there is not None else 'nobody'} by now")
        if there.released != head.released:
            # A write without an answer was taken for done: the head before it has the same number.
            self._patiently(lambda: store.write(head))

    def _read(self, store: S3StateStore) -> Head | None:
        """The head. One that cannot be decoded is none: its ETag says whether it changes."""
        try:
            return store.read()
        except ConfigurationError:
            return None

    def _patiently(self, call: Callable[[], Answer]) -> Answer:
        """A few tries: the client of the state makes one each."""
        for _ in range(TRIES - 1):
            try:
                return call()
            except Retry:
                self._timing.wait(1.0)
        return call()


def _line(lane: SavedLane, epoch: int) -> str:
    return f"{lane.head.lane}: commit {lane.head.commit}, epoch {epoch}"


def outlook(backup: Backup, now: float) -> list[str]:
    """What will happen when a worker starts, for people. ``now``: epoch seconds."""
    marks = [lane.head.watermark for lane in backup.lanes if lane.head.watermark is not None]
    since = min(marks, default=backup.saved)
    age_s = max(0.0, now - since)
    lines = [
        f"The next worker goes on from {utc(since):%Y-%m-%d %H:%M:%S} UTC, {duration(age_s)} ago.",
        "Records after that are read again from the stream, and counted again from where the backup stood.",
        "Messages about them may be sent again, with the same ids.",
    ]
    if age_s > STREAM_KEEPS_S:
        lines.insert(1, "The stream keeps 24 h: what is older is told as a gap, and read from the table.")
    else:
        left = duration(STREAM_KEEPS_S - age_s)
        lines.insert(1, f"Start it within {left}: the stream keeps 24 h, and what is older then is a gap.")
    return lines
