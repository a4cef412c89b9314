"""A shard that is being read: position, iterator, credit, and what its reading has met."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from math import inf

from consumer.stream.client import IteratorType, Streams
from consumer.stream.source import Position

RETRY_FROM_S, RETRY_TO_S = 0.5, 30.0
FAILURES_OF_AN_ITERATOR = 3
"""After this many failures in a row the next read takes a new iterator: the fault may be the iterator's own."""
TRIMMED_FOR_S, TRIMMED_ANSWERS = 60.0, 4
"""Records count as trimmed when the stream has said so for this long, so many times, to new iterators (rule 25)."""
ENDS = 3
"""A shard may have ended when this many answers in a row had no next iterator, all but the first to a new iterator.
Whether it has, a listing must confirm (rule 25)."""
FEW_PAGES, MORE_ENDS = 3, 8
"""Where more empty pages than a few came between two of these answers, records may lie behind them: then it takes more
answers."""


@dataclass(slots=True)
class Failures:
    """Failures in a row. Times are monotonic seconds."""

    count: int = 0
    since: float = 0.0
    wait_s: float = RETRY_FROM_S

    def add(self, now: float, most_s: float = inf) -> float:
        """One more. Returns when to try again: later with each, in `RETRY_TO_S` or ``most_s`` at most."""
        self.since = self.since if self.count else now
        self.count += 1
        again = now + min(self.wait_s, most_s, RETRY_TO_S)
        self.wait_s = min(self.wait_s * 2, RETRY_TO_S)
        return again

    def for_s(self, now: float) -> float:
        """For how long it has failed."""
        return now - self.since if self.count else 0.0


@dataclass(slots=True)
class Shard:
    """The state of a shard that is being read, by one thread at a time. Any thread may change its credit.

    ``ends``: the answers in a row that had no next iterator; ``pages``: the empty pages since the last of them;
    ``hidden``: many came between two. ``skips``: records without a sequence number are passed
    over. ``renewed``: the next page is the first one after a failure. ``doubtful``: the stream said that records at the
    horizon are trimmed.
    """

    name: str
    epoch: int
    position: Position
    kind: IteratorType
    iterator: str | None = None
    failures: Failures = field(default_factory=Failures)
    trimmed: Failures = field(default_factory=Failures)
    ends: int = 0
    pages: int = 0
    hidden: bool = False
    skips: bool = False
    renewed: bool = False
    doubtful: bool = False
    _credit: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def allow(self, records: int) -> None:
        """That many more records may be read; negative: fewer."""
        with self._lock:
            self._credit += records

    def limit(self, most: int) -> int:
        """How many records the next page may have, at most ``most``; 0 without credit."""
        with self._lock:
            return max(0, min(most, self._credit))

    def take_iterator(self, streams: Streams) -> str:
        """The iterator of the next page. Blocks for the call if a new one is needed. Raises what that does."""
        if self.iterator is None:
            self.iterator = streams.iterator(self.name, self.kind, self.position.sequence)
        return self.iterator

    def drop_iterator(self) -> None:
        """The next read takes a new iterator behind the last record. Never LATEST again: what was written since the
        first iterator would be skipped."""
        self.iterator = None
        self.kind = "AFTER_SEQUENCE_NUMBER" if self.position.sequence else "TRIM_HORIZON"
        self.renewed = True

    def fail(self, now: float) -> float:
        """A read has failed. Returns when to try again."""
        again = self.failures.add(now)
        if self.failures.count >= FAILURES_OF_AN_ITERATOR:
            self.drop_iterator()
        return again

    def trim(self, now: float) -> float | None:
        """The stream says that the records after the position are trimmed. Returns when to ask again; None once it is
        so: reading goes on at the horizon."""
        self.drop_iterator()
        if self.position.sequence is None:  # it is read from the horizon, so a new iterator begins at a new horizon
            self.doubtful = True
            return self.fail(now)
        again = self.trimmed.add(now)
        if self.trimmed.count < TRIMMED_ANSWERS or self.trimmed.for_s(now) < TRIMMED_FOR_S:
            return min(again, max(now + RETRY_FROM_S, self.trimmed.since + TRIMMED_FOR_S))
        self.position, self.trimmed = Position(None, since=self.position.since), Failures()
        self.kind = "TRIM_HORIZON"
        return None

    def end(self, now: float, *, moved: bool) -> float:
        """A page had no next iterator. ``moved``: it had records, so the next page is the first after them. Returns
        when to ask again, behind the last record."""
        again = self.ends > 0 and not moved
        self.hidden = again and (self.hidden or self.pages > FEW_PAGES)
        self.ends = self.ends + 1 if again else 1
        self.pages = 0
        self.drop_iterator()
        return now if self.ends < ENDS else self.failures.add(now)

    @property
    def may_be_over(self) -> bool:
        """Have enough answers said that there is no more? Then a listing must confirm it."""
        return self.ends >= (MORE_ENDS if self.hidden else ENDS)

    def answered(self, *, moved: bool) -> None:
        """A page has come, and after it the shard goes on. ``moved``: it had records. One without takes no end back: a
        closed shard may have any number of them before it says again that there is no more."""
        self.failures, self.trimmed = Failures(), Failures()
        self.ends = 0 if moved else min(self.ends, MORE_ENDS - 1 if self.hidden else ENDS - 1)
        self.pages = 0 if moved else self.pages + 1
        self.hidden = self.hidden and not moved
        self.skips = self.doubtful = False
