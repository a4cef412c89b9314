"""The rolling windows of all devices: one ring of columns, devices x capacity.

25 minutes are shown, 37 retained: an upsert that arrives late finds everything its features reach back to (rule 8; why
not 32: docs/decisions/0010).
What a window holds is a function of the samples alone, whatever order they came in: all with
``ts > newest - retained``, each ``ts`` once, the last value written.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from window.features import ROLLING, Tails
from window.samples import Codes, Floats, Samples

SHOWN_S = 25 * 60.0
RETAINED_S = 37 * 60.0
CONTEXT = -1
"""In place of the severity of a sample that waits for its own record: until then nothing is said of it."""
Index = NDArray[np.int64]
Number = TypeVar("Number", np.float64, np.int8)


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


@dataclass(frozen=True, slots=True)
class Touched:
    """Rows to be scored: those written, and followers that reach back to a row that was written out of order.

    Good until the next `Windows.upsert` or `Windows.evict`. ``rescored`` is true for a row that had been scored
    before: a follower, or a sample written again.
    """

    device: Codes
    slot: Index
    rescored: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.slot)

    def take(self, rows: slice | NDArray[np.bool_] | NDArray[np.intp]) -> Touched:
        """The rows of a slice, a mask or an index array."""
        return Touched(self.device[rows], self.slot[rows], self.rescored[rows])


class Windows:
    """Windows of any number of devices; memory grows with the busiest device's retained samples, and with the most
    devices at one time: the row of one that is forgotten is given to the next.

    >>> w = Windows(); t = w.upsert(Samples.of([1.0, 2.0], [3.0, 3.0], [25.0, 25.0])); len(t)
    2
    """

    _FLOATS = ("ts", "current_a", "temperature_c", "reconstruction_error", "forest_score")

    def __init__(self, *, capacity: int = 256) -> None:
        self._columns: dict[str, Floats] = {name: np.full((0, capacity), np.nan) for name in self._FLOATS}
        self._severity = np.zeros((0, capacity), np.int8)
        self._stages = np.zeros((0, capacity), np.int8)
        self._start = np.zeros(0, np.int64)
        self._count = np.zeros(0, np.int64)
        self._row = np.zeros(0, np.int64)  # by device code; -1: it has none
        self._free: list[int] = []

    @property
    def devices(self) -> int:
        """Rows of the ring."""
        return len(self._count)

    @property
    def capacity(self) -> int:
        """Slots a device."""
        return self._severity.shape[1]

    def count(self, device: int) -> int:
        """Samples retained of a device; 0 for one never seen."""
        row = self._row_of(device)
        return int(self._count[row]) if row >= 0 else 0

    def newest(self, device: int) -> float:
        """The device's latest ``ts``; -inf before its first sample."""
        if self.count(device) == 0:
            return -np.inf
        row = self._row_of(device)
        return float(self._columns["ts"][row, self._slots(row)[-1]])

    def in_order(self, samples: Samples) -> int:
        """How many leading rows each lie after everything their device has: these may be written in one go.

        Processing is per record, so that pages and batches change nothing; rows in order cannot touch each
        other's past, which is what allows them to be scored together.
        """
        if len(samples) == 0:
            return 0
        order = np.argsort(samples.device, kind="stable")
        device, ts = samples.device[order], samples.ts[order]
        before = np.empty(len(ts))
        before[1:] = ts[:-1]
        first = np.ones(len(ts), bool)
        first[1:] = device[1:] != device[:-1]
        before[first] = [self.newest(int(code)) for code in device[first]]
        breaks = order[ts <= before]
        return int(breaks.min()) if len(breaks) else len(ts)

    def holds(self, sample: Samples) -> bool:
        """Is the one sample there already, with the same values, and scored?"""
        row = self._row_of(int(sample.device[0]))
        if row < 0:
            return False
        slots = self._slots(row)
        rank = int(np.searchsorted(self._columns["ts"][row, slots], sample.ts[0]))
        if rank == len(slots):
            return False
        there = {name: self._columns[name][row, slots[rank]] for name in self._FLOATS}
        same = all(there[name] == getattr(sample, name)[0] for name in ("ts", "current_a", "temperature_c"))
        return same and not np.isnan(there["reconstruction_error"])

    def upsert(self, samples: Samples, *, touches: int = ROLLING) -> Touched:
        """Write samples that are `in_order`, or exactly one that is not; returns the rows to score.

        ``touches``: how many rows a sample has a say in, itself and followers: at least `ROLLING`, by the features.

        None are returned for a sample that is already older than what is retained: it is not written.
        """
        if self.in_order(samples) == len(samples):
            return self._append(samples)
        if len(samples) != 1:
            raise ValueError("samples out of order are written one at a time")
        return self._place(samples, touches)

    def tails(self, rows: Touched, length: int = ROLLING) -> Tails:
        """The last ``length`` samples up to each row."""
        row = self._row[rows.device]
        rank = (rows.slot - self._start[row]) % self.capacity
        back = np.arange(length - 1, -1, -1)
        slots = (rows.slot[:, None] - back[None, :]) % self.capacity
        present = rank[:, None] >= back[None, :]

        def gather(name: str) -> Floats:
            values: Floats = self._columns[name][row[:, None], slots]
            return np.where(present, values, values[:, -1:])

        return Tails(gather("ts"), gather("current_a"), gather("temperature_c"), present)

    def before(self, rows: Touched, length: int) -> tuple[Touched, Index]:
        """All the rows that lie within the last ``length`` up to one of ``rows``, each once; and where among them
        those of each row are, shape (n, length), newest last. Where a device has too few, its first stands in."""
        rank = (rows.slot - self._start[self._row[rows.device]]) % self.capacity
        ranks = np.maximum(rank[:, None] - np.arange(length - 1, -1, -1)[None, :], 0)
        found, at = np.unique(rows.device[:, None].astype(np.int64) * self.capacity + ranks, return_inverse=True)
        device = (found // self.capacity).astype(np.int32)
        slot = (self._start[self._row[device]] + found % self.capacity) % self.capacity
        return Touched(device, slot, np.zeros(len(slot), bool)), at.reshape(ranks.shape)

    def samples(self, rows: Touched) -> tuple[Floats, Floats, Floats]:
        """``ts``, ``current_a`` and ``temperature_c`` of the rows."""
        at = (self._row[rows.device], rows.slot)
        return self._columns["ts"][at], self._columns["current_a"][at], self._columns["temperature_c"][at]

    def scored(self, rows: Touched) -> tuple[Floats, Floats, NDArray[np.int8], NDArray[np.int8]]:
        """Reconstruction error, forest score, severity and stages of the rows as last kept; NaN, NaN, 0 and 0 before
        that."""
        at = (self._row[rows.device], rows.slot)
        columns = self._columns
        return columns["reconstruction_error"][at], columns["forest_score"][at], self._severity[at], self._stages[at]

    def retract(self, rows: Touched, keep: int) -> None:
        """Take back all but the first ``keep`` rows of the in-order upsert that returned ``rows``."""
        codes, extra = np.unique(rows.device[keep:], return_counts=True)
        self._count[self._row[codes]] -= extra

    def set_back(self, device: int, ts: float) -> None:
        """Drop a device's samples that are later than ``ts``: its clock was set back."""
        row = self._row_of(device)
        if row >= 0:
            kept = np.searchsorted(self._columns["ts"][row, self._slots(row)], ts, side="right")
            self._count[row] = int(kept)

    def score(
        self,
        rows: Touched,
        *,
        reconstruction_error: Floats,
        forest_score: Floats,
        severity: NDArray[np.int8],
        stages: NDArray[np.int8],
    ) -> None:
        """Keep the rows' scores and verdicts beside their samples."""
        at = (self._row[rows.device], rows.slot)
        self._columns["reconstruction_error"][at] = reconstruction_error
        self._columns["forest_score"][at] = forest_score
        self._severity[at] = severity
        self._stages[at] = stages

    def keep_as_context(self, rows: Touched) -> None:
        """The rows are there for others' features only: they are scored with their own record, and as new."""
        self._severity[self._row[rows.device], rows.slot] = CONTEXT

    def evict(self, devices: Codes) -> None:
        """Drop what is `RETAINED_S` or more older than the newest sample of each of ``devices``."""
        for device in np.unique(devices):
            row = self._row_of(int(device))
            if row < 0:
                continue
            ts = self._columns["ts"][row, self._slots(row)]
            if len(ts) and ts[0] <= ts[-1] - RETAINED_S:
                old = int(np.searchsorted(ts, ts[-1] - RETAINED_S, side="right"))
                self._start[row] = (self._start[row] + old) % self.capacity
                self._count[row] -= old

    def forget(self, device: int) -> None:
        """Drop all that is kept of a device, as if it had never been seen."""
        row = self._row_of(device)
        if row >= 0:
            self._row[device] = -1
            self._start[row] = self._count[row] = 0
            self._free.append(row)

    def retained(self, device: int) -> Columns:
        """All that is kept of a device, as copies."""
        row = self._row_of(device)
        slots = self._slots(row)
        return Columns(
            **{name: column[row, slots] for name, column in self._columns.items()},
            severity=self._severity[row, slots],
            stages=self._stages[row, slots],
        )

    def shown(self, device: int) -> Columns:
        """The last 25 minutes of a device, as copies."""
        kept = self.retained(device)
        first = int(np.searchsorted(kept.ts, self.newest(device) - SHOWN_S, side="right"))
        return Columns(*(getattr(kept, field.name)[first:] for field in fields(Columns)))

    def restore(self, device: int, columns: Columns) -> None:
        """Put back what `retained` gave, for a device that has nothing yet."""
        if self.count(device):
            raise ValueError(f"device {device} has samples already")
        n = len(columns.ts)
        row = int(self._rows_for(np.array([device]))[0])
        self._grow(self.devices, n)
        self._count[row] = n
        for name in self._FLOATS:
            self._columns[name][row, self._slots(row)] = getattr(columns, name)
        self._severity[row, self._slots(row)] = columns.severity
        self._stages[row, self._slots(row)] = columns.stages

    def rows(self, device: int) -> Touched:
        """All retained rows of a device, in order of time."""
        slots = self._slots(self._row_of(device))
        return Touched(np.full(len(slots), device, np.int32), slots, np.ones(len(slots), bool))

    def _row_of(self, device: int) -> int:
        return int(self._row[device]) if device < len(self._row) else -1

    def _rows_for(self, codes: NDArray[np.integer[Any]]) -> Index:
        """The rows of devices, each code once; one that has none gets one."""
        if (more := int(codes.max()) + 1 - len(self._row)) > 0:
            self._row = np.concatenate([self._row, np.full(max(more, len(self._row)), -1, np.int64)])
        new = codes[self._row[codes] < 0]
        self._grow(self.devices - len(self._free) + len(new), 0)
        for code in new:
            self._row[code] = self._free.pop()
        rows: Index = self._row[codes]
        return rows

    def _slots(self, row: int) -> Index:
        if row < 0:
            return np.empty(0, np.int64)
        slots: Index = (self._start[row] + np.arange(self._count[row])) % self.capacity
        return slots

    def _append(self, samples: Samples) -> Touched:
        if len(samples) == 0:
            return Touched(samples.device, np.empty(0, np.int64), np.empty(0, bool))
        codes, added = np.unique(samples.device, return_counts=True)
        rows = self._rows_for(codes)
        self._grow(self.devices, int((self._count[rows] + added).max()))
        order = np.argsort(samples.device, kind="stable")
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order)) - np.repeat(np.cumsum(added) - added, added)
        row = self._row[samples.device]
        slot = (self._start[row] + self._count[row] + rank) % self.capacity
        self._write(row, slot, samples)
        self._count[rows] += added
        return Touched(samples.device, slot, np.zeros(len(slot), bool))

    def _place(self, sample: Samples, touches: int) -> Touched:
        """One sample at or before its device's newest: it takes its place by ``ts``."""
        device = int(sample.device[0])
        if sample.ts[0] <= self.newest(device) - RETAINED_S:
            return Touched(sample.device[:0], np.empty(0, np.int64), np.empty(0, bool))
        row = self._row_of(device)
        ts = self._columns["ts"][row, self._slots(row)]
        rank = int(np.searchsorted(ts, sample.ts[0]))
        known = ts[rank] == sample.ts[0]
        if not known:
            self._grow(self.devices, int(self._count[row]) + 1)
            self._count[row] += 1
            slots = self._slots(row)
            columns: tuple[NDArray[np.float64] | NDArray[np.int8], ...] = (
                *self._columns.values(),
                self._severity,
                self._stages,
            )
            for column in columns:
                column[row, slots[rank + 1 :]] = column[row, slots[rank:-1]]
        slots = self._slots(row)[rank : rank + touches]
        rescored = self._severity[row, slots] != CONTEXT
        touched = rescored.copy()
        touched[0] = True
        rescored[0] &= known
        if not known:
            self._write(np.full(1, row), slots[:1], sample)
        else:
            self._columns["current_a"][row, slots[0]] = sample.current_a[0]
            self._columns["temperature_c"][row, slots[0]] = sample.temperature_c[0]
        return Touched(np.full(len(slots), device, np.int32), slots, rescored).take(touched)

    def _write(self, row: Index, slot: Index, samples: Samples) -> None:
        for name in ("ts", "current_a", "temperature_c"):
            self._columns[name][row, slot] = getattr(samples, name)
        for name in ("reconstruction_error", "forest_score"):
            self._columns[name][row, slot] = np.nan
        self._severity[row, slot] = 0
        self._stages[row, slot] = 0

    def _grow(self, devices: int, count: int) -> None:
        """Make room for that many devices, and that many samples of each; by factors, so the cost is amortised."""
        have_devices, capacity = self._severity.shape
        wanted = capacity
        while wanted < count:
            wanted += max(1, wanted // 4)
        if devices <= have_devices and wanted == capacity:
            return
        rows = have_devices if devices <= have_devices else max(devices, 2 * have_devices)

        def laid_out(old: NDArray[Number], empty: float) -> NDArray[Number]:
            new = np.full((rows, wanted), empty, old.dtype)
            for row in range(have_devices):
                slots = self._slots(row)
                new[row, : len(slots)] = old[row, slots]
            return new

        self._columns = {name: laid_out(column, np.nan) for name, column in self._columns.items()}
        self._severity, self._stages = laid_out(self._severity, 0), laid_out(self._stages, 0)
        self._start = np.zeros(rows, np.int64)
        self._count = np.concatenate([self._count, np.zeros(rows - have_devices, np.int64)])
        self._free = [*range(rows - 1, have_devices - 1, -1), *self._free]
