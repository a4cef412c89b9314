"""Do the head and the windows of a lane belong together? Windows are never newer than their head (rule 31)."""

from __future__ import annotations

import structlog

from consumer.errors import ConfigurationError, Retry
from consumer.state.head import Head
from consumer.state.snapshot import Snapshot, SnapshotError
from consumer.state.store import StateStore
from reporting.sinks.archive import Revision

log = structlog.get_logger(__name__)
UNMARKED: Revision = (0, 0)
"""What `StateStore.windows_revision` says of windows that were copied without their metadata."""


def stored_windows(store: StateStore, *, needed: bool = True) -> Snapshot | None:
    """The last owner's windows. Raises `Retry`, and `ConfigurationError` if a later version wrote them, or if they are
    damaged and ``needed``. Beside a good head they are not: the stream is read again for them (rule 28)."""
    try:
        body = store.read_windows()
        return Snapshot.decode(body) if body is not None else None
    except SnapshotError as error:
        if not needed and not error.newer:
            log.error(
                "windows are damaged: reading the stream again for them, as far back as it goes", error=str(error)
            )
            return None
        raise ConfigurationError(f"cannot continue from the last worker's state: {error}") from error


def newer(windows: Revision, head: Head) -> bool:
    """Are windows of that revision newer than the head? An owner writes a commit's head before its windows, and a head
    that was lost is written again in a higher epoch: then windows of a higher commit are no newer.

    >>> head = Head(lane="table", owner="o", bundle="b", epoch=5, commit=100)
    >>> newer((5, 160), head), newer((5, 100), head), newer((4, 160), head)
    (True, False, False)
    """
    return windows > (head.epoch, head.commit)


def refuse_newer_windows(store: StateStore, head: Head) -> None:
    """Raise `ConfigurationError` if the windows beside a head that was just read are newer than it: records between the
    two would be taken for known ones, and never be counted or published. Raises `Retry` where the head has changed
    meanwhile: its owner lives, and all is well."""
    windows = _revision(store, head)
    if windows is None or not newer(windows, head):
        return
    again = store.read()
    if again is None or _written(again) != _written(head):
        raise Retry(f"the head of lane {head.lane} has just been written")
    raise ConfigurationError(
        f"the state of lane {head.lane} does not fit together: its head is of commit {head.commit} (epoch "
        f"{head.epoch}), its windows are of commit {windows[1]} (epoch {windows[0]}), which is later. Probably the "
        "head was restored alone, or both were copied while a worker ran, or a restore stopped half-way. Restore both "
        "with `battery-watch state restore`, or put back an earlier version of the windows object, of the head's "
        "commit or before"
    )


def _revision(store: StateStore, head: Head) -> Revision | None:
    """Of the windows. Their own number is no help where they carry none on purpose (`UNFULFILLED`); without metadata
    it is all that there is."""
    revision = store.windows_revision()
    if revision != UNMARKED:
        return revision
    snapshot = stored_windows(store)
    return (head.epoch, snapshot.commit) if snapshot is not None else None


def _written(head: Head) -> tuple[object, ...]:
    return head.owner, head.epoch, head.commit, head.beat
