"""Gaps: what the stream no longer has is declared, read from the table, and merged in its place (rule 19)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from math import inf

from consumer.state.head import PREFIX, Gap
from reporting.contract.events import utc
from reporting.health.notice import Notice

LANES_MADE_ANEW = "the stream was made anew, and all lanes with it"
"""The reason of a gap in a table keyed by device that no lane can fill."""
FIRST_WINDOW = "first-window"
"""The name under which the table is read at a first start: no gap, but read in the same way."""
RESOLVE_AFTER_S = 30.0
KEPT = 4
STREAM_KEEPS_S = 24 * 3600.0


Interval = tuple[float, float]


class Gaps:
    """The gaps of a lane that are not closed yet, and the intervals ``filled`` lately, of which the stream may still
    bring a sample.

    A gap that the last owner had not passed (``watermark``) waits again for the stream to say where it goes on: what
    was delivered behind it is read again, and some of that may have been trimmed since.
    """

    def __init__(
        self, open_gaps: Iterable[Gap] = (), filled: Iterable[Interval] = (), *, watermark: float | None = None
    ) -> None:
        self._open = {gap.name: gap for gap in open_gaps}
        self._filled = list(filled)
        self._asked: set[str] = set()
        self._told = {gap.name for gap in self._open.values() if gap.until is not None}
        self._ends: dict[str, float] = {}
        self._waits = {gap.name: set(gap.shards) for gap in self._open.values()}
        self._waiting_since: dict[str, float] = {}
        self._closed: dict[str, Gap] = {}
        for gap in [*self._open.values()]:
            if not gap.closed and gap.until is not None and watermark is not None and watermark <= gap.until:
                self._ends[gap.name] = gap.until
                self._open[gap.name] = replace(gap, until=None)

    @property
    def open(self) -> list[Gap]:
        """Those that are not closed."""
        return list(self._open.values())

    @property
    def filled(self) -> list[Interval]:
        """The intervals of the gaps closed last."""
        return list(self._filled)

    @property
    def stored(self) -> list[Gap]:
        """The open gaps as a successor must know them: one whose end was told once keeps it."""
        known = [replace(gap, until=gap.until or self._ends.get(gap.name)) for gap in self._open.values()]
        return [*known, *self._closed.values()]

    def declare(
        self, since: float, reason: str, now: float, shard: str | None = None, *, known_to: float | None = None
    ) -> Gap:
        """Something is missing after ``since``, of what is new after ``known_to``. Several shards that lost the same
        time make one gap."""
        lost = {shard} if shard is not None else set()
        for gap in self._open.values():
            if gap.until is None:
                known = max((k for k in (gap.known_to, known_to) if k is not None), default=None)
                lacking = tuple(sorted({*gap.shards, *lost}))
                wider = replace(gap, since=min(gap.since, since), shards=lacking, known_to=known)
                self._open[gap.name] = wider
                self._waits[gap.name] |= lost
                return wider
        number = int(since * 1e3)
        while f"{PREFIX}{number}" in {*self._open, *self._closed, *self._asked}:
            number += 1  # another one began at the same time and is being read
        gap = Gap(f"{PREFIX}{number}", since, reason, now, shards=tuple(lost), known_to=known_to)
        self._open[gap.name] = gap
        self._waits[gap.name] = lost
        self._waiting_since[gap.name] = now
        return gap

    def over(self, name: str, shard: str, at: float) -> list[tuple[Gap, Notice]]:
        """A shard had nothing after ``at``: its part of a gap ends there."""
        gap = self._open[name]
        self._ends[name] = max(self._ends.get(name, gap.since), at)
        self._waits[name].discard(shard)
        return [] if self._waits[name] else self._end(gap)

    def goes_on(self, lineage: Collection[str], *, orphan: bool, created: float) -> list[tuple[Gap, Notice]]:
        """A record written at ``created`` was delivered by a shard of this ``lineage`` (itself and its ancestors), the
        first of which has a parent that the stream no longer lists (``orphan``). A gap ends once every shard that lost
        something goes on; a record from before it says nothing."""
        told = []
        for gap in [gap for gap in self._open.values() if gap.until is None and created >= gap.since]:
            waits = self._waits[gap.name]
            on = {shard for shard in waits if orphan or shard in lineage}
            if waits and not on:
                continue  # another shard's records do not tell what these have lost
            waits -= on
            self._ends[gap.name] = max(self._ends.get(gap.name, gap.since), created + 1.0)
            if not waits:
                told += self._end(gap)
        return told

    def resolve(self, created: float) -> list[tuple[Gap, Notice]]:
        """Nothing written from ``created`` on is missing: gaps end there at the latest, and can be told."""
        told = []
        for gap in [gap for gap in self._open.values() if gap.until is None]:
            self._ends[gap.name] = max(self._ends.get(gap.name, gap.since), created + 1.0)
            told += self._end(gap)
        return told

    def _end(self, gap: Gap) -> list[tuple[Gap, Notice]]:
        self._open[gap.name] = known = replace(gap, until=self._ends[gap.name])
        if gap.name in self._told or known.silent:
            return []
        self._told.add(gap.name)
        return [(known, _opened(known))]

    def overdue(self, now: float) -> bool:
        """True when a gap has waited for the stream to go on for long enough."""
        waiting = [name for name, gap in self._open.items() if gap.until is None]
        return any(now - self._waiting_since.setdefault(name, now) >= RESOLVE_AFTER_S for name in waiting)

    @property
    def reached(self) -> float:
        """Up to when the last gap was filled; -inf where there was none."""
        return max((until for _, until in self._filled), default=-inf)

    @property
    def awaited(self) -> set[str]:
        """Shards that lost something and have not gone on yet."""
        return {s for gap in self._open.values() if gap.until is None for s in self._waits[gap.name]}

    def waits_for(self, shard: str) -> bool:
        """True while an open gap holds what a shard has lost."""
        return any(shard in gap.shards for gap in self._open.values() if not gap.closed)

    def covers(self, ts: float) -> bool:
        """True for a time that the table was or is being read for: a sample of it may come twice."""
        intervals = [*self._filled, *((gap.since, gap.until or gap.since) for gap in self._open.values())]
        return any(since <= ts <= until for since, until in intervals)

    def to_read(self) -> list[Gap]:
        """The gaps whose interval is known and that nobody was asked to read yet, in this process."""
        ready = [gap for gap in self._open.values() if gap.until is not None and gap.name not in self._asked]
        self._asked.update(gap.name for gap in ready)
        return ready

    def count(self, name: str, records: int) -> None:
        """Records of a gap were processed."""
        if name in self._open:
            self._open[name] = replace(self._open[name], found=self._open[name].found + records)

    def close(self, name: str) -> list[Notice]:
        """All that the table has of a gap was processed. It is kept until the windows that have it are stored: a crash
        before that leaves older ones, for which it is read again, silently."""
        gap = self._open.pop(name)
        self._closed[name] = replace(gap, closed=True)
        if gap.closed:
            return []
        if gap.until is not None:
            self._filled = [*self._filled, (gap.since, gap.until)][-KEPT:]
        if gap.silent:
            return []
        filled = f"was filled with {gap.found} samples from the table"
        said = (
            f"The gap from {utc(gap.begins):%Y-%m-%d %H:%M:%S} UTC "
            f"{'was not filled' if gap.reason == LANES_MADE_ANEW else filled}. "
            "Samples that were deleted from the table meanwhile are lost; their number is unknown."
        )
        at, until, count = gap.begins, gap.until, gap.found
        return [Notice("health.gap", None, at, "closed", said, since=at, until=until, count=count)]

    def forget(self, names: Iterable[str]) -> None:
        """These closed gaps are in the windows that are stored."""
        for name in names:
            self._closed.pop(name, None)
            self._open.pop(name, None)
            self._asked.discard(name)

    @property
    def closed(self) -> list[str]:
        """The closed ones that are kept."""
        return list(self._closed)


def _opened(gap: Gap) -> Notice:
    until = gap.until if gap.until is not None else inf
    then = "They are read from the table and scored now; later events wait until that is done."
    if gap.reason == LANES_MADE_ANEW:
        then = "No lane knows whose they are. Run `battery-watch replay --table`: it scores those that the table has."
    said = (
        f"The stream lost the samples between {utc(gap.begins):%Y-%m-%d %H:%M:%S} and {utc(until):%Y-%m-%d %H:%M:%S} "
        f"UTC ({gap.reason}). {then}"
    )
    return Notice("health.gap", None, gap.begins, "opened", said, since=gap.begins, until=gap.until)
