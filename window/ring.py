"""The storage of the rolling windows: one ring of columns, rows of devices x slots for samples.

One row belongs to one device. Its samples fill ``count`` slots from ``start`` on, in order of time, and go on at the
first slot where the row ends. All columns of all devices lie in the same arrays, so that a batch of samples of many
devices is read and written in one go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from window.samples import Floats, Samples

Index = NDArray[np.int64]
Number = TypeVar("Number", np.float64, np.int8)
FLOATS = ("ts", "current_a", "temperature_c", "reconstruction_error", "forest_score")


@dataclass(frozen=True, slots=True)
class Columns:
    """A device's samples with their scores and verdicts in order of time, each of shape (n,). NaN scores: not scored
    yet."""

    ts: Floats
    current_a: Floats
    temperature_c: Floats
    reconstruction_error: Floats
    forest_score: Floats
    severity: NDArray[np.int8]
    stages: NDArray[np.int8]


class Ring:
    """Rows of slots. It grows by factors, so that growing costs little on average, and never shrinks."""

    def __init__(self, capacity: int) -> None:
        self.columns: dict[str, Floats] = {name: np.full((0, capacity), np.nan) for name in FLOATS}
        self.severity = np.zeros((0, capacity), np.int8)
        self.stages = np.zeros((0, capacity), np.int8)
        self.start = np.zeros(0, np.int64)
        self.count = np.zeros(0, np.int64)
        self._row = np.zeros(0, np.int64)  # by device code; -1: it has none
        self._free: list[int] = []

    @property
    def devices(self) -> int:
        """How many rows there are."""
        return len(self.count)

    @property
    def capacity(self) -> int:
        """Slots of a row."""
        return self.severity.shape[1]

    def row(self, device: int) -> int:
        """The row of a device; -1 where it has none."""
        return int(self._row[device]) if device < len(self._row) else -1

    def rows(self, devices: NDArray[np.integer[Any]]) -> Index:
        """The rows of devices that all have one, shape as ``devices``."""
        rows: Index = self._row[devices]
        return rows

    def rows_for(self, devices: NDArray[np.integer[Any]]) -> Index:
        """The rows of devices, each code once; a device without a row gets one."""
        if (more := int(devices.max()) + 1 - len(self._row)) > 0:
            self._row = np.concatenate([self._row, np.full(max(more, len(self._row)), -1, np.int64)])
        new = devices[self._row[devices] < 0]
        self.grow(self.devices - len(self._free) + len(new), 0)
        for device in new:
            self._row[device] = self._free.pop()
        return self.rows(devices)

    def release(self, device: int) -> None:
        """Drop a device's samples and give its row to the next device."""
        row = self.row(device)
        if row >= 0:
            self._row[device] = -1
            self.start[row] = self.count[row] = 0
            self._free.append(row)

    def slots(self, row: int) -> Index:
        """The filled slots of a row in order of time; none for row -1."""
        if row < 0:
            return np.empty(0, np.int64)
        slots: Index = (self.start[row] + np.arange(self.count[row])) % self.capacity
        return slots

    def ts(self, row: int) -> Floats:
        """The times of a row's samples, in order."""
        times: Floats = self.columns["ts"][row, self.slots(row)]
        return times

    def write(self, row: Index, slot: Index, samples: Samples) -> None:
        """Write samples that are not scored yet."""
        for name in ("ts", "current_a", "temperature_c"):
            self.columns[name][row, slot] = getattr(samples, name)
        for name in ("reconstruction_error", "forest_score"):
            self.columns[name][row, slot] = np.nan
        self.severity[row, slot] = 0
        self.stages[row, slot] = 0

    def insert(self, row: int, rank: int) -> None:
        """Make room for one sample before the ``rank``-th of a row: the samples from there on move one slot further."""
        self.grow(self.devices, int(self.count[row]) + 1)
        self.count[row] += 1
        slots = self.slots(row)
        columns: tuple[NDArray[np.float64] | NDArray[np.int8], ...] = (
            *self.columns.values(),
            self.severity,
            self.stages,
        )
        for column in columns:
            column[row, slots[rank + 1 :]] = column[row, slots[rank:-1]]

    def read(self, row: int, rank: int = 0) -> Columns:
        """A row's samples from the ``rank``-th on, with their scores and verdicts, as copies."""
        return Columns(
            **{name: self._copied(column, row, rank) for name, column in self.columns.items()},
            severity=self._copied(self.severity, row, rank),
            stages=self._copied(self.stages, row, rank),
        )

    def _copied(self, column: NDArray[Number], row: int, rank: int) -> NDArray[Number]:
        """The filled slots of a row from the ``rank``-th on, in order. In one or two pieces: an index array takes ten
        times as long."""
        if row < 0:
            return np.empty(0, column.dtype)
        start, end = int(self.start[row]) + rank, int(self.start[row] + self.count[row])
        if end <= self.capacity:
            return column[row, start:end].copy()
        if start >= self.capacity:
            return column[row, start - self.capacity : end - self.capacity].copy()
        return np.concatenate([column[row, start:], column[row, : end - self.capacity]])

    def fill(self, row: int, columns: Columns, rank: int = 0) -> None:
        """Put samples with their scores and verdicts into a row, in place of those from the ``rank``-th on."""
        self.grow(self.devices, rank + len(columns.ts))
        self.count[row] = rank + len(columns.ts)
        slots = self.slots(row)[rank:]
        for name in FLOATS:
            self.columns[name][row, slots] = getattr(columns, name)
        self.severity[row, slots] = columns.severity
        self.stages[row, slots] = columns.stages

    def grow(self, devices: int, count: int) -> None:
        """Make room for so many devices, and for so many samples of each."""
        have_devices, capacity = self.severity.shape
        wanted = capacity
        while wanted < count:
            wanted += max(1, wanted // 4)
        if devices <= have_devices and wanted == capacity:
            return
        rows = have_devices if devices <= have_devices else max(devices, 2 * have_devices)

        def laid_out(old: NDArray[Number], empty: float) -> NDArray[Number]:
            new = np.full((rows, wanted), empty, old.dtype)
            for row in range(have_devices):
                slots = self.slots(row)
                new[row, : len(slots)] = old[row, slots]
            return new

        self.columns = {name: laid_out(column, np.nan) for name, column in self.columns.items()}
        self.severity, self.stages = laid_out(self.severity, 0), laid_out(self.stages, 0)
        self.start = np.zeros(rows, np.int64)
        self.count = np.concatenate([self.count, np.zeros(rows - have_devices, np.int64)])
        self._free = [*range(rows - 1, have_devices - 1, -1), *self._free]
