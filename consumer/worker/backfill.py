"""Reads the table for the windows of a first start (rule 18), and for gaps of the stream (rule 19)."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from consumer.intake.gaps import FIRST_WINDOW
from consumer.state.head import Gap
from consumer.worker.lanes import Lanes
from consumer.worker.table_reader import Tables
from window.rolling import SHOWN_S

FILL_ANYWAY_S = 30.0
"""Do not wait longer than this for a shard that cannot be read from the start."""


@dataclass(frozen=True, slots=True)
class FirstWindow:
    """Must the windows be filled from the table before the first record? ``tip``: up to when, epoch seconds, if an
    earlier owner made the first start; newer records come from the stream, in order."""

    wanted: bool = False
    tip: float | None = None


class Backfill:
    """Asks ``tables`` for what the lanes need, and gives them the answers.

    At a first start the order is: the shard iterators, the windows from the table, the first record. So a sample that
    is written in between is in both, and none is missing: the stream's copy is scored as new. ``fills``: True until the
    windows are filled; meanwhile no record is processed.
    """

    def __init__(self, tables: Tables, lanes: Lanes, first: FirstWindow) -> None:
        self._tables = tables
        self._lanes = lanes
        self._first = first
        self._asked = False
        self._begun = inf
        self.fills = first.wanted
        if self.fills:
            lanes.await_fill()

    def turn(self, now: float, *, ready: bool) -> None:
        """Ask for what is needed and deliver what was read. Never blocks. ``now``: epoch seconds; ``ready``: every open
        shard has answered, so it has its iterator."""
        self._begun = min(self._begun, now)
        if self.fills and not self._asked and (ready or now - self._begun > FILL_ANYWAY_S):
            self._asked = True
            until = now if self._first.tip is None else self._first.tip
            self._tables.ask(FIRST_WINDOW, Gap(FIRST_WINDOW, until - SHOWN_S, "first start", now, until=until), [])
        lanes = {owned.lane.name: owned.lane for owned in self._lanes}
        for name, lane in lanes.items():
            for gap in lane.gaps_to_read():
                self._tables.ask(name, gap, lane.devices)
        for name, gap, decoded in self._tables.answers():
            if name == FIRST_WINDOW:
                self._lanes.fill(decoded.samples)
                self.fills = False
            else:
                found = decoded if self._lanes.one_lane else lanes[name].of_own_devices(decoded)
                lanes[name].take_items(gap, found)

    def stop(self) -> None:
        """Drop the reads that have not begun."""
        self._tables.stop()
