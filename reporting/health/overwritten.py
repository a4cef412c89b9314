"""Overwritten samples: those that take the place of another of the same ``ts`` with other readings.

A few are corrections, and slightly other readings are those of a second logger: both are counted and quiet. Many that
differ by more than noise mean that a window holds a mixture, so it is told once what that may be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from reporting.contract.events import utc
from reporting.health.device import Device, Rows
from reporting.health.notice import Notice
from reporting.health.state import Overwriting
from reporting.names import flat
from window.ring import Columns
from window.rolling import CONTEXT, Windows
from window.samples import Floats, Samples

WITHIN, MOST = 120, 30
"""Told when so many (`MOST`) of at most `WITHIN` adjacent samples overwrite another with materially other readings. Two
devices under one name do it in half of all."""
QUIET_S = 3600.0
"""It is over once no sample was overwritten so for this long, by stamps of the device's records."""
LEAST_A, LEAST_SHARE, LEAST_C = 0.15, 0.05, 1.5
"""Readings closer than this are the same measured twice: two loggers differ by their calibration, and coarse ones by a
step of 0.1 A or 1 °C. The share is that of the larger current."""
SCATTERS, BEFORE, LAGS = 10.0, 30, (1, 2, 3, 4)
"""Nor does it count while the difference is below so many times the scatter of the `BEFORE` samples ahead: the lower
quartile of their differences, from each to the next or, if it is smaller, to a later one. So what two devices left
there in turn scatters no more than one of them does."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Current in amperes and temperature in degrees Celsius."""

    current_a: float
    temperature_c: float

    def __str__(self) -> str:
        return f"{self.current_a:.3g} A and {self.temperature_c:.3g} °C"


@dataclass(frozen=True, slots=True)
class Overwrite:
    """A sample that takes the place of another: the readings before and after. ``material``: they differ by more than
    noise does."""

    before: Reading
    after: Reading
    material: bool

    @classmethod
    def of(cls, windows: Windows, samples: Samples) -> Overwrite | None:
        """What the first of ``samples`` will overwrite in the windows; None if it is new there, if it has the same
        readings, or if the windows have it from the table alone, so that this is its own record (rule 18)."""
        device, ts = int(samples.device[0]), float(samples.ts[0])
        if not ts <= windows.newest(device):
            return None
        _, kept = windows.since(device, ts, BEFORE)
        at = int(np.searchsorted(kept.ts, ts))
        if kept.ts[at] != ts or kept.severity[at] == CONTEXT:
            return None
        before = Reading(float(kept.current_a[at]), float(kept.temperature_c[at]))
        after = Reading(float(samples.current_a[0]), float(samples.temperature_c[0]))
        return None if before == after else cls(before, after, differs(before, after, _scatter(kept, at)))


def differs(before: Reading, after: Reading, scatter: Reading | None = None) -> bool:
    """Do two readings differ materially? ``scatter``: how much the device's readings differ anyway.

    >>> differs(Reading(2.996, 22.04), Reading(3.016, 22.14)), differs(Reading(2.996, 22.04), Reading(1.498, 22.04))
    (False, True)
    """
    least_a = max(LEAST_A, LEAST_SHARE * max(abs(before.current_a), abs(after.current_a)))
    least_c = LEAST_C
    if scatter is not None:
        least_a, least_c = max(least_a, SCATTERS * scatter.current_a), max(least_c, SCATTERS * scatter.temperature_c)
    apart_a, apart_c = abs(after.current_a - before.current_a), abs(after.temperature_c - before.temperature_c)
    return apart_a > least_a or apart_c > least_c


def follow(device: Device, stamp: Floats, rows: Rows) -> None:
    """Samples have come, ``rows`` in order: count them, and close what has ended."""
    state = device.state.overwriting
    if state is None or len(rows) == 0:
        return
    if not state.told:
        seen = state.seen + len(rows)
        device.update(overwriting=replace(state, seen=seen) if seen <= WITHIN else None)
        return
    quiet = stamp[rows] - state.until >= QUIET_S
    if quiet.any():
        row = int(rows[int(quiet.argmax())])
        said = (
            f"{flat(device.name)} overwrites samples with other readings no more: "
            f"{state.count:,} since {utc(state.since):%H:%M:%S} UTC."
        )
        _close(device, row, float(stamp[row]), said, state)
        device.update(overwriting=None)


def overwrote(device: Device, overwrite: Overwrite, at: float) -> None:
    """The last of the samples that came has overwritten another, at stamp ``at``."""
    if not overwrite.material:
        return
    # The first of them makes two samples: itself, and the one that it has overwritten.
    state = device.state.overwriting or Overwriting(since=at, until=at, seen=2)
    state = replace(state, count=state.count + 1, until=max(state.until, at))
    if not state.told and state.count >= MOST:
        said = (
            f"{state.count} of the last {state.seen} samples of {flat(device.name)} overwrite another of the same ts "
            f"with other readings (the last one: {overwrite.before}, then {overwrite.after}): two devices under one "
            "name, or a clock that shows an hour twice?"
        )
        notice = Notice(
            "health.overwritten", device.name, at, "opened", said, since=state.since, until=at, count=state.count
        )
        device.add(0, notice)
        state = replace(state, told=True)
    device.update(overwriting=state)


def forget(device: Device, at: float, said: str) -> None:
    """The device is forgotten: close what a notice opened."""
    state = device.state.overwriting
    if state is not None and state.told:
        _close(device, 0, at, said, state)


def _close(device: Device, row: int, at: float, said: str, state: Overwriting) -> None:
    notice = Notice(
        "health.overwritten", device.name, at, "closed", said, since=state.since, until=at, count=state.count
    )
    device.add(row, notice)


def _scatter(kept: Columns, at: int) -> Reading:
    """How much the samples before row ``at`` scatter; 0 where there are too few."""
    first = max(0, at - BEFORE)
    columns = [column[first:at] for column in (kept.current_a, kept.temperature_c)]
    if len(columns[0]) <= 2 * max(LAGS):
        return Reading(0.0, 0.0)
    return Reading(*(min(_lower_quartile(np.abs(of[lag:] - of[:-lag])) for lag in LAGS) for of in columns))


def _lower_quartile(values: Floats) -> float:
    return float(np.partition(values, len(values) // 4)[len(values) // 4])
