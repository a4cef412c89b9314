"""The windows as an object: the same after reading back, and never read wrongly."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.state.head import ShardPosition
from consumer.state.snapshot import FORMAT, Snapshot, SnapshotError, beginning
from reporting.health.state import DeviceHealth, Run
from window.ring import Columns
from window.rolling import Windows
from window.samples import Names, Samples

POSITIONS = {"s": ShardPosition(sequence="42", stamp=7.5), "t": ShardPosition(since=3.0, ended=True)}


def filled(rows: dict[str, int]) -> tuple[Windows, dict[str, int]]:
    """Windows of devices with so many samples each, and their codes; every second one has scores."""
    windows, codes = Windows(), {device: code for code, device in enumerate(rows)}
    for device, n in rows.items():
        code = codes[device]
        t = np.arange(n) * 1.25 + 1e9 + 0.1
        touched = windows.upsert(Samples.of(t, t / 7, 20 + t / 1e9, device=code))
        error = np.where(np.arange(n) % 2, t / 3, np.nan)
        windows.score(
            touched,
            reconstruction_error=error,
            forest_score=-error,
            severity=(np.arange(n) % 5).astype(np.int8),
            stages=(np.arange(n) % 9).astype(np.int8),
        )
    return windows, codes


def taken(rows: dict[str, int], health: dict[str, DeviceHealth] | None = None) -> Snapshot:
    windows, codes = filled(rows)
    return Snapshot(7, POSITIONS, Snapshot.windows_of(windows, codes), health or {})


@settings(deadline=None, max_examples=30)
@given(st.dictionaries(st.text(min_size=1, max_size=8), st.integers(0, 40), max_size=5))
def test_a_snapshot_reads_back_bit_for_bit(rows: dict[str, int]) -> None:
    """Every device with samples, its columns and scores, under whatever codes it has then; positions and all."""
    windows, codes = filled(rows)
    read = Snapshot.decode(Snapshot(7, POSITIONS, Snapshot.windows_of(windows, codes), {}).encode())
    assert (read.commit, read.positions) == (7, POSITIONS)
    assert set(read.devices) == {device for device, n in rows.items() if n}
    others = Names()
    others.code("somebody else")
    again = Windows()
    read.restore(again, others)
    for device, n in rows.items():
        if n:
            before, after = windows.retained(codes[device]), again.retained(others.code(device))
            for name in Columns.__slots__:
                assert getattr(after, name).tobytes() == getattr(before, name).tobytes()
                assert getattr(after, name).dtype == getattr(before, name).dtype


def test_what_was_known_of_health_reads_back() -> None:
    """Timers survive a restart."""
    health = {"ä": DeviceHealth(last=5.0, silent=True, late=Run(1.0, 2.0, 0.0, 3), late_stamp=4.0, skew_s=-400.5)}
    assert Snapshot.decode(taken({"ä": 3}, health).encode()).health == health


def test_equal_snapshots_give_equal_bytes() -> None:
    """No clock gets in."""
    assert taken({"a": 30, "b": 2}).encode() == taken({"a": 30, "b": 2}).encode()


def test_a_snapshot_does_not_change_with_what_it_was_taken_of() -> None:
    """It is written while the lane goes on."""
    windows, codes = filled({"a": 3})
    positions = {"s": ShardPosition(sequence="1")}
    snapshot = Snapshot(7, positions, Snapshot.windows_of(windows, codes), {})
    before = snapshot.encode()
    windows.upsert(Samples.of([2e9], [1.0], [20.0]))
    windows.upsert(Samples.of([1e9 + 0.1], [99.0], [99.0]))
    assert snapshot.encode() == before


def test_half_an_hour_of_a_device_at_1_hz_is_small() -> None:
    """Written every minute."""
    windows = Windows()
    t = np.arange(1920) + 1.7e9
    windows.upsert(Samples.of(t, np.full(1920, 2.5), np.full(1920, 25.0)))
    assert len(Snapshot(7, POSITIONS, Snapshot.windows_of(windows, {"d": 0}), {}).encode()) < 20_000


BODY = taken({"a": 20, "b": 1}).encode()


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_a_damaged_byte_is_told_or_does_no_harm(place: int, flip: int) -> None:
    """Never another error, never another content."""
    damaged = bytearray(BODY)
    damaged[place] ^= flip
    try:
        read = Snapshot.decode(bytes(damaged))
    except SnapshotError:
        return
    assert read.encode() == BODY


@settings(deadline=None, max_examples=60)
@given(st.integers(0, len(BODY) - 1))
def test_a_snapshot_cut_short_is_told(length: int) -> None:
    """An upload that broke off."""
    with pytest.raises(SnapshotError):
        Snapshot.decode(BODY[:length])


@pytest.mark.parametrize("body", [b"", b"{}", b"PK\x03\x04", b"x" * 1000])
def test_what_is_no_snapshot_is_told(body: bytes) -> None:
    """Somebody put something else there."""
    with pytest.raises(SnapshotError):
        Snapshot.decode(body)


def repacked(change: dict[str, Any], drop: str | None = None) -> bytes:
    """A sound archive whose contents are not those of this version."""
    with np.load(io.BytesIO(BODY)) as stored:
        columns = {name: stored[name] for name in stored.files if name != drop}
    about = {**json.loads(columns["about"].tobytes()), **change}
    columns["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    body = io.BytesIO()
    np.savez_compressed(body, **columns)
    return body.getvalue()


def test_a_snapshot_of_another_version_is_told() -> None:
    """By its format."""
    with pytest.raises(SnapshotError, match=f"format {FORMAT + 1}"):
        Snapshot.decode(repacked({"format": FORMAT + 1}))


@pytest.mark.parametrize("column", ["ts", "severity"])
def test_a_snapshot_without_a_column_is_told(column: str) -> None:
    """It is not guessed."""
    with pytest.raises(SnapshotError):
        Snapshot.decode(repacked({}, drop=column))


def test_a_snapshot_of_nothing_reads_back() -> None:
    """The first commit comes before the first sample."""
    read = Snapshot.decode(Snapshot(7, {}, Snapshot.windows_of(Windows(), {}), {}).encode())
    assert (read.devices, read.positions) == ({}, {})


def test_a_restart_begins_where_the_windows_stand() -> None:
    """A shard that they do not know was opened after them: it is read again from where it was opened, as every shard is
    without windows: else a minute of the archive would be written with less than it held."""
    head = {
        "known": ShardPosition(sequence="42", stamp=7.5),
        "new": ShardPosition(sequence="99", stamp=8.0, since=3.0, ended=True),
        "trimmed": ShardPosition(stamp=9.0),
    }
    windows = Snapshot(
        7, {"known": ShardPosition(sequence="40", stamp=6.0), "trimmed": ShardPosition(sequence="1")}, {}, {}
    )
    assert beginning(head, windows) == {
        "known": ShardPosition(sequence="40", stamp=6.0),
        "new": ShardPosition(since=3.0),
        "trimmed": ShardPosition(stamp=9.0),  # what the windows stand at was lost since
    }
    assert beginning(head, None) == {
        "known": ShardPosition(),
        "new": ShardPosition(since=3.0),
        "trimmed": ShardPosition(stamp=9.0),
    }
