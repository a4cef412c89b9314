"""Quarantined records: those of a device that cannot be used. One notice an hour, however many they are."""

from __future__ import annotations

from reporting.health.device import Device, Record
from reporting.health.notice import Notice
from reporting.names import flat
from window.samples import Kind

QUARANTINE_EVERY_S = 3600.0
"""The time between two notices of a device, by stamps."""


def follow(device: Device, record: Record, kind: Kind) -> None:
    """A record came: open a notice if it is quarantined and the last notice is old enough."""
    last = device.state.quarantine_told
    if kind.quarantined and (last is None or record.at - last >= QUARANTINE_EVERY_S):
        said = (
            f"A record of {flat(device.name)} could not be used and is quarantined ({kind.name.lower()}). "
            "Further ones within the hour get no notice."
        )
        notice = Notice("health.quarantine", device.name, record.at, "opened", said, since=record.created)
        device.add(record.row, notice)
        device.update(quarantine_told=record.at)
