"""Recorded charges: samples of one or more devices in order of time, and how they fall into sessions.

Replay, training and evaluation take what was recorded in this form, wherever it was read: from files by `models.files`,
from a table or an export by the command line, with the worker's decoder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.config import BundleConfig, Range
from window.features import ROLLING
from window.samples import Kind, Samples

MILLISECONDS_FROM = 1e11
"""As seconds this would be the year 5138."""
SESSION_GAP_S = 60.0
PLAUSIBLE: Range = BundleConfig.model_fields["plausible"].default
LEAST_SESSIONS, LEAST_SAMPLES = 8, 120
"""What training needs: some sessions are learnt from, some held out; shorter ones show no charge."""


class RecordingError(Exception):
    """What was recorded cannot be read. The message is for the user: what is wrong, where, and what to do."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A row that is no sample: why, and the row as it came."""

    reason: str
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recording:
    """What was recorded together, in order of time; devices by name where that ties.

    ``samples``: their ``device`` are places in ``devices``, ``created`` is ``ts``: nobody knows when they were written.
    Rows in ``unusable`` are no samples: their kind says so, and malformed ones have NaN in every other column.
    ``more``: further columns that were asked for, by name, (n,). ``notes``: what a user should know of it.
    """

    name: str
    samples: Samples
    devices: tuple[str, ...]
    unusable: Mapping[int, Unusable] = field(default_factory=dict)
    more: Mapping[str, NDArray[Any]] = field(default_factory=dict)
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
        more: Mapping[str, NDArray[Any]] | None = None,
        notes: tuple[str, ...] = (),
    ) -> Recording:
        """Put rows in order, by ``created``; one where that is NaN stays behind the row it came after.

        Raises `RecordingError` for what cannot have been meant: no sample at all, or times that are no seconds.
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
            {column: values[order] for column, values in (more or {}).items()},
            notes,
        )

    def before(self, ts: float) -> tuple[Samples, Recording]:
        """What was recorded before ``ts`` (epoch seconds), and the rest."""
        first = int(np.searchsorted(self.samples.created, ts))
        rest = Recording(
            self.name,
            self.samples.take(slice(first, None)),
            self.devices,
            {row - first: each for row, each in self.unusable.items() if row >= first},
            {name: values[first:] for name, values in self.more.items()},
            self.notes,
        )
        return self.samples.take(slice(0, first)), rest


@dataclass(frozen=True, slots=True)
class Session:
    """Samples of one device without a gap, in order of time. ``recording``: where they come from: sessions of one file
    are not to be split between what is learnt and what is held out."""

    recording: str
    device: str
    samples: Samples


def sessions(
    recordings: Iterable[Recording],
    *,
    gap_s: float = SESSION_GAP_S,
    least: int = ROLLING,
    plausible: Range = PLAUSIBLE,
) -> list[Session]:
    """The sessions in recordings: a gap longer than ``gap_s`` seconds, and the end of a file, ends one.

    Rows that are no samples, and those outside the ``plausible`` ranges, which the worker sets aside, are left out; of
    two with the same time the later counts. So are sessions of fewer than ``least`` samples: their features say
    nothing.
    """
    (low_a, high_a), (low_c, high_c) = plausible.current_a, plausible.temperature_c
    found = []
    for recording in recordings:
        for code, device in enumerate(recording.devices):
            of = recording.samples
            good = (of.current_a >= low_a) & (of.current_a <= high_a)  # false for NaN
            good &= (of.temperature_c >= low_c) & (of.temperature_c <= high_c) & (of.kind == Kind.SAMPLE)
            own = of.take((of.device == code) & good)
            own = own.take(np.append(np.diff(own.ts) > 0, True)) if len(own) else own
            cuts = [0, *(1 + np.flatnonzero(np.diff(own.ts) > gap_s)), len(own)]
            found += [
                Session(recording.name, device, own.take(slice(int(first), int(last))))
                for first, last in pairwise(cuts)
                if last - first >= least
            ]
    return found


def to_train_on(recordings: Sequence[Recording], *, gap_s: float = SESSION_GAP_S) -> list[Session]:
    """The sessions that are long enough to learn from. Raises `RecordingError` that says how many more are needed."""
    every = sessions(recordings, gap_s=gap_s, least=1)
    found = [one for one in every if len(one.samples) >= LEAST_SAMPLES]
    if len(found) < LEAST_SESSIONS:
        hours = sum(float(one.samples.ts[-1] - one.samples.ts[0]) for one in every) / 3600.0
        raise RecordingError(
            f"too little to train on: {len(found)} of the {len(every)} sessions ({hours:.2f} h in {len(recordings)} "
            f"recordings) have {LEAST_SAMPLES} samples or more, and {LEAST_SESSIONS} such sessions are needed. Record "
            f"{LEAST_SESSIONS - len(found)} more charges; if there are some, their samples may be too far apart: a gap "
            f"of more than {gap_s:.0f} s ends a session"
        )
    return found
