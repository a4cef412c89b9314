"""The axes of a chart: lines that break at gaps, limits that one wild value cannot stretch, and times."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from window.samples import Floats

GAP_S = 60.0
"""A line does not cross a gap longer than this: nobody knows what happened in it."""
ABSURD = 1e9
"""No axis reaches further: differences of such floats are noise. Such values are written beside their arrows."""
_TICKS = 8
"""An axis has at most so many times."""
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""The steps between two times on an axis; the smallest that fits is used."""


def broken(ts: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Both columns with a NaN row in every gap longer than `GAP_S`. ``ts``, shape (n,), must ascend."""
    after = np.flatnonzero(np.diff(ts) > GAP_S) + 1
    return np.insert(ts, after, np.nan), np.insert(values, after, np.nan)


def alone(ts: Floats) -> NDArray[np.bool_]:
    """True for samples with a gap on both sides: a line would not show them."""
    if len(ts) == 0:
        return np.zeros(0, bool)
    gap = np.diff(ts) > GAP_S
    edge = np.ones(1, bool)
    before, after = np.concatenate([edge, gap]), np.concatenate([gap, edge])
    lonely: NDArray[np.bool_] = before & after
    return lonely


def clusters(rows: NDArray[np.intp], reach: int) -> list[NDArray[np.intp]]:
    """Ascending row numbers in groups: neighbours in a group lie at most ``reach`` apart."""
    if len(rows) == 0:
        return []
    return np.split(rows, np.flatnonzero(np.diff(rows) > reach) + 1)


@dataclass(frozen=True, slots=True)
class Limits:
    """An axis from ``low`` to ``high``. Values outside are shown as arrows at its edge."""

    low: float
    high: float

    def outside(self, values: Floats) -> NDArray[np.bool_]:
        """True for values outside the axis, infinite ones included."""
        return (values < self.low) | (values > self.high)

    def edge(self, values: Floats) -> Floats:
        """The values, those outside moved to the nearest edge."""
        return np.clip(values, self.low, self.high)


def limits(values: Floats, *, reach: float) -> Limits:
    """Limits around ``values`` (any shape, NaN and infinities allowed) that show a whole fault but no absurd value.

    They show everything within ``reach`` of the median, or within five times the spread of the middle 90 %. They do not
    show a spike to 1000 A: the rest of the chart would be a flat line.
    """
    finite = values[np.abs(values) <= ABSURD]
    if len(finite) == 0:
        return Limits(0.0, 1.0)
    low, middle, high = (float(q) for q in np.percentile(finite, [5, 50, 95]))
    reach = max(reach, 5.0 * (high - low))
    shown = finite[np.abs(finite - middle) <= reach]
    first, last = float(shown.min()), float(shown.max())
    margin = max(0.08 * (last - first), 0.02 * reach)
    return Limits(first - margin, last + margin)


def log_limits(values: Floats, threshold: float) -> Limits:
    """Limits of a logarithmic axis: they show the threshold and the values within five decades of it."""
    if not (math.isfinite(threshold) and threshold > 0):
        threshold = 1.0
    shown = values[np.isfinite(values) & (values > 0)]
    shown = shown[(shown >= threshold * 1e-5) & (shown <= threshold * 1e5)]
    first = min([threshold, *([float(np.percentile(shown, 0.5))] if len(shown) else [])])
    last = max([threshold, *([float(shown.max())] if len(shown) else [])])
    return Limits(first / 2.0, last * 3.0)


def time_limits(ts: Floats) -> Limits:
    """The interval of the samples, a little wider; a minute around a single one."""
    if len(ts) == 0:
        return Limits(0.0, 1.0)
    first, last = float(ts[0]), float(ts[-1])
    margin = max(0.01 * (last - first), 30.0 if len(ts) == 1 else 1.0)
    return Limits(first - margin, last + margin)


def time_ticks(shown: Limits) -> list[float]:
    """At most `_TICKS` round times, epoch seconds."""
    span_s = shown.high - shown.low
    step_s = next((step for step in _STEPS_S if span_s / step <= _TICKS), math.ceil(span_s / _TICKS / 86400) * 86400)
    first = math.ceil(shown.low / step_s)
    return [float(k * step_s) for k in range(first, math.floor(shown.high / step_s) + 1)]


def moment(ts: float, pattern: str) -> str:
    """A time, UTC; the bare number for a time beyond the calendar."""
    try:
        return datetime.fromtimestamp(ts, UTC).strftime(pattern)
    except (ValueError, OverflowError, OSError):
        return f"{ts:.0f}"


def tick_label(ts: float, span_s: float) -> str:
    """A time on the axis, as exact as the interval needs."""
    if span_s > 86400:
        return moment(ts, "%d %b %H:%M")
    return moment(ts, "%H:%M:%S" if span_s <= 480 else "%H:%M")


def interval(ts: Floats) -> str:
    """The samples' interval in words."""
    if len(ts) == 0:
        return "no samples"
    first, last = float(ts[0]), float(ts[-1])
    end = "%H:%M:%S" if moment(first, "%F") == moment(last, "%F") else "%d %b %Y %H:%M:%S"
    return f"{moment(first, '%d %b %Y %H:%M:%S')} to {moment(last, end)} UTC"
