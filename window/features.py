"""The 14 features of a sample: a function of the sample and of the four before it in its session.

Every sum runs over named columns in a fixed order, never over an axis: the last bits of a reduction depend on the shape
of the batch, and a sample must give the same bits in a batch of one and in a batch of a thousand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from window.samples import Codes, Floats

FEATURES = (
    "current",
    "temperature",
    "current_roll_mean",
    "current_roll_std",
    "current_roll_min",
    "current_roll_max",
    "temp_roll_mean",
    "temp_roll_std",
    "current_rate",
    "temp_rate",
    "current_lag1",
    "temp_lag1",
    "current_temp_ratio",
    "current_temp_product",
)
ROLLING = 5
"""How many samples the rolling statistics use: features reach back ``ROLLING - 1`` samples."""


@dataclass(frozen=True, slots=True)
class FeatureRules:
    """What a bundle may choose about the features.

    ``session_gap_s``: a longer gap (seconds) starts a new session. ``rate``: first derivative per second, or
    ``"diff"`` (difference to the previous sample) for models converted from the old service. ``ratio_floor_c``:
    temperatures nearer to zero than this (degrees Celsius) divide as this, keeping their sign.
    """

    session_gap_s: float = 60.0
    rate: Literal["per_second", "diff"] = "per_second"
    ratio_floor_c: float = 1e-6


@dataclass(frozen=True, slots=True)
class Tails:
    """The last `ROLLING` samples, or more, up to and including each row: arrays of shape (n, length), newest last.

    ``present`` is false where the device has no such sample; the other columns hold anything finite there.
    """

    ts: Floats
    current_a: Floats
    temperature_c: Floats
    present: NDArray[np.bool_]

    def take(self, rows: Any) -> Tails:
        """The rows named by an index array, a mask or a slice, in that order."""
        return Tails(self.ts[rows], self.current_a[rows], self.temperature_c[rows], self.present[rows])


def tails(
    ts: Floats, current_a: Floats, temperature_c: Floats, device: Codes | None = None, length: int = ROLLING
) -> Tails:
    """Tails of every row of whole series, shape (n,), each device's rows adjacent and sorted by ``ts``."""
    n = len(ts)
    lead = length - 1

    def windows(column: Floats) -> Floats:
        return sliding_window_view(np.concatenate([np.repeat(column[:1], lead), column]), length)

    if n == 0:
        none = np.empty((0, length))
        return Tails(none, none, none, none.astype(bool))
    starts = np.zeros(n, bool)
    starts[0] = True
    if device is not None:
        starts[1:] = device[1:] != device[:-1]
    rows = np.arange(n)
    age = rows - np.maximum.accumulate(np.where(starts, rows, 0))
    present = age[:, None] >= np.arange(lead, -1, -1)[None, :]
    return Tails(windows(ts), windows(current_a), windows(temperature_c), present)


def features(of: Tails, rules: FeatureRules | None = None) -> Floats:
    """Features of shape (n, 14), in the order of `FEATURES`; equal bits for a row in any batch.

    Rolling mean, sample standard deviation (0 for one sample), minimum and maximum run over the last `ROLLING`
    samples of the session; the rate is the difference to the session's previous sample (per second, unless the
    rules say otherwise), the lag that sample itself; a session's first sample has rate 0 and is its own lag.
    """
    rules = rules or FeatureRules()
    newest = ROLLING - 1
    current, temperature = of.current_a, of.temperature_c
    step_s = of.ts[:, 1:] - of.ts[:, :-1]
    # A sample is in the session if it is present and no gap lies between it and the newest.
    joined = of.present[:, :-1] & of.present[:, 1:] & (step_s <= rules.session_gap_s)
    inside = [np.ones(len(of.ts), bool)]
    for k in range(newest - 1, -1, -1):
        inside.insert(0, inside[0] & joined[:, k])

    now_a, now_c = current[:, newest], temperature[:, newest]
    has_previous = inside[newest - 1]
    lag_a = np.where(has_previous, current[:, newest - 1], now_a)
    lag_c = np.where(has_previous, temperature[:, newest - 1], now_c)
    if rules.rate == "per_second":
        elapsed_s = np.where(has_previous, step_s[:, newest - 1], 1.0)
    else:
        elapsed_s = np.ones(len(of.ts))
    mean_a, std_a, min_a, max_a = _rolling(current, inside)
    mean_c, std_c, _, _ = _rolling(temperature, inside)
    near_zero = np.abs(now_c) < rules.ratio_floor_c
    divisor = np.where(near_zero, np.copysign(rules.ratio_floor_c, now_c), now_c)
    return np.column_stack(
        [
            now_a,
            now_c,
            mean_a,
            std_a,
            min_a,
            max_a,
            mean_c,
            std_c,
            (now_a - lag_a) / elapsed_s,
            (now_c - lag_c) / elapsed_s,
            lag_a,
            lag_c,
            now_a / divisor,
            now_a * now_c,
        ]
    )


def _rolling(values: Floats, inside: list[NDArray[np.bool_]]) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean, sample standard deviation, minimum and maximum over the columns marked inside, each of shape (n,)."""
    newest = values[:, ROLLING - 1]
    count = np.zeros(len(newest))
    total = np.zeros(len(newest))
    low, high = newest, newest
    for k in range(ROLLING):
        value = np.where(inside[k], values[:, k], newest)
        count = count + inside[k]
        total = total + np.where(inside[k], value, 0.0)
        low = np.minimum(low, value)
        high = np.maximum(high, value)
    mean = total / count
    squares = np.zeros(len(newest))
    for k in range(ROLLING):
        deviation = np.where(inside[k], values[:, k] - mean, 0.0)
        squares = squares + deviation * deviation
    std = np.sqrt(squares / np.maximum(count - 1.0, 1.0))
    return mean, np.where(high > low, std, 0.0), low, high
