"""A backup of a state that moves, the folder that it lies in, and its way back (rule 31)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consumer.errors import ConfigurationError, Retry
from consumer.offline import state_backup
from consumer.offline.state_backup import Backup, Place
from consumer.offline.state_restore import Restorer, Timing, outlook
from consumer.state.head import Head
from consumer.state.snapshot import Snapshot
from consumer.state.store import S3StateStore, Stores
from consumer.version import VERSION
from reporting.health.state import DeviceHealth
from reporting.sinks.archive import stored_revision

NOW = 1_784_989_500.0
HERE = Place("n", "t", "2026-01-02")
BEFORE = Place("n", "t", "2026-01-01")


def put(
    s3: Any, lane: str = "table", *, commit: int, windows: int | None = None, place: Place = HERE, **more: Any
) -> None:
    """A commit of a lane: its head, then its windows."""
    store = S3StateStore(s3, "b", f"{place.prefix}/{lane}")
    store.read()
    head = Head(**{"lane": lane, "owner": "you", "bundle": "bw-1", "epoch": 5, "commit": commit, **more})
    store.write(head)
    if windows is not None:
        store.write_windows(Snapshot(windows, {}, {}, {}).encode(), (head.epoch, windows))


def health(*devices: str) -> dict[str, DeviceHealth]:
    return {device: DeviceHealth(last=NOW) for device in devices}


def save(s3: Any, said: Callable[[Any], object] = lambda lane: None) -> Backup:
    return state_backup.save(s3, Stores(s3, s3, "b"), "b", HERE, NOW, said)


def head(s3: Any, lane: str = "table", place: Place = HERE) -> Head:
    return Head.decode(s3.objects[f"{place.prefix}/{lane}/head"].body)


class Time:
    """Passes as it is waited for, and things may happen meanwhile."""

    def __init__(self) -> None:
        self.now = 0.0
        self.meanwhile: Callable[[], object] = lambda: None

    def timing(self) -> Timing:
        return Timing(15.0, lambda: NOW, lambda: self.now, self._wait)

    def _wait(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()


def restorer(s3: Any, time: Time) -> Restorer:
    return Restorer(Stores(s3, s3, "b"), HERE, time.timing())


def restore(s3: Any, backup: Backup) -> tuple[float, list[str]]:
    """Watch, then restore; how long that took, and what was said of the lanes."""
    time, lines = Time(), []
    restoring = restorer(s3, time)
    restoring.watch(lambda left_s: None)
    restoring.restore(backup, lines.append)
    return time.now, lines


def test_every_lane_of_the_stream_is_saved_and_none_of_another(s3: Any) -> None:
    """A lane may have no windows yet."""
    put(s3, commit=160, windows=150)
    put(s3, "a", commit=3)
    put(s3, "old", commit=900, windows=900, place=BEFORE)
    backup = save(s3)
    assert [(lane.head.lane, lane.head.commit, lane.revision) for lane in backup.lanes] == [
        ("a", 3, None),
        ("table", 160, (5, 150)),
    ]
    assert (backup.place, backup.saved, backup.version) == (HERE, NOW, VERSION)


def test_bug_41_windows_that_move_while_they_are_saved_are_read_again(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker writes head and windows after the windows were read, then after the head was."""
    put(s3, commit=100, windows=100)
    commits, get = iter([160, 220]), s3.get_object

    def moving(*, Bucket: str, Key: str) -> Any:  # noqa: N803
        found = get(Bucket=Bucket, Key=Key)
        monkeypatch.setattr(s3, "get_object", get)
        if Key.endswith("/windows") and (commit := next(commits, None)):
            put(s3, commit=commit, windows=commit)
        monkeypatch.setattr(s3, "get_object", moving)
        return found

    monkeypatch.setattr(s3, "get_object", moving)
    (lane,) = save(s3).lanes
    assert (lane.head.commit, lane.revision) == (220, (5, 220))
    assert lane.windows is not None
    assert Snapshot.decode(lane.windows).commit == 220


def test_a_device_that_changes_lanes_meanwhile_is_saved_in_one(s3: Any) -> None:
    """Lane `b` is read without it, then lane `c` gives it to `b`: all are read again."""
    put(s3, commit=9)
    put(s3, "b", commit=5)
    put(s3, "c", commit=5, health=health("d"))
    moved = []

    def said(lane: Any) -> None:
        if lane.head.lane == "b" and not moved:
            moved.append("d")
            put(s3, "b", commit=6, health=health("d"))
            put(s3, "c", commit=6)

    assert {lane.head.lane for lane in save(s3, said).lanes if "d" in lane.head.health} == {"b"}


