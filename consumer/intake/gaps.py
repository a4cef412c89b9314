"""Gaps: records that the stream lost. They are read from the table and merged in their place (rule 19)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from math import inf

from consumer.state.head import PREFIX, Gap, Head, ShardPosition
from reporting.contract.events import utc
from reporting.health.notice import Notice

LANES_RECREATED = "the stream was recreated, and all lanes with it"
"""The reason of a gap in a table keyed by device that no lane can fill."""
_NO_LANE = (LANES_RECREATED, "the stream was made anew, and all lanes with it")
"""The second is how 0.1.0 spells it: its heads may have such a gap open."""
FIRST_WINDOW = "first-window"
"""The name of the read of the table at a first start: no gap, but read in the same way."""
RESOLVE_AFTER_S = 30.0
"""A gap ends by then even if a shard that lost records has delivered nothing since. A quiet shard must not stop the
lane."""
KEPT = 4
STREAM_KEEPS_S = 24 * 3600.0


Interval = tuple[float, float]


class Gaps:
    """The gaps of a lane that are not closed yet, and the intervals that were ``filled`` last: the stream may still
    deliver a sample of these.

    If the last owner's ``watermark`` had not passed a gap, or had but not a shard that lost records and begins at the
    horizon again (``horizon``: the positions of such shards in the head), the gap waits again for the stream to resume.
    The records behind it are read again, and more of them may have been trimmed since.
    """

    def __init__(
        self,
        open_gaps: Iterable[Gap] = (),
        filled: Iterable[Interval] = (),
        *,
        watermark: float | None = None,
        horizon: Mapping[str, ShardPosition] | None = None,
    ) -> None:
        self._open = {gap.name: gap for gap in open_gaps}
        self._filled = list(filled)
        self._asked: set[str] = set()
        self._reported = {gap.name for gap in self._open.values() if gap.until is not None}
        self._ends: dict[str, float] = {}
        self._waits = {gap.name: set(gap.shards) for gap in self._open.values()}
        self._waiting_since: dict[str, float] = {}
        self._closed: dict[str, Gap] = {}
        for gap in [*self._open.values()]:
            if gap.until is None or gap.closed:
                continue
            read = [at.stamp for shard in gap.shards if (at := (horizon or {}).get(shard)) is not None and not at.ended]
            if any(until is not None and until <= gap.until for until in (watermark, *read)):
                self._ends[gap.name] = gap.until
                self._open[gap.name] = replace(gap, until=None)

    @classmethod
    def restore(cls, head: Head, positions: Mapping[str, ShardPosition]) -> Gaps:
        """Those of a head. ``positions``: by shard, where reading begins."""
        horizon = {shard: at for shard, at in head.positions.items() if positions[shard].sequence is None}
        return cls(head.gaps, head.filled, watermark=head.watermark, horizon=horizon)

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
        """The gaps for the head. One whose end was known before the restart keeps that end."""
        known = [replace(gap, until=gap.until or self._ends.get(gap.name)) for gap in self._open.values()]
        return [*known, *self._closed.values()]

    def declare(
        self, since: float, reason: str, now: float, shard: str | None = None, *, known_to: float | None = None
    ) -> Gap:
        """Records after ``since`` are missing; those up to ``known_to`` were committed before. Shards that lost records
        at the same time share one gap."""
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
            number += 1  # another gap has the same beginning and is being read
        gap = Gap(f"{PREFIX}{number}", since, reason, now, shards=tuple(lost), known_to=known_to)
        self._open[gap.name] = gap
        self._waits[gap.name] = lost
        self._waiting_since[gap.name] = now
        return gap

    def end_shard(self, name: str, shard: str, at: float) -> list[tuple[Gap, Notice]]:
        """A shard has no records after ``at``: its part of the gap ends there."""
        gap = self._open[name]
        self._ends[name] = max(self._ends.get(name, gap.since), at)
        self._waits[name].discard(shard)
        return [] if self._waits[name] else self._end(gap)

    def resumed(self, lineage: Collection[str], *, orphan: bool, created: float) -> list[tuple[Gap, Notice]]:
        """A shard delivered a record that was written at ``created``. ``lineage``: the shard and its ancestors;
        ``orphan``: the oldest of them has a parent that the stream no longer lists. A gap ends when every shard that
        lost records has resumed. A record from before the gap proves nothing."""
        ended = []
        for gap in [gap for gap in self._open.values() if gap.until is None and created >= gap.since]:
            waits = self._waits[gap.name]
            on = {shard for shard in waits if orphan or shard in lineage}
            if waits and not on:
                continue  # records of other shards do not show where these resume
            waits -= on
            self._ends[gap.name] = max(self._ends.get(gap.name, gap.since), created + 1.0)
            if not waits:
                ended += self._end(gap)
        return ended

    def end_all(self, created: float) -> list[tuple[Gap, Notice]]:
        """Nothing written from ``created`` on is missing: all gaps end there at the latest."""
        ended = []
        for gap in [gap for gap in self._open.values() if gap.until is None]:
            self._ends[gap.name] = max(self._ends.get(gap.name, gap.since), created + 1.0)
            ended += self._end(gap)
        return ended

    def _end(self, gap: Gap) -> list[tuple[Gap, Notice]]:
        self._open[gap.name] = known = replace(gap, until=self._ends[gap.name])
        if gap.name in self._reported or known.silent:
            return []
        self._reported.add(gap.name)
        return [(known, _opened(known))]

    def overdue(self, now: float) -> bool:
        """True if a gap has waited `RESOLVE_AFTER_S` for the stream to resume."""
        waiting = [name for name, gap in self._open.items() if gap.until is None]
        return any(now - self._waiting_since.setdefault(name, now) >= RESOLVE_AFTER_S for name in waiting)

    @property
    def reached(self) -> float:
        """The end of the last filled gap; -inf if there was none."""
        return max((until for _, until in self._filled), default=-inf)

    @property
    def awaited(self) -> set[str]:
        """Shards that lost records and have not resumed."""
        return {s for gap in self._open.values() if gap.until is None for s in self._waits[gap.name]}

    def waits_for(self, shard: str) -> bool:
        """True while an open gap covers what this shard has lost."""
        return any(shard in gap.shards for gap in self._open.values() if not gap.closed)

    def covers(self, ts: float) -> bool:
        """True for a time that was read, or is being read, from the table. A sample of it may come twice."""
        intervals = [*self._filled, *((gap.since, gap.until or gap.since) for gap in self._open.values())]
        return any(since <= ts <= until for since, until in intervals)

    def to_read(self) -> list[Gap]:
        """The gaps to read from the table now: those whose end is known. Each is returned once in this process."""
        ready = [gap for gap in self._open.values() if gap.until is not None and gap.name not in self._asked]
        self._asked.update(gap.name for gap in ready)
        return ready

    def count(self, name: str, records: int) -> None:
        """Records of a gap were processed."""
        if name in self._open:
            self._open[name] = replace(self._open[name], found=self._open[name].found + records)

    def close(self, name: str) -> list[Notice]:
        """All that the table has of a gap was processed. The gap stays in the head until windows with its samples are
        stored. After a crash before that, the older windows need it: it is re-read, silently."""
        gap = self._open.pop(name)
        self._closed[name] = replace(gap, closed=True)
        if gap.closed:
            return []
        if gap.until is not None:
            self._filled = [*self._filled, (gap.since, gap.until)][-KEPT:]
        if gap.silent:
            return []
        filled = f"was filled with {gap.found} samples from the table"
        text = (
            f"The gap from {utc(gap.begins):%Y-%m-%d %H:%M:%S} UTC "
            f"{'was not filled' if gap.reason in _NO_LANE else filled}. "
            "Samples that were deleted from the table meanwhile are lost; their number is unknown."
        )
        at, until, count = gap.begins, gap.until, gap.found
        return [Notice("health.gap", None, at, "closed", text, since=at, until=until, count=count)]

    def forget(self, names: Iterable[str]) -> None:
        """These closed gaps are in the stored windows."""
        for name in names:
            self._closed.pop(name, None)
            self._open.pop(name, None)
            self._asked.discard(name)

    @property
    def closed(self) -> list[str]:
        """The closed gaps that the stored windows do not have yet."""
        return list(self._closed)


def _opened(gap: Gap) -> Notice:
    until = gap.until if gap.until is not None else inf
    then = "The worker reads them from the table and scores them now; later events wait until that is done."
    if gap.reason in _NO_LANE:
        then = (
            "No lane can fill this gap. Run `battery-watch replay --table`: it scores the samples that the table has."
        )
    text = (
        f"The stream lost the samples between {utc(gap.begins):%Y-%m-%d %H:%M:%S} and {utc(until):%Y-%m-%d %H:%M:%S} "
        f"UTC ({gap.reason}). {then}"
    )
    return Notice("health.gap", None, gap.begins, "opened", text, since=gap.begins, until=gap.until)
