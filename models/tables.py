"""Recorded charges from files: CSV or Parquet with the columns ts, current and temperature."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scoring.config import Range
from window.samples import Samples

COLUMNS = ("ts", "current", "temperature")
LABEL = "label"
_SUFFIXES = (".csv", ".parquet")


class TableError(ValueError):
    """A file cannot be used. The message says which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One file, in order of time: its samples, as they stand in it, and where a fault is known to be, (n,)."""

    name: str
    samples: Samples
    fault: NDArray[np.bool_]

    def plausible(self, within: Range) -> NDArray[np.bool_]:
        """Which samples the worker would score, shape (n,): the others it sets aside."""
        current_a, temperature_c = self.samples.current_a, self.samples.temperature_c
        (low_a, high_a), (low_c, high_c) = within.current_a, within.temperature_c
        found: NDArray[np.bool_] = (
            (current_a >= low_a) & (current_a <= high_a) & (temperature_c >= low_c) & (temperature_c <= high_c)
        )
        return found

    def healthy(self, within: Range, *, gap_s: float, least: int) -> list[Samples]:
        """Its sessions without broken and labelled samples, those of at least ``least`` samples."""
        kept = self.samples.take(self.plausible(within) & ~self.fault)
        ends = np.flatnonzero(np.diff(kept.ts) > gap_s) + 1
        bounds = [0, *ends.tolist(), len(kept)]
        runs = [kept.take(slice(a, b)) for a, b in pairwise(bounds)]
        return [run for run in runs if len(run) >= least]


def files(paths: Iterable[Path]) -> list[Path]:
    """The files named or matched by a pattern, and those in the folders named, each once. Raises `TableError` where
    there is none."""
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix in _SUFFIXES)
            if not inside:
                raise TableError(f"{path} holds no CSV or Parquet file")
        elif path.exists():
            inside = [path]
        else:
            inside = sorted(p for p in path.parent.glob(path.name) if p.suffix in _SUFFIXES)
            if not inside:
                raise TableError(f"there is no file {path}")
        found.update(dict.fromkeys(inside))
    return list(found)


def read(path: Path) -> Recording:
    """The recording in a file. Of samples with one ``ts`` the last one counts, as in the table; a sample without a
    time is left out. Raises `TableError`."""
    import pandas as pd

    if path.suffix not in _SUFFIXES:
        raise TableError(f"{path} is neither CSV nor Parquet, to go by its name")
    try:
        table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise TableError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise TableError(f"{path} has no column {' or '.join(missing)}; it needs {', '.join(COLUMNS)}")
    try:
        ts, current_a, temperature_c = (table[name].to_numpy(np.float64, na_value=np.nan) for name in COLUMNS)
        label = table[LABEL].to_numpy(np.float64) if LABEL in table.columns else np.zeros(len(table))
    except (TypeError, ValueError) as error:
        raise TableError(f"{path} holds a column that is not numbers: {error}") from error
    known = np.flatnonzero(np.isfinite(ts))
    order = known[np.argsort(ts[known], kind="stable")]
    last = np.append(np.diff(ts[order]) > 0, True) if len(order) else np.empty(0, bool)
    rows = order[last]
    return Recording(path.stem, Samples.of(ts[rows], current_a[rows], temperature_c[rows]), label[rows] != 0)
