"""One device on its way through a run of records: what the detectors read and write."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reporting.health.notice import Notice
from reporting.health.state import DeviceHealth

Rows = NDArray[np.int64]
"""Row numbers in a run of records."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its row in the run, its times ``ts`` and ``created``, and the stamp ``at`` in merged order; epoch
    seconds."""

    row: int
    ts: float
    created: float
    at: float


@dataclass(slots=True)
class Device:
    """A device while a run of its records is examined.

    ``table`` is named in commands. Each detector reads and replaces ``state`` and adds ``notices``, each with the row
    it belongs to. ``set_back``: rows from which on the clock is known to be further behind than before.
    """

    name: str
    table: str
    state: DeviceHealth
    notices: list[tuple[int, Notice]] = field(default_factory=list)
    set_back: list[int] = field(default_factory=list)

    def update(self, **fields: Any) -> None:
        """Replace fields of the state."""
        self.state = replace(self.state, **fields)

    def add(self, row: int, notice: Notice) -> None:
        """Add a notice. Those of one row keep the order in which they were added."""
        self.notices.append((row, notice))
