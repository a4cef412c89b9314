"""Reads the table beside the loop: for the first window and for gaps, one after the other, with progress."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import structlog

from consumer.errors import Retry
from consumer.state.head import Gap
from consumer.stream.records import Decoded, Decoder
from consumer.table.history import History

log = structlog.get_logger(__name__)


class Tables(Protocol):
    """What reads the table for a worker: `TableReader`, or its twin in tests."""

    def ask(self, lane: str, gap: Gap, devices: Sequence[str]) -> None:
        """Begin to read what the table has between the gap's ends. ``devices``: those of the lane; empty: all."""

    def answers(self) -> Iterator[tuple[str, Gap, Decoded]]:
        """The reads that ended since the last call, with the lane that asked. Never blocks."""

    def stop(self) -> None:
        """Drop the reads that have not begun."""


@dataclass(slots=True)
class _Reading:
    lane: str
    gap: Gap
    devices: Sequence[str]
    future: Future[Decoded]


class TableReader:
    """Reads one interval at a time on its own thread. It retries a table that cannot be read, for ever: later events
    must wait for the gap."""

    def __init__(self, history: History, decoder: Decoder) -> None:
        self._history = history
        self._decoder = decoder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="table")
        self._readings: list[_Reading] = []

    def ask(self, lane: str, gap: Gap, devices: Sequence[str]) -> None:
        """See `Tables`."""
        self._readings.append(_Reading(lane, gap, devices, self._thread.submit(self._read, gap, devices)))

    def answers(self) -> Iterator[tuple[str, Gap, Decoded]]:
        """See `Tables`."""
        done = [reading for reading in self._readings if reading.future.done()]
        self._readings = [reading for reading in self._readings if not reading.future.done()]
        for reading in done:
            try:
                yield reading.lane, reading.gap, reading.future.result()
            except Retry as error:
                log.warning("reading the table failed, will retry", error=str(error))
                self.ask(reading.lane, reading.gap, reading.devices)

    def stop(self) -> None:
        """See `Tables`."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _read(self, gap: Gap, devices: Sequence[str]) -> Decoded:
        next_line = [0.0]

        def progress(done: float, found: int) -> None:
            # A line for every tenth: enough for a person to see progress, and too few to fill the log.
            if done >= next_line[0]:
                log.info("reading the table", gap=gap.name, done=f"{done:.0%}", found=found)
                next_line[0] = done + 0.1

        until = gap.until if gap.until is not None else gap.since
        return self._decoder.items(gap.name, self._history.items(gap.since, until, devices, progress))
