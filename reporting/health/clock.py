"""Wrong clocks: a device whose ``ts`` is off by the same amount for every record.

An upload of old samples has another offset with every sample. A wrong clock keeps its offset while time goes on. Only
the second makes late or future records into samples.
"""

from __future__ import annotations

from dataclasses import replace

from reporting.health.device import Device, Record
from reporting.health.notice import Notice
from reporting.health.state import Run
from reporting.names import flat
from window.samples import Kind

SKEW_SAMPLES, SKEW_SPAN_S = 3, 10.0
"""How many records of one offset, and over how many seconds of ``ts``, prove that the clock is wrong."""
SKEW_WITHIN_S = 60.0
"""Offsets no further apart than this count as the same."""


def corrected(device: Device, record: Record, kind: Kind) -> Kind:
    """The kind of a late or future record in the light of the clock: a sample if the clock is known to be wrong by
    this offset, or if this record proves it."""
    offset = record.ts - record.created
    known = device.state.skew_s
    if known is not None and abs(offset - known) <= SKEW_WITHIN_S:
        return Kind.SAMPLE
    suspect = device.state.suspect
    if suspect is None or abs(offset - suspect.offset_s) > SKEW_WITHIN_S or record.ts < suspect.until:
        suspect = Run(record.ts, record.ts, offset, 1)
    else:
        suspect = replace(suspect, until=record.ts, count=suspect.count + 1)
    device.update(suspect=suspect)
    span = suspect.until - suspect.since
    steady = abs(offset - suspect.offset_s) <= 1.0 + 0.1 * span
    if suspect.count < SKEW_SAMPLES or span < SKEW_SPAN_S or not steady:
        return kind
    if offset < (known or 0.0):
        device.set_back.append(record.row)
    device.update(skew_s=offset, suspect=None)
    way = "ahead" if offset > 0 else "behind"
    said = f"The clock of {flat(device.name)} is {abs(offset):.0f} s {way}: its samples are scored on its own clock."
    device.add(record.row, Notice("health.clock_skew", device.name, record.at, "opened", said, offset_s=offset))
    return Kind.SAMPLE


def right(device: Device, record: Record) -> None:
    """A record is on time: the clock is right, and a notice that said otherwise is closed."""
    if device.state.skew_s is not None:
        said = f"The clock of {flat(device.name)} is right again."
        offset = record.ts - record.created
        device.add(record.row, Notice("health.clock_skew", device.name, record.at, "closed", said, offset_s=offset))
        if device.state.skew_s > 0:
            device.set_back.append(record.row)
    device.update(skew_s=None, suspect=None)


def forget(device: Device, at: float, said: str) -> None:
    """The device is forgotten: close what a notice opened."""
    skew_s = device.state.skew_s
    if skew_s is not None:
        device.add(0, Notice("health.clock_skew", device.name, at, "closed", said, offset_s=skew_s))
