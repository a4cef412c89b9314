"""Silence: a device whose records stop, and a device that is silent for so long that it is forgotten."""

from __future__ import annotations

from reporting.contract.events import utc
from reporting.health.device import Device, Rows
from reporting.health.notice import Notice
from reporting.health.state import DeviceHealth
from reporting.names import flat
from window.samples import Floats

SILENCE_S = 120.0
"""A device is silent once no record of it has come for so long, by stamps."""
FORGET_S = 86_400.0
"""A device is forgotten after so much silence: names that come and go must not take memory for ever."""


def deadline(state: DeviceHealth) -> float:
    """The stamp at which the device is silent or, if it is silent already, forgotten."""
    return state.last + (FORGET_S if state.silent else SILENCE_S)


def forgets(state: DeviceHealth, at: float) -> bool:
    """Is the device to be forgotten at this stamp?"""
    return state.silent and state.last + FORGET_S <= at


def end(device: Device, rows: Rows, stamp: Floats) -> None:
    """Records have come, ``stamp`` (n,) are theirs: close the silence, if a notice opened one. A record that was
    written before the silence began, and is read after it, does not end it."""
    state = device.state
    if state.context:
        device.update(silent=False)
    elif state.silent and (later := stamp > state.last).any():
        row, at = int(rows[later][0]), float(stamp[later][0])
        said = f"{flat(device.name)} sends again, after {at - state.last:.0f} s."
        device.add(row, Notice("health.silence", device.name, at, "closed", said, since=state.last, until=at))
        device.update(silent=False)


def expire(device: Device, at: float) -> None:
    """The watermark has reached ``at`` and no record came before: open the silence, if it is due."""
    since = device.state.last
    if not device.state.silent and since + SILENCE_S <= at:
        device.update(silent=True)
        said = f"No sample from {flat(device.name)} since {utc(since):%H:%M:%S} UTC, {SILENCE_S:.0f} s ago."
        device.add(0, Notice("health.silence", device.name, at, "opened", said, since=since))


def forget(device: Device, at: float) -> str:
    """Close the silence because the device is forgotten. Returns the sentence, which closes its other notices too."""
    said = (
        f"No sample from {flat(device.name)} for {FORGET_S / 3600:g} h: it is no longer watched. "
        "If it sends again, it counts as a new device."
    )
    device.add(0, Notice("health.silence", device.name, at, "closed", said, since=device.state.last, until=at))
    return said
