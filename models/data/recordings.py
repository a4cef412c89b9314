"""Recorded charges: samples of one or more devices in order of time, and their division into series and sessions.

Replay, training and evaluation take recordings in this form. `models.data.files` reads them from files; the command
line reads them from a table or an export with the worker's decoder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.config import PLAUSIBLE, Range
from window.features import ROLLING
from window.samples import Kind, Samples

Flags = NDArray[np.bool_]
MILLISECONDS_FROM = 1e11
"""As seconds this is the year 5138."""
SESSION_GAP_S = 60.0


class RecordingError(Exception):
    """A recording cannot be used. The message is for the user: what is wrong, where, and what to do."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A row that is no sample: why, and the row as it was read."""

    reason: str
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recording:
    """Samples that were recorded together, in order of time, and by device name where times are equal.

    ``samples``: their ``device`` is an index into ``devices``; ``created`` is ``ts``, as nobody knows when they were
    written. Rows in ``unusable`` are no samples: their kind says so, and malformed ones have NaN in every other column.
    ``fault``: where a label says that something was wrong, (n,). ``notes``: what the user should know about it.
    """

    name: str
    samples: Samples
    devices: tuple[str, ...]
    unusable: Mapping[int, Unusable]
    fault: Flags
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    @classmethod
    def of(
        cls,
        name: str,
        samples: Samples,
        devices: Sequence[str],
        unusable: Mapping[int, Unusable],
        fault: Flags | None = None,
        notes: tuple[str, ...] = (),
    ) -> Recording:
        """Sort rows by ``created``. A row where that is NaN stays behind its predecessor.

        Raises `RecordingError` if there is no sample at all, or if the times are not in seconds.
        """
        if len(samples) == 0:
            raise RecordingError(f"{name}: there are no samples in it")
        if len(unusable) == len(samples):
            reason, _ = Counter(each.reason for each in unusable.values()).most_common(1)[0]
            raise RecordingError(f"{name}: none of its {len(samples)} rows is a sample: {reason}")
        timed = np.isfinite(samples.created)
        if float(np.median(samples.created[timed])) > MILLISECONDS_FROM:
            raise RecordingError(f"{name}: ts looks like milliseconds. Write epoch seconds; fractions are welcome")
        latest = np.maximum.accumulate(np.where(timed, np.arange(len(samples)), int(timed.argmax())))
        created = samples.created[latest]
        rank = np.argsort(np.argsort(np.asarray(devices)))[samples.device]
        order = np.lexsort((rank, created))
        nothing = np.where(samples.kind == Kind.MALFORMED, np.nan, 0.0)
        placed = Samples(
            samples.ts + nothing,
            samples.current_a + nothing,
            samples.temperature_c + nothing,
            created,
            samples.device,
            samples.shard,
            samples.kind,
        ).take(order)
        back = np.argsort(order)
        return cls(
            name,
            placed,
            tuple(devices),
            {int(back[row]): each for row, each in unusable.items()},
            np.zeros(len(samples), bool) if fault is None else fault[order],
            notes,
        )

    def before(self, ts: float) -> tuple[Samples, Recording]:
        """The samples before ``ts`` (epoch seconds), and the rest as a recording."""
        first = int(np.searchsorted(self.samples.created, ts))
        rest = Recording(
            self.name,
            self.samples.take(slice(first, None)),
            self.devices,
            {row - first: each for row, each in self.unusable.items() if row >= first},
            self.fault[first:],
            self.notes,
        )
        return self.samples.take(slice(0, first)), rest


@dataclass(frozen=True, slots=True)
class Series:
    """One device's samples in a recording, in order of time, each time once. ``fault``: where a fault is known, (n,).

    Rows that were no samples are NaN. The worker quarantines them, like impossible readings.
    """

    name: str
    samples: Samples
    fault: Flags

    def plausible(self, within: Range = PLAUSIBLE) -> Flags:
        """Which samples the worker would score, (n,)."""
        (low_a, high_a), (low_c, high_c) = within.current_a, within.temperature_c
        current_a, temperature_c = self.samples.current_a, self.samples.temperature_c
        found: Flags = (  # false for NaN
            (current_a >= low_a) & (current_a <= high_a) & (temperature_c >= low_c) & (temperature_c <= high_c)
        )
        return found

    def healthy(
        self, *, gap_s: float = SESSION_GAP_S, least: int = ROLLING, within: Range = PLAUSIBLE
    ) -> list[Samples]:
        """The sessions without broken and labelled samples. A gap longer than ``gap_s`` seconds ends a session.
        Sessions with fewer than ``least`` samples are left out: their features say nothing."""
        kept = self.samples.take(self.plausible(within) & ~self.fault)
        cuts = [0, *(1 + np.flatnonzero(np.diff(kept.ts) > gap_s)), len(kept)]
        return [kept.take(slice(int(a), int(b))) for a, b in pairwise(cuts) if b - a >= least]


def series(recordings: Iterable[Recording]) -> list[Series]:
    """The series of every device in every recording. Of rows with the same time the last one counts, as in the table. A
    row that is no sample never replaces a sample."""
    found = []
    for recording in recordings:
        of = recording.samples
        good = of.kind == Kind.SAMPLE
        ts, nothing = np.where(good, of.ts, of.created), np.where(good, 0.0, np.nan)
        for code, device in enumerate(recording.devices):
            rows = np.flatnonzero(of.device == code)
            rows = rows[np.lexsort((good[rows], ts[rows]))]
            rows = rows[np.append(np.diff(ts[rows]) > 0, True)] if len(rows) else rows
            samples = Samples.of(ts[rows], (of.current_a + nothing)[rows], (of.temperature_c + nothing)[rows])
            found.append(Series(device, samples, recording.fault[rows]))
    return found
