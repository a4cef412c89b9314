"""Stuck readings: both readings repeat to the last digit while current flows, because a logger hangs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reporting.health.device import Device, Rows
from reporting.health.notice import Notice
from reporting.health.state import Frozen
from reporting.names import flat
from window.samples import Floats, Samples

STUCK_SAMPLES, STUCK_S = 30, 60.0
"""How many equal samples, and over how many seconds of stamps, make a stuck reading. Both are needed."""


def follow(device: Device, samples: Samples, stamp: Floats, rows: Rows) -> None:
    """Examine the device's samples ``rows``, at least one, in order."""
    current_a, temperature_c = samples.current_a[rows], samples.temperature_c[rows]
    before = device.state.frozen
    goes_on = before is not None and (before.current_a, before.temperature_c) == (current_a[0], temperature_c[0])
    if before is not None and before.told and not goes_on:
        _close(device, int(rows[0]), float(stamp[rows[0]]), before)
    changes = 1 + np.flatnonzero((current_a[1:] != current_a[:-1]) | (temperature_c[1:] != temperature_c[:-1]))
    starts, ends = [0, *changes], [*changes, len(rows)]
    for n, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if end - start < STUCK_SAMPLES and not (n == 0 and goes_on) and end < len(rows):
            continue  # too short to matter, and over
        at = rows[start:end]
        if before is None or not (n == 0 and goes_on):
            before = Frozen(float(current_a[start]), float(temperature_c[start]), float(stamp[at[0]]), 0)
        before = _repeat(device, before, stamp, at)
        if before.told and end < len(rows):
            _close(device, int(rows[end]), float(stamp[rows[end]]), before)
    device.update(frozen=before)


def forget(device: Device, at: float, said: str) -> None:
    """The device is forgotten: close what a notice opened."""
    frozen = device.state.frozen
    if frozen is not None and frozen.told:
        device.add(0, Notice("health.stuck", device.name, at, "closed", said, since=frozen.since, until=at))


def _repeat(device: Device, frozen: Frozen, stamp: Floats, rows: Rows) -> Frozen:
    """The reading goes on in ``rows``: open a notice at the first row where it lasts long enough. A current of exactly
    0 A may repeat: none flows."""
    counts = frozen.count + 1 + np.arange(len(rows))
    stuck = (counts >= STUCK_SAMPLES) & (stamp[rows] - frozen.since >= STUCK_S)
    frozen = replace(frozen, count=frozen.count + len(rows))
    if frozen.told or frozen.current_a == 0.0 or not stuck.any():
        return frozen
    row = int(rows[int(stuck.argmax())])
    at = float(stamp[row])
    said = (
        f"{flat(device.name)} has reported exactly {frozen.current_a:g} A and {frozen.temperature_c:g} °C "
        f"for {at - frozen.since:.0f} s: a sensor or its logger is stuck."
    )
    device.add(row, Notice("health.stuck", device.name, at, "opened", said, since=frozen.since))
    return replace(frozen, told=True)


def _close(device: Device, row: int, at: float, frozen: Frozen) -> None:
    said = f"The readings of {flat(device.name)} change again."
    device.add(row, Notice("health.stuck", device.name, at, "closed", said, since=frozen.since, until=at))
