"""A device that the states of several lanes name is one's (rule 32)."""

from __future__ import annotations

from typing import Any

import numpy as np

from consumer.state.devices import NO_COMMIT, LaneState, settle
from consumer.state.head import Head, Outbox
from consumer.state.snapshot import Snapshot
from reporting.anomaly.episode import Episode
from reporting.health.notice import Notice
from reporting.health.state import DeviceHealth
from window.ring import Columns


def columns(*ts: float) -> Columns:
    times, none = np.array(ts), np.zeros(len(ts), np.int8)
    return Columns(times, times, times, times, times, none, none)


def state(
    lane: str, *, epoch: int = 1, watermark: float = 0.0, windows: tuple[str, ...] | None = (), **last: float
) -> LaneState:
    """A lane whose head has these devices, by the stamp of their last record, and whose windows have those."""
    health = {device: DeviceHealth(last=at) for device, at in last.items()}
    episodes = {device: [Episode(device, at, at, at, int(at))] for device, at in last.items()}
    held = [Notice("health.silence", device, at, "opened", "silent") for device, at in last.items()]
    outbox = Outbox(minutes=[(device, 60) for device in last])
    more: dict[str, Any] = {"health": health, "episodes": episodes, "held": held, "outbox": outbox}
    head = Head(lane=lane, owner="me", bundle="b", epoch=epoch, commit=9, watermark=watermark, **more)
    snapshot = None
    if windows is not None:
        stored = {device: DeviceHealth(last=last.get(device, 1.0) - 1.0) for device in windows}
        snapshot = Snapshot(9, {}, {device: columns(1.0, 2.0) for device in windows}, stored)
    return LaneState(head, snapshot)


def named(settled: dict[str, LaneState]) -> dict[str, tuple[set[str], set[str]]]:
    """By lane: the devices of its head, and those of its windows."""
    found = {}
    for lane, each in settled.items():
        head = each.head
        names = {*head.health, *head.episodes, *(n.device for n in head.held), *(m[0] for m in head.outbox.minutes)}
        found[lane] = (names, set(each.snapshot.devices) if each.snapshot else set())
    return found


def test_rule_32_the_lane_with_the_latest_record_has_the_device() -> None:
    """All of it: health, episodes, deferred notices and window. The other lane keeps what nobody else has."""
    old, new = state("old", a=50.0, b=50.0, windows=("a", "b")), state("new", a=90.0, windows=("a",))
    assert named(settle({"old": old, "new": new})) == {"old": ({"b"}, {"b"}), "new": ({"a"}, {"a"})}


def test_rule_32_of_equal_records_the_higher_epoch_counts() -> None:
    """Whatever the order in which the lanes are found."""
    low, high = state("low", a=50.0, epoch=3, windows=("a",)), state("high", a=50.0, epoch=4, windows=("a",))
    for found in ({"low": low, "high": high}, {"high": high, "low": low}):
        assert named(settle(found)) == {"low": (set(), set()), "high": ({"a"}, {"a"})}


def test_rule_32_of_equal_records_the_higher_watermark_counts() -> None:
    """The lane that got the device has gone on with its timers, and has no record of it yet."""
    given, taken = (
        state("given", watermark=60.0, a=50.0, epoch=8, windows=("a",)),
        state("taken", watermark=90.0, a=50.0),
    )
    settled = settle({"given": given, "taken": taken})
    assert (named(settled)["given"], named(settled)["taken"][0]) == ((set(), set()), {"a"})


def test_rule_32_a_device_claimed_after_the_windows_were_stored_brings_its_window() -> None:
    """With its health as it was at the claim: the new lane's records after its own windows are read again with it."""
    old, new = state("old", a=50.0, windows=("a",)), state("new", a=90.0, b=90.0, windows=("b",))
    settled = settle({"old": old, "new": new})
    assert named(settled) == {"old": (set(), set()), "new": ({"a", "b"}, {"a", "b"})}
    snapshot = settled["new"].snapshot
    assert snapshot is not None
    assert (snapshot.commit, snapshot.health["a"].last) == (9, 50.0)
    settled = settle({"old": old, "new": state("new", a=90.0, windows=None)})
    snapshot = settled["new"].snapshot
    assert snapshot is not None
    assert (snapshot.commit, set(snapshot.devices), snapshot.positions) == (NO_COMMIT, {"a"}, {})


def test_rule_32_older_windows_of_a_lane_that_has_let_a_device_go_do_not_count() -> None:
    """Its head says so."""
    old, new = state("old", windows=("a",), epoch=8), state("new", a=90.0, windows=("a",))
    assert named(settle({"old": old, "new": new})) == {"old": (set(), set()), "new": ({"a"}, {"a"})}


def test_states_that_share_no_device_stay_as_they_are() -> None:
    """The same objects."""
    states = {"old": state("old", a=50.0, windows=("a",)), "new": state("new", b=90.0, windows=None)}
    assert settle(states) == states
