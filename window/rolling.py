"""The rolling windows of all devices.

25 minutes are shown, 37 retained: a sample that arrives late finds everything that its features reach back to (rule 8;
why not 32: docs/decisions/0010). What a window holds is a function of the samples alone, whatever order they came in:
all with ``ts > newest - retained``, each ``ts`` once, with the values written last.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from window.features import ROLLING, Tails
from window.ring import Columns, Index, Ring
from window.samples import Codes, Floats, Samples

SHOWN_S = 25 * 60.0
"""What charts and reports show of a device, seconds back from its newest sample."""
RETAINED_S = 37 * 60.0
"""What the windows keep of a device, seconds back from its newest sample."""
CONTEXT = -1
"""The severity of a sample that was read from the table and waits for its own record: no verdict on it yet."""


@dataclass(frozen=True, slots=True)
class Touched:
    """Rows of the windows to score: those written, and followers that reach back to a row written out of order.

    Valid until the next `Windows.upsert` or `Windows.evict`. ``rescored`` is true for a row that had been scored
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
    """Windows of any number of devices.

    Memory grows with the retained samples of the busiest device and with the most devices at one time: the place of a
    device that is forgotten goes to the next one.

    >>> w = Windows(); t = w.upsert(Samples.of([1.0, 2.0], [3.0, 3.0], [25.0, 25.0])); len(t)
    2
    """

    def __init__(self, *, capacity: int = 256) -> None:
        """``capacity``: slots of a device at first."""
        self._ring = Ring(capacity)

    @property
    def devices(self) -> int:
        """For how many devices there is a place."""
        return self._ring.devices

    @property
    def capacity(self) -> int:
        """Slots of a device."""
        return self._ring.capacity

    def count(self, device: int) -> int:
        """How many samples of a device are retained; 0 for one never seen."""
        row = self._ring.row(device)
        return int(self._ring.count[row]) if row >= 0 else 0

    def newest(self, device: int) -> float:
        """The device's latest ``ts``; -inf before its first sample."""
        if self.count(device) == 0:
            return -np.inf
        row = self._ring.row(device)
        return float(self._ring.columns["ts"][row, self._ring.slots(row)[-1]])

    def oldest(self, device: int) -> float:
        """The device's earliest ``ts`` that is retained; inf before its first sample."""
        row = self._ring.row(device)
        return float(self._ring.ts(row)[0]) if self.count(device) else np.inf

    def in_order(self, samples: Samples) -> int:
        """How many leading samples each lie after everything their device has: these may be written in one go.

        Samples are processed as if they came one by one, so that pages and batches change nothing. Those in order
        cannot touch each other's past, which is what allows them to be scored together.
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
        row = self._ring.row(int(sample.device[0]))
        if row < 0:
            return False
        slots = self._ring.slots(row)
        rank = int(np.searchsorted(self._ring.ts(row), sample.ts[0]))
        if rank == len(slots):
            return False
        there = {name: column[row, slots[rank]] for name, column in self._ring.columns.items()}
        same = all(there[name] == getattr(sample, name)[0] for name in ("ts", "current_a", "temperature_c"))
        return same and not np.isnan(there["reconstruction_error"])

    def upsert(self, samples: Samples, *, touches: int = ROLLING) -> Touched:
        """Write samples that are `in_order`, or exactly one that is not. Returns the rows to score: none for a sample
        that is older than what is retained, which is not written.

        ``touches``: how many rows depend on one sample, itself included. The features need at least `ROLLING`. Raises
        ValueError for several samples out of order.
        """
        if self.in_order(samples) == len(samples):
            return self._append(samples)
        if len(samples) != 1:
            raise ValueError("samples out of order are written one at a time")
        return self._place(samples, touches)

    def tails(self, rows: Touched, length: int = ROLLING) -> Tails:
        """The last ``length`` samples up to and including each row."""
        row = self._ring.rows(rows.device)
        rank = self._rank(row, rows.slot)
        back = np.arange(length - 1, -1, -1)
        slots = (rows.slot[:, None] - back[None, :]) % self.capacity
        present = rank[:, None] >= back[None, :]

        def gather(name: str) -> Floats:
            values: Floats = self._ring.columns[name][row[:, None], slots]
            return np.where(present, values, values[:, -1:])

        return Tails(gather("ts"), gather("current_a"), gather("temperature_c"), present)

    def before(self, rows: Touched, length: int) -> tuple[Touched, Index]:
        """All rows that lie among the last ``length`` up to one of ``rows``, each once; and for each of ``rows`` where
        its own are among them, shape (n, length), newest last. Where a device has too few, its first stands in."""
        rank = self._rank(self._ring.rows(rows.device), rows.slot)
        ranks = np.maximum(rank[:, None] - np.arange(length - 1, -1, -1)[None, :], 0)
        found, at = np.unique(rows.device[:, None].astype(np.int64) * self.capacity + ranks, return_inverse=True)
        device = (found // self.capacity).astype(np.int32)
        slot = (self._ring.start[self._ring.rows(device)] + found % self.capacity) % self.capacity
        return Touched(device, slot, np.zeros(len(slot), bool)), at.reshape(ranks.shape)

    def samples(self, rows: Touched) -> tuple[Floats, Floats, Floats]:
        """``ts``, ``current_a`` and ``temperature_c`` of the rows."""
        at, columns = (self._ring.rows(rows.device), rows.slot), self._ring.columns
        return columns["ts"][at], columns["current_a"][at], columns["temperature_c"][at]

    def scored(self, rows: Touched) -> tuple[Floats, Floats, NDArray[np.int8], NDArray[np.int8]]:
        """Reconstruction error, forest score, severity and stages of the rows as last kept; NaN, NaN, 0 and 0 before
        that."""
        at, ring = (self._ring.rows(rows.device), rows.slot), self._ring
        return (
            ring.columns["reconstruction_error"][at],
            ring.columns["forest_score"][at],
            ring.severity[at],
            ring.stages[at],
        )

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
        at, ring = (self._ring.rows(rows.device), rows.slot), self._ring
        ring.columns["reconstruction_error"][at] = reconstruction_error
        ring.columns["forest_score"][at] = forest_score
        ring.severity[at] = severity
        ring.stages[at] = stages

    def keep_as_context(self, rows: Touched) -> None:
        """Keep the rows for the features of others only. Each is scored, as new, with its own record."""
        self._ring.severity[self._ring.rows(rows.device), rows.slot] = CONTEXT

    def retract(self, rows: Touched, keep: int) -> None:
        """Take back all but the first ``keep`` rows of the in-order upsert that returned ``rows``."""
        codes, extra = np.unique(rows.device[keep:], return_counts=True)
        self._ring.count[self._ring.rows(codes)] -= extra

    def set_back(self, device: int, ts: float) -> None:
        """Drop a device's samples that are later than ``ts``: its clock was set back."""
        row = self._ring.row(device)
        if row >= 0:
            self._ring.count[row] = int(np.searchsorted(self._ring.ts(row), ts, side="right"))

    def evict(self, devices: Codes) -> None:
        """Drop what is `RETAINED_S` or more older than the newest sample of each of ``devices``."""
        for device in np.unique(devices):
            row = self._ring.row(int(device))
            if row < 0:
                continue
            ts = self._ring.ts(row)
            if len(ts) and ts[0] <= ts[-1] - RETAINED_S:
                old = int(np.searchsorted(ts, ts[-1] - RETAINED_S, side="right"))
                self._ring.start[row] = (self._ring.start[row] + old) % self.capacity
                self._ring.count[row] -= old

    def forget(self, device: int) -> None:
        """Drop all that is kept of a device, as if it had never been seen."""
        self._ring.release(device)

    def retained(self, device: int) -> Columns:
        """All that is kept of a device, as copies."""
        return self._ring.read(self._ring.row(device))

    def shown(self, device: int) -> Columns:
        """The last 25 minutes of a device, as copies."""
        kept = self.retained(device)
        first = int(np.searchsorted(kept.ts, self.newest(device) - SHOWN_S, side="right"))
        return Columns(*(getattr(kept, field.name)[first:] for field in fields(Columns)))

    def restore(self, device: int, columns: Columns) -> None:
        """Put back what `retained` gave. Raises ValueError for a device that has samples already."""
        if self.count(device):
            raise ValueError(f"device {device} has samples already")
        self._ring.fill(int(self._ring.rows_for(np.array([device]))[0]), columns)

    def since(self, device: int, ts: float, before: int) -> tuple[int, Columns]:
        """What is kept of a device from the ``before``-th sample ahead of ``ts`` on, as copies; and how many samples
        lie before that."""
        row = self._ring.row(device)
        if row < 0:
            return 0, self._ring.read(row)
        rank = max(0, int(np.searchsorted(self._ring.ts(row), ts)) - before)
        return rank, self._ring.read(row, rank)

    def replace(self, device: int, rank: int, columns: Columns) -> None:
        """Replace all samples of a device from the ``rank``-th on."""
        self._ring.fill(int(self._ring.rows_for(np.array([device]))[0]), columns, rank)

    def rows(self, device: int) -> Touched:
        """All retained rows of a device, in order of time."""
        slots = self._ring.slots(self._ring.row(device))
        return Touched(np.full(len(slots), device, np.int32), slots, np.ones(len(slots), bool))

    def _rank(self, row: Index, slot: Index) -> Index:
        """How many samples of its device lie before each slot."""
        rank: Index = (slot - self._ring.start[row]) % self.capacity
        return rank

    def _append(self, samples: Samples) -> Touched:
        if len(samples) == 0:
            return Touched(samples.device, np.empty(0, np.int64), np.empty(0, bool))
        ring = self._ring
        codes, added = np.unique(samples.device, return_counts=True)
        rows = ring.rows_for(codes)
        ring.grow(ring.devices, int((ring.count[rows] + added).max()))
        order = np.argsort(samples.device, kind="stable")
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order)) - np.repeat(np.cumsum(added) - added, added)
        row = ring.rows(samples.device)
        slot = (ring.start[row] + ring.count[row] + rank) % self.capacity
        ring.write(row, slot, samples)
        ring.count[rows] += added
        return Touched(samples.device, slot, np.zeros(len(slot), bool))

    def _place(self, sample: Samples, touches: int) -> Touched:
        """Write one sample at or before its device's newest: it takes its place by ``ts``."""
        ring, device = self._ring, int(sample.device[0])
        if sample.ts[0] <= self.newest(device) - RETAINED_S:
            return Touched(sample.device[:0], np.empty(0, np.int64), np.empty(0, bool))
        row = ring.row(device)
        ts = ring.ts(row)
        rank = int(np.searchsorted(ts, sample.ts[0]))
        known = ts[rank] == sample.ts[0]
        if not known:
            ring.insert(row, rank)
        slots = ring.slots(row)[rank : rank + touches]
        rescored = ring.severity[row, slots] != CONTEXT
        touched = rescored.copy()
        touched[0] = True  # a follower that is context alone stays unscored; the sample itself is always scored
        rescored[0] &= known
        if not known:
            ring.write(np.full(1, row), slots[:1], sample)
        else:
            ring.columns["current_a"][row, slots[0]] = sample.current_a[0]
            ring.columns["temperature_c"][row, slots[0]] = sample.temperature_c[0]
        return Touched(np.full(len(slots), device, np.int32), slots, rescored).take(touched)
