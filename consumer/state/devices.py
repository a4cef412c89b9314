"""Whose a device is where the states of several lanes name it (rule 32).

In a table keyed by device a lane is a lineage of shards. A worker that was down for longer than the stream keeps finds
a device under a new lineage, while the state of the old one still has its window, its health and its episodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf

from consumer.state.head import Head
from consumer.state.snapshot import Snapshot

NO_COMMIT = -1
"""The commit of windows that are of no commit of their lane."""


@dataclass(frozen=True, slots=True)
class LaneState:
    """What the last owner of a lane has left."""

    head: Head
    snapshot: Snapshot | None


def settle(states: Mapping[str, LaneState]) -> dict[str, LaneState]:
    """The states, by lane, so that each device is in one of them: the one whose head has its latest record, and of two
    that are equal the one whose watermark is higher, then the one of the higher epoch. Where that lane's windows lack
    the device, it gets the other's: the device was claimed after they were stored."""
    settled = dict(states)
    for device in sorted(_named_twice(states)):
        owner = max(states, key=lambda lane: _claim(states[lane], lane, device))
        with_window = [lane for lane in states if _has_window(states[lane], device)]
        if with_window and owner not in with_window:
            holder = max(with_window, key=lambda lane: _claim(states[lane], lane, device))
            settled[owner] = _given(settled[owner], states[holder], device)
        for lane in states:
            if lane != owner:
                settled[lane] = _without(settled[lane], device)
    return settled


def _named_twice(states: Mapping[str, LaneState]) -> set[str]:
    seen: set[str] = set()
    twice: set[str] = set()
    for state in states.values():
        names = {*state.head.health, *(state.snapshot.devices if state.snapshot is not None else ())}
        twice |= seen & names
        seen |= names
    return twice


def _claim(state: LaneState, lane: str, device: str) -> tuple[float, float, float, int, str]:
    """How good a lane's claim is. A head that does not name a device has let it go, whatever older windows say. One
    that got the device without a record yet has gone on with its timers, and may have told what they say."""
    known = state.head.health.get(device)
    stored = state.snapshot.health.get(device) if state.snapshot is not None else None
    return (
        known.last if known is not None else -inf,
        state.head.watermark if known is not None and state.head.watermark is not None else -inf,
        stored.last if stored is not None else -inf,
        state.head.epoch,
        lane,
    )


def _has_window(state: LaneState, device: str) -> bool:
    return state.snapshot is not None and device in state.snapshot.devices


def _given(owner: LaneState, holder: LaneState, device: str) -> LaneState:
    """The owner's state with the holder's window of a device, and its health as it was when the owner claimed it: that
    is what the owner's records after its own windows are read again with."""
    own, other = owner.snapshot or Snapshot(NO_COMMIT, {}, {}, {}), holder.snapshot
    assert other is not None  # it has the window
    health = holder.head.health.get(device, other.health.get(device))
    devices = {**own.devices, device: other.devices[device]}
    known = {**own.health, **({device: health} if health is not None else {})}
    return replace(owner, snapshot=replace(own, devices=devices, health=known))


def _without(state: LaneState, device: str) -> LaneState:
    head, snapshot = state.head, state.snapshot
    outbox = head.outbox.model_copy(update={"minutes": [m for m in head.outbox.minutes if m[0] != device]})
    head = head.model_copy(
        update={
            "health": {name: each for name, each in head.health.items() if name != device},
            "episodes": {name: each for name, each in head.episodes.items() if name != device},
            "held": [notice for notice in head.held if notice.device != device],
            "outbox": outbox,
        }
    )
    if snapshot is not None:
        snapshot = replace(
            snapshot,
            devices={name: each for name, each in snapshot.devices.items() if name != device},
            health={name: each for name, each in snapshot.health.items() if name != device},
        )
    return LaneState(head, snapshot)
