"""A watch over the health of devices, fed record by record."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from reporting.health.notice import Notice
from reporting.health.watch import Watch
from scoring.config import Range
from scoring.succession import Succession
from window.samples import Kind, Names, Samples

Row = tuple[float, float, float, Kind, str]
"""Stamp, ts, current, kind, device."""


KNOWN = Range(current_a=(-100.0, 100.0), temperature_c=(-100.0, 100.0))


BUNDLE: Any = SimpleNamespace(id="bw-wide", config=SimpleNamespace(training_range=KNOWN))


class Watched:
    """A watch, fed run by run with deadlines in between, and all that it said."""

    def __init__(self) -> None:
        self.names = Names()
        self.watch = Watch("device4", self.names, Succession(BUNDLE))
        self.said: list[Notice] = []
        self.kinds: list[Kind] = []
        self.set_back: tuple[int, ...] = ()

    def feed(self, *rows: Row) -> Watched:
        """One run of records."""
        stamp = np.array([row[0] for row in rows])
        samples = Samples.of(
            [row[1] for row in rows],
            [row[2] for row in rows],
            [25.0] * len(rows),
            created=stamp,
            kind=[row[3] for row in rows],
            device=[self.names.code(row[4]) for row in rows],
        )
        seen = self.watch.observe(samples, stamp)
        self.watch.apply(seen)
        self.said += [notice for _, notice in seen.notices]
        self.kinds += [Kind(int(kind)) for kind in seen.kind]
        self.set_back = seen.set_back
        return self

    def until(self, watermark: float) -> Watched:
        """Deadlines up to here fire, each at its time."""
        while self.watch.due <= watermark:
            due = self.watch.due
            said = self.watch.fire()
            assert all(notice.at == due for notice in said)
            self.said += said
        return self

    @property
    def told(self) -> list[tuple[str, str | None, str, float]]:
        return [(notice.type.removeprefix("health."), notice.device, notice.state, notice.at) for notice in self.said]


def sample(
    at: float, current: float = 2.0, *, ts: float | None = None, kind: Kind = Kind.SAMPLE, device: str = "d"
) -> Row:
    return (at, at if ts is None else ts, current, kind, device)


def reach(watched: Watched, *rows: tuple[float, Kind, str]) -> int:
    """How many of these records may be observed in one go."""
    stamp = np.array([row[0] for row in rows])
    samples = Samples.of(
        stamp,
        [2.0] * len(rows),
        [25.0] * len(rows),
        kind=[row[1] for row in rows],
        device=[watched.names.code(row[2]) for row in rows],
    )
    return watched.watch.reach(samples, stamp, stamp)
