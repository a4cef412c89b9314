"""Rows of a recording that fall on the ts of an earlier one: how many, and what that may come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reporting.health.overwritten import Reading, differs
from reporting.names import flat

if TYPE_CHECKING:
    from models.data.recordings import Recording
    from window.samples import Floats

HOURS = {3600.0: "An hour", 1800.0: "Half an hour"}
"""By so much clocks are set back in autumn."""
MATERIAL, STEADY = 0.25, 0.5
"""Two writers: so large a share differs by more than noise; or the mean difference is so large a part of the usual one,
since what one of them reads more it reads more all the time."""


@dataclass(frozen=True, slots=True)
class Overwritten:
    """The rows of one device with the ``ts`` of an earlier row: how many of its ``rows``, how many of them have other
    readings (``changed``), and the likely reason."""

    device: str
    rows: int
    repeated: int
    changed: int
    reason: str

    def __str__(self) -> str:
        said = f"{self.repeated:,} of {self.rows:,} rows of {flat(self.device)} fall on the ts of an earlier row"
        if self.changed == 0:
            return f"{said}, with the same readings: {self.reason}"
        others = "all" if self.changed == self.repeated else f"{self.changed:,} of them"
        return f"{said}, {others} with other readings; of each ts the last row counts. {self.reason}"


def overwritten(recordings: Iterable[Recording]) -> Iterator[Overwritten]:
    """What to say of each device with such rows. Rows of one ``ts`` count in the order in which they were read."""
    for recording in recordings:
        samples = recording.samples
        usable = np.ones(len(samples), bool)
        usable[list(recording.unusable)] = False
        for code, device in enumerate(recording.devices):
            rows = np.flatnonzero((samples.device == code) & usable)
            ts = samples.ts[rows]
            again = np.flatnonzero(ts[1:] == ts[:-1]) + 1
            if len(again):
                found = _found(ts, samples.current_a[rows], samples.temperature_c[rows], again)
                yield Overwritten(device, len(rows), len(again), *found)


def _found(ts: Floats, current_a: Floats, temperature_c: Floats, again: NDArray[np.intp]) -> tuple[int, str]:
    """How many of the rows ``again`` have other readings than the row before, and the likely reason."""
    apart_a, apart_c = (np.diff(column)[again - 1] for column in (current_a, temperature_c))
    other = (apart_a != 0.0) | (apart_c != 0.0)
    changed = int(other.sum())
    if changed == 0:
        return 0, "was something read twice?"
    if hour := _hour(ts, again):
        return changed, f"{hour} is there twice: local time without a zone?"
    pairs = zip(current_a[again - 1], temperature_c[again - 1], current_a[again], temperature_c[again], strict=True)
    material = sum(differs(Reading(a, c), Reading(to_a, to_c)) for a, c, to_a, to_c in pairs)
    steady = any(
        abs(float(apart[other].mean())) > STEADY * float(np.abs(apart[other]).mean()) for apart in (apart_a, apart_c)
    )
    if material >= MATERIAL * changed or steady:
        return changed, "Do two devices, or two loggers of one, write under this name?"
    if (ts == np.floor(ts)).all():
        return changed, "Several samples a second, whose times are cut to whole seconds?"
    return changed, "Were samples written again?"


def _hour(ts: Floats, again: NDArray[np.intp]) -> str | None:
    """By how much a clock went back, if that explains it: of a longer recording so much is there twice, and nothing
    else."""
    distinct = np.unique(ts)
    if len(distinct) < 2:
        return None
    step_s = float(np.median(np.diff(distinct)))
    span_s = float(ts[again].max() - ts[again].min()) + step_s
    slack_s = max(60.0, 2.0 * step_s)
    if distinct[-1] - distinct[0] < span_s + slack_s:
        return None
    return next((name for hour_s, name in HOURS.items() if abs(span_s - hour_s) <= slack_s), None)
