"""A reader of the table without threads: the scheduler has an interval read when it likes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from math import inf
from random import Random

from sim_faults import Clock

from consumer.errors import Retry
from consumer.state.head import Gap
from consumer.stream.records import Decoded, Decoder
from consumer.table.history import History

RETRY_S = 0.5


class SteppedTables:
    """`consumer.worker.table_reader.Tables` over the real history and decoder. ``due``: when the next interval is read,
    epoch seconds; infinite while none is asked for. ``latency_s``: what reading one takes at most.

    As with the real one an interval is read after the other, and one that cannot be read is asked for again.
    """

    def __init__(self, history: History, decoder: Decoder, clock: Clock, rng: Random, *, latency_s: float) -> None:
        self._history = history
        self._decoder = decoder
        self._clock = clock
        self._rng = rng
        self._latency_s = latency_s
        self._waiting: deque[tuple[str, Gap, Sequence[str]]] = deque()
        self._read: list[tuple[str, Gap, Decoded]] = []
        self.due = inf

    @property
    def idle(self) -> bool:
        """True when all that was asked for has been answered."""
        return not (self._waiting or self._read)

    def ask(self, lane: str, gap: Gap, devices: Sequence[str]) -> None:
        """See `Tables`."""
        self._waiting.append((lane, gap, list(devices)))
        self.due = min(self.due, self._clock.now + self._rng.uniform(0.0, self._latency_s))

    def answers(self) -> Iterator[tuple[str, Gap, Decoded]]:
        """See `Tables`."""
        answers, self._read = self._read, []
        yield from answers

    def stop(self) -> None:
        """See `Tables`."""
        self._waiting.clear()
        self.due = inf

    def step(self) -> None:
        """Read the oldest interval."""
        lane, gap, devices = asked = self._waiting.popleft()
        wait_s = self._rng.uniform(0.0, self._latency_s)
        until = gap.until if gap.until is not None else gap.since
        try:
            items = self._history.items(gap.since, until, devices, lambda done, found: None)
        except Retry:
            self._waiting.append(asked)
            wait_s += RETRY_S
        else:
            self._read.append((lane, gap, self._decoder.items(gap.name, items)))
        self.due = self._clock.now + wait_s if self._waiting else inf
