"""Misfit: a battery that the bundle was not trained on. Asked once for each device and bundle, of its first minutes.

Pure: a function of the records in merged order and of the bundle that is active at the time of each sample.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reporting.health.device import Device, Rows
from reporting.health.notice import Notice
from reporting.health.state import Fit
from reporting.names import flat
from scoring.bundle import Bundle
from scoring.succession import Succession
from window.samples import Floats, Samples

FIRST_S, FIRST_SAMPLES = 300.0, 30
"""The samples that are compared: so many seconds of stamps, and at least so many samples."""
OUTSIDE_MOST = 0.2
"""A misfit has more than this share of its samples outside the training range."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """A misfit: the row at which it was found, the bundle, and what was counted up to there."""

    row: int
    bundle: Bundle
    counted: Fit

    def said(self, device: str) -> str:
        """The sentences of the notice."""
        share, known = self.counted.outside / self.counted.seen, self.bundle.config.training_range
        (low_a, high_a), (low_c, high_c) = known.current_a, known.temperature_c
        return (
            f"{share:.0%} of the first {self.counted.seen} samples of {flat(device)} lie outside the training range of "
            f"bundle {self.bundle.id} ({low_a:.3g} to {high_a:.3g} A, {low_c:.3g} to {high_c:.3g} °C): it may raise "
            "false alarms all the time, or miss a fault. Train a bundle on your own charges and point MODEL_DIR at it."
        )


def follow(device: Device, samples: Samples, stamp: Floats, rows: Rows, bundles: Succession) -> None:
    """Compare the device's scored ``rows`` with the training ranges of the ``bundles``."""
    asked, fit, found = compare(device.state.asked, device.state.fit, samples, stamp, rows, bundles)
    device.update(asked=asked, fit=fit)
    for each in found:
        at = float(stamp[each.row])
        notice = Notice(
            "health.misfit",
            device.name,
            at,
            "opened",
            each.said(device.name),
            since=each.counted.since,
            until=at,
            count=each.counted.outside,
            model=each.bundle.id,
            command=f"battery-watch train --table {device.table} --out my-bundle",
        )
        device.add(each.row, notice)


def compare(
    asked: str, fit: Fit | None, samples: Samples, stamp: Floats, rows: Rows, bundles: Succession
) -> tuple[str, Fit | None, list[Misfit]]:
    """Compare one device's scored ``rows``, in order. ``asked``: the last bundle for which the question is settled;
    ``fit``: the open question. Returns both as they are after the rows, and the misfits found in them."""
    found: list[Misfit] = []
    if len(rows) == 0 or asked == bundles.latest.id:
        return asked, fit, found
    places = bundles.rows(samples.device[rows], samples.ts[rows])
    if fit is None and places.max() <= _last_place(asked, bundles):
        return asked, fit, found
    for row, place, outside in zip(rows, places, _outside(samples, rows, places, bundles), strict=True):
        bundle, at = bundles.bundles[place], float(stamp[row])
        last = asked if fit is None else fit.bundle
        if bundle.id != last and place > _last_place(last, bundles):
            fit = Fit(bundle.id, at)
        if fit is None or bundle.id != fit.bundle:
            continue  # settled, or a sample of the time of an earlier bundle
        fit = replace(fit, seen=fit.seen + 1, outside=fit.outside + int(outside))
        if at - fit.since >= FIRST_S and fit.seen >= FIRST_SAMPLES:
            if fit.outside > OUTSIDE_MOST * fit.seen:
                found.append(Misfit(int(row), bundle, fit))
            asked, fit = bundle.id, None
    return asked, fit, found


def _outside(samples: Samples, rows: Rows, places: NDArray[np.intp], bundles: Succession) -> NDArray[np.bool_]:
    ranges = [bundle.config.training_range for bundle in bundles.bundles]
    current_a = np.array([each.current_a for each in ranges])[places]
    temperature_c = np.array([each.temperature_c for each in ranges])[places]
    return (
        (samples.current_a[rows] < current_a[:, 0])
        | (samples.current_a[rows] > current_a[:, 1])
        | (samples.temperature_c[rows] < temperature_c[:, 0])
        | (samples.temperature_c[rows] > temperature_c[:, 1])
    )


def _last_place(bundle: str, bundles: Succession) -> int:
    """The last place of a bundle, which may come several times; -1 for one that nothing needs any more."""
    return max((n for n, each in enumerate(bundles.bundles) if each.id == bundle), default=-1)
