"""Windows fed by hand, and the same as plain dictionaries."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from window.features import features, tails
from window.rolling import RETAINED_S, Touched, Windows
from window.samples import Samples

Record = tuple[int, float, float, float]
"""Device, ts, current, temperature."""


@dataclass
class Plain:
    """The window as dictionaries, one record at a time; what a reader would write first."""

    kept: dict[int, dict[float, tuple[float, float]]] = field(default_factory=dict)

    def upsert(self, record: Record) -> bool:
        """Whether the record was written."""
        device, ts, current_a, temperature_c = record
        known = self.kept.setdefault(device, {})
        if known and ts <= max(known) - RETAINED_S:
            return False
        known[ts] = (current_a, temperature_c)
        return True

    def evict(self, device: int) -> None:
        known = self.kept[device]
        self.kept[device] = {ts: row for ts, row in known.items() if ts > max(known) - RETAINED_S}

    def rows(self, device: int) -> list[tuple[float, float, float]]:
        return [(ts, *row) for ts, row in sorted(self.kept.get(device, {}).items())]

    def features(self, device: int) -> dict[float, bytes]:
        """The features' bits of every retained sample, from the whole series."""
        rows = np.array(self.rows(device)).reshape(-1, 3)
        return {ts: row.tobytes() for ts, row in zip(rows[:, 0], features(tails(*rows.T.copy())), strict=True)}


def columns(records: list[Record]) -> Samples:
    return Samples.of(
        [r[1] for r in records], [r[2] for r in records], [r[3] for r in records], device=[r[0] for r in records]
    )


def feed(windows: Windows, records: list[Record], sizes: list[int]) -> None:
    """Batches of these sizes, over and over, each cut into runs as the scorer cuts them."""
    begin, turn = 0, 0
    while begin < len(records):
        batch = columns(records[begin : begin + sizes[turn % len(sizes)]])
        begin, turn = begin + len(batch), turn + 1
        while len(batch):
            run = batch.take(slice(0, max(1, windows.in_order(batch))))
            windows.upsert(run)
            windows.evict(run.device)
            batch = batch.take(slice(len(run), None))


def held(windows: Windows, device: int) -> list[tuple[float, float, float]]:
    if windows.count(device) == 0:
        return []
    kept = windows.retained(device)
    return list(zip(kept.ts.tolist(), kept.current_a.tolist(), kept.temperature_c.tolist(), strict=True))


devices = st.integers(0, 3)


readings = st.integers(-40, 40).map(float)


# Close neighbours, equal times, and jumps beyond what is shown and what is retained.
times = st.one_of(st.integers(0, 40), st.integers(0, 4000), st.sampled_from([1500, 2219, 2220, 2221])).map(float)


arrivals = st.lists(st.tuples(devices, times, readings, readings), max_size=60)


def score(windows: Windows, rows: Touched) -> None:
    """A score that tells whose it is: the sample's time."""
    ts, _, _ = windows.samples(rows)
    severity, stages = (ts % 5).astype(np.int8), (ts % 4).astype(np.int8)
    windows.score(rows, reconstruction_error=ts, forest_score=-ts, severity=severity, stages=stages)