def test_what_never_stands_still_is_not_saved(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be tried again."""
    put(s3, commit=100, windows=100)
    commits, find = iter(range(101, 200)), s3.head_object

    def moving(*, Bucket: str, Key: str) -> Any:  # noqa: N803
        found = find(Bucket=Bucket, Key=Key)
        return {**found, "Metadata": {"rev": json.dumps([5, next(commits)])}}

    monkeypatch.setattr(s3, "head_object", moving)
    with pytest.raises(Retry, match="lane table was written again and again"):
        save(s3)


def test_a_torn_state_is_not_saved(s3: Any) -> None:
    """Both commits are named."""
    put(s3, commit=100)
    S3StateStore(s3, "b", f"{HERE.prefix}/table").write_windows(b"", (5, 160))
    with pytest.raises(ConfigurationError, match=r"commit 100 \(epoch 5\), its windows are of commit 160"):
        save(s3)


def test_there_may_be_nothing_to_save(s3: Any) -> None:
    """No worker has run; or the head is missing beside its windows."""
    with pytest.raises(ConfigurationError, match="nothing to save"):
        save(s3)
    put(s3, commit=1, windows=1)
    del s3.objects[f"{HERE.prefix}/table/head"]
    with pytest.raises(ConfigurationError, match="is missing"):
        save(s3)


def test_the_folder_gives_back_what_was_saved(s3: Any, tmp_path: Path) -> None:
    """Byte for byte; it is readable, and the manifest says what is in it."""
    put(s3, commit=160, windows=150, unknown={"later": 1})
    put(s3, "a", commit=3)
    backup = save(s3)
    state_backup.write(backup, tmp_path / "new" / "folder")
    assert state_backup.read(tmp_path / "new" / "folder") == backup
    manifest = json.loads((tmp_path / "new" / "folder" / "manifest.json").read_text())
    assert {name: manifest[name] for name in ("format", "version", "namespace", "table", "stream")} == {
        "format": 1,
        "version": VERSION,
        "namespace": "n",
        "table": "t",
        "stream": "2026-01-02",
    }
    assert [(lane["lane"], lane["epoch"], lane["commit"]) for lane in manifest["lanes"]] == [
        ("a", 5, 3),
        ("table", 5, 160),
    ]
    with pytest.raises(ConfigurationError, match="is there already"):
        state_backup.write(backup, tmp_path / "new" / "folder")


def changed(folder: Path, **more: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **more}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: changed(folder, format=9, version="9.0.0"), rf"format 9 .*version 9\.0\.0.*{VERSION}"),
        (lambda folder: changed(folder, table=None), "no manifest of a backup: table"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "no manifest of a backup"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "no manifest of a backup"),
        (lambda folder: (folder / "manifest.json").unlink(), "no whole backup"),
        (lambda folder: (folder / "table.windows.npz").unlink(), "no whole backup"),
        (lambda folder: (folder / "table.head.json").write_text("{}"), "not as it was saved"),
        (
            lambda folder: changed(folder, lanes=[{"lane": "../x", "epoch": 1, "commit": 1, "sha256": ""}]),
            r"lanes\.0\.lane",
        ),
    ],
)
def test_a_folder_that_is_no_whole_backup_of_a_known_format_is_refused(
    change: Callable[[Path], object], said: str, s3: Any, tmp_path: Path
) -> None:
    """With what is wrong; a newer format with both versions."""
    put(s3, commit=160, windows=150)
    state_backup.write(save(s3), tmp_path / "f")
    change(tmp_path / "f")
    with pytest.raises(ConfigurationError, match=said):
        state_backup.read(tmp_path / "f")


def test_bug_41_a_folder_whose_windows_are_newer_is_refused(s3: Any, tmp_path: Path) -> None:
    """Somebody has put files of two backups together."""
    put(s3, commit=160, windows=150)
    backup = save(s3)
    (lane,) = backup.lanes
    state_backup.write(replace(backup, lanes=(replace(lane, revision=(5, 161)),)), tmp_path / "f")
    with pytest.raises(ConfigurationError, match="does not fit together"):
        state_backup.read(tmp_path / "f")


def test_what_is_restored_is_released_in_an_epoch_above_all(s3: Any) -> None:
    """Other streams' too. A table that was released is restored at once; fields of a later version stay."""
    put(s3, commit=160, windows=150, unknown={"later": 1})
    backup = save(s3)
    put(s3, commit=300, windows=290, epoch=7, released=True)
    put(s3, commit=1, epoch=11, place=BEFORE)
    took_s, lines = restore(s3, backup)
    there = head(s3)
    assert (took_s, there.epoch, there.commit, there.released, there.unknown) == (0.0, 12, 160, True, {"later": 1})
    assert there.owner.startswith("restore-")
    windows = s3.objects[f"{HERE.prefix}/table/windows"]
    assert (stored_revision(windows.metadata), Snapshot.decode(windows.body).commit) == ((12, 150), 150)
    assert lines == ["table: commit 160, epoch 12"]
    assert head(s3, place=BEFORE).epoch == 11


def test_windows_of_a_higher_commit_of_an_earlier_epoch_do_not_look_newer_afterwards(s3: Any) -> None:
    """A head that was lost goes on from less than its windows had."""
    put(s3, commit=160, windows=160)
    del s3.objects[f"{HERE.prefix}/table/head"]
    put(s3, commit=100, epoch=6, released=True)
    restore(s3, save(s3))
    assert stored_revision(s3.objects[f"{HERE.prefix}/table/windows"].metadata) == (7, 100)


def test_lanes_and_windows_that_the_backup_does_not_have_go(s3: Any) -> None:
    """Their records are read again; state of a later time beside an earlier one would own their devices."""
    put(s3, commit=160)
    backup = save(s3)
    put(s3, commit=300, windows=290, released=True)
    put(s3, "b", commit=20, windows=20)
    assert restore(s3, backup)[1] == ["b: began after the backup, deleted", "table: commit 160, epoch 6"]
    assert [key for key in s3.objects if key.startswith(HERE.prefix)] == [f"{HERE.prefix}/table/head"]


@pytest.mark.parametrize("damage", ["none", "unreadable", "newer", "deleted"])
def test_an_owner_that_released_nothing_is_watched_for_a_whole_period(damage: str, s3: Any) -> None:
    """Also where its head cannot be read."""
    put(s3, commit=160, windows=150)
    backup = save(s3)
    key = f"{HERE.prefix}/table/head"
    if damage == "unreadable":
        s3.objects[key].body = b"{"
    elif damage == "newer":
        s3.objects[key].body = b'{"format": 99}'
    elif damage == "deleted":
        del s3.objects[key]
    assert restore(s3, backup)[0] == 15.0
    assert (head(s3).commit, head(s3).released) == (160, True)


@pytest.mark.parametrize("newer", [False, True])
def test_nothing_is_restored_under_an_owner_that_lives(newer: bool, s3: Any) -> None:
    """Its heartbeat is seen to change, also that of a version which writes a format that this one cannot read."""
    put(s3, commit=160, windows=150)
    time = Time()

    def beat() -> None:
        s3.objects.pop(f"{HERE.prefix}/table/head")
        put(s3, commit=160)
        if newer:
            s3.objects[f"{HERE.prefix}/table/head"].body = b'{"format": 99}'

    beat()
    time.meanwhile = beat
    with pytest.raises(ConfigurationError, match="cannot read" if newer else r"a worker lives and owns n/t/.*: you"):
        restorer(s3, time).watch(lambda left_s: None)
    assert time.now == 5.0


@pytest.mark.parametrize("when", ["before", "while"])
def test_nobody_is_overwritten_unseen(when: str, s3: Any) -> None:
    """A worker takes the table after it was watched, or while lanes are restored: its head stays."""
    put(s3, commit=160, windows=150)
    put(s3, "a", commit=3)
    backup = save(s3)
    restoring = restorer(s3, Time())
    restoring.watch(lambda left_s: None)

    def take(line: str = "") -> None:
        put(s3, commit=161, epoch=20, owner="another")

    if when == "before":
        take()
    with pytest.raises(ConfigurationError, match="a worker has started meanwhile: lane table is owned by another"):
        restoring.restore(backup, take)
    assert (head(s3).owner, head(s3).epoch) == ("another", 20)


def test_a_call_that_fails_in_passing_is_made_again(s3: Any) -> None:
    """Also one that was carried out and not answered, the releasing one too."""
    put(s3, commit=160, windows=150)
    backup = save(s3)
    del s3.objects[f"{HERE.prefix}/table/head"]
    restoring = restorer(s3, Time())
    restoring.watch(lambda left_s: None)
    s3.refuse = [lambda put: put()] * 3 + [s3.unanswered, s3.refused(503, "SlowDown")]
    restoring.restore(backup, lambda line: None)
    assert (head(s3).commit, head(s3).released) == (160, True)


def test_what_happens_next_is_said(s3: Any) -> None:
    """From when on records are read again, and whether the stream still has them."""
    put(s3, commit=160, watermark=NOW - 3600.0)
    backup = save(s3)
    soon, late = " ".join(outlook(backup, NOW)), " ".join(outlook(backup, NOW + 24 * 3600.0))
    assert "1 h ago" in soon
    assert "within 23 h" in soon
    assert "gap, and read from the table" in late
    assert "sent again, with the same ids" in soon
