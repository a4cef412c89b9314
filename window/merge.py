"""The merge: records of many shards in one order, by stamp, under a watermark (rules 3 to 5 of the order).

A record may leave when no lineage can still deliver one that sorts before it. Each lineage *holds* at a stamp: that of
its last record or, once it is proven idle at its tip, shortly before the time at which it was found empty. Records of
equal stamps are ordered by shard id. Therefore a hold at the very stamp of a record keeps it back only if the id of the
holding shard sorts first. If no hold at that stamp kept it back, the order of equal stamps would depend on which shard
was read first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from window.samples import Floats, Samples, concat

IDLE_SLACK_S = 4.0
"""How far an idle promise stays behind our clock: a stamp may lag 2 s behind `created`, `created` has whole seconds,
and the table's clock is not ours (docs/decisions/0002)."""
IDLE_PAGES, IDLE_OVER_S = 3, 1.0
"""So many empty pages in a row, over so many seconds, prove that a shard is at its tip (rule 5)."""
POLLS_STOPPED_S = 40.0
"""A shard that was not asked for so long must prove again that it is at its tip."""
LATEST_LEAD_S, LATEST_LAG_S = 5.0, 2.0
"""How far a stamp may lie ahead of `created`, and how far behind it (rule 3)."""

Sequences = NDArray[np.object_]


def stamps(samples: Samples, previous: float) -> Floats:
    """The order keys of one shard's records (rule 3), shape (n,): never falling, none below ``previous``."""
    return np.maximum.accumulate(np.concatenate([[previous], own_stamps(samples)]))[1:]


def own_stamps(samples: Samples) -> Floats:
    """The stamp of each record by itself, shape (n,), whatever its shard holds besides.

    It is ``ts``, but at most 5 s ahead of ``created`` and 2 s behind it: a device's fast clock cannot drag the
    watermark, and a slow one cannot break every idle promise. A record without a time gets ``created``.
    """
    ts = np.where(np.isnan(samples.ts), samples.created, samples.ts)
    return np.minimum(np.maximum(ts, samples.created - LATEST_LAG_S), samples.created + LATEST_LEAD_S)


@dataclass(frozen=True, slots=True)
class Released:
    """Records in merged order: ``samples``, their ``stamp`` (n,) and ``sequence`` numbers (n,)."""

    samples: Samples
    stamp: Floats
    sequence: Sequences

    def __len__(self) -> int:
        return len(self.samples)

    def take(self, rows: slice | NDArray[np.bool_]) -> Released:
        """Some of the rows, in the same order."""
        return Released(self.samples.take(rows), self.stamp[rows], self.sequence[rows])

    def taken(self, rows: NDArray[np.bool_]) -> Released | None:
        """The rows of a mask, in the same order; None if there are none."""
        return self.take(rows) if rows.any() else None


@dataclass(slots=True)
class _Lineage:
    """One shard as the merge sees it.

    ``last``: stamp of the last record delivered. ``idle``: the stamp up to which it is promised idle. ``tip``: it is
    proven to be at its tip. ``closed``: nothing more is written to it. ``passed``: the merge does not wait for it.
    """

    last: float
    idle: float = -np.inf
    ended: bool = False
    empty_pages: int = 0
    empty_since: float = np.inf
    asked_at: float = -np.inf
    tip: bool = False
    closed: bool = False
    passed: bool = False
    waiting: deque[Released] = field(default_factory=deque)

    @property
    def hold(self) -> float:
        return max(self.last, self.idle)


class Merge:
    """Merges lineages. Releases nothing before the first complete listing of the shards (`listed`)."""

    def __init__(self) -> None:
        self._lineages: dict[str, _Lineage] = {}
        self.ready = False
        """True once all shards have been listed for the first time."""
        self._buffered = 0
        self._reached = -np.inf
        self.broken = 0
        """Records that came below the watermark: from a lineage that was passed by, or against an idle promise."""

    @property
    def buffered(self) -> int:
        """Records delivered and not yet released."""
        return self._buffered

    @property
    def shards(self) -> Mapping[str, float]:
        """Every open shard with its hold."""
        return {shard: lineage.hold for shard, lineage in self._lineages.items()}

    @property
    def waited_for(self) -> Mapping[str, float]:
        """The holds of the shards that the merge waits for: not of those passed by, until they have caught up."""
        return {shard: lineage.hold for shard, lineage in self._lineages.items() if not lineage.passed} or self.shards

    @property
    def watermark(self) -> float:
        """No record released from now on has a stamp below it, except those that `broken` counts. It never falls; -inf
        until every lineage has a hold."""
        if self.ready:
            floors = [self._floor(lineage) for lineage in self._lineages.values() if not lineage.passed]
            self._reached = max(self._reached, min(floors, default=-np.inf))
        return self._reached

    @property
    def slowest(self) -> float:
        """The lowest hold of all lineages, those passed by included; inf where there is none."""
        return min((lineage.hold for lineage in self._lineages.values()), default=np.inf)

    @property
    def furthest(self) -> float:
        """The highest hold of all lineages; -inf where there is none."""
        return max((lineage.hold for lineage in self._lineages.values()), default=-np.inf)

    @property
    def ended(self) -> list[str]:
        """The shards that were read to their end and are not closed yet."""
        return [shard for shard, lineage in self._lineages.items() if lineage.ended]

    def read_to(self) -> dict[str, float]:
        """The last stamp read of every shard that has not ended."""
        return {shard: lineage.last for shard, lineage in self._lineages.items() if not lineage.ended}

    def pass_by(self) -> list[str]:
        """Stop waiting for the lineages that hold the watermark back (a forced release, rule 7). Returns which. They
        hold again once they have caught up."""
        low = self.watermark
        stalled = [s for s, o in self._lineages.items() if not o.passed and self._floor(o) <= low and not o.waiting]
        for shard in stalled:
            self._lineages[shard].passed = True
        return stalled

    def listed(self) -> None:
        """All shards of the first complete listing are open."""
        self.ready = True

    def open(self, shard: str, *, after: float = -np.inf) -> None:
        """Begin to read a shard. It holds at ``after``: its parent's last stamp, or its own from before a restart."""
        if shard not in self._lineages:
            self._lineages[shard] = _Lineage(last=after)

    def last(self, shard: str) -> float:
        """Stamp of the shard's last record delivered; -inf for a shard that is not open."""
        lineage = self._lineages.get(shard)
        return lineage.last if lineage else -np.inf

    def push(self, shard: str, samples: Samples, sequence: Sequences, *, full: bool) -> None:
        """Take a page of records, at least one, of an open shard. A full page proves no tip: more may follow."""
        lineage = self._lineages[shard]
        stamp = stamps(samples, lineage.last)
        self.broken += int((stamp < self.watermark).sum())
        lineage.last = float(stamp[-1])
        self._catch_up(lineage)
        lineage.waiting.append(Released(samples, stamp, sequence))
        self._buffered += len(samples)
        lineage.tip = lineage.tip and not full
        if not lineage.tip:  # before the tip, a page of any size ends the run of empty pages
            lineage.empty_pages, lineage.empty_since = 0, np.inf

    def empty(self, shard: str, asked_at: float, *, renewed: bool = False) -> None:
        """Take an empty page, asked for at ``asked_at``. It proves idleness once the shard is at its tip (rule 5). If
        reading was ``renewed``, the proof begins again: records may have been written since the last page."""
        lineage = self._lineages[shard]
        if renewed or asked_at - lineage.asked_at > POLLS_STOPPED_S:
            lineage.tip = False
            lineage.empty_pages, lineage.empty_since = 0, np.inf
        lineage.asked_at = asked_at
        lineage.empty_pages += 1
        lineage.empty_since = min(lineage.empty_since, asked_at)
        if lineage.empty_pages >= IDLE_PAGES and asked_at - lineage.empty_since >= IDLE_OVER_S:
            lineage.tip = True
        if lineage.tip and not lineage.closed:
            lineage.idle = max(lineage.idle, asked_at - IDLE_SLACK_S)
            self._catch_up(lineage)

    def mark(self, shard: str, *, closed: bool) -> None:
        """Note whether a shard is ``closed``: nothing more is written to it, and before its end it is never idle."""
        lineage = self._lineages.get(shard)
        if lineage is not None and not lineage.ended:
            lineage.closed = closed

    def close(self, shard: str) -> None:
        """Drop a shard: all its records are released and its children hold, or it has none."""
        lineage = self._lineages.pop(shard)
        self._buffered -= sum(len(part) for part in lineage.waiting)

    def end(self, shard: str) -> None:
        """The shard was read to its end. It holds at its last stamp until `close`."""
        self._lineages[shard].ended = self._lineages[shard].closed = True

    def drained(self, shard: str) -> bool:
        """True when the shard has ended and none of its records waits."""
        lineage = self._lineages.get(shard)
        return lineage is not None and lineage.ended and not lineage.waiting

    def release(self, *, before: float = np.inf) -> Released | None:
        """Take the records that may leave and whose stamp is below ``before``, in order; None where there are none."""
        if not self.ready or self._buffered == 0:
            return None
        parts: list[Released] = []
        names: list[str] = []
        for shard, strict, loose in self._bounds():
            for part in self._leaving(shard, strict, loose, before):
                parts.append(part)
                names.extend([shard] * len(part))
        if not parts:
            return None
        stamp = np.concatenate([p.stamp for p in parts])
        order = np.lexsort((np.asarray(names), stamp))  # stable: a shard's own records keep their sequence
        self._buffered -= len(order)
        return Released(
            concat([p.samples for p in parts]).take(order),
            stamp[order],
            np.concatenate([p.sequence for p in parts])[order],
        )

    def _floor(self, lineage: _Lineage) -> float:
        return float(lineage.waiting[0].stamp[0]) if lineage.waiting else lineage.hold

    def _catch_up(self, lineage: _Lineage) -> None:
        if lineage.passed and lineage.hold >= self.watermark:
            lineage.passed = False

    def _bounds(self) -> list[tuple[str, float, float]]:
        """For every shard with records waiting: two bounds on the stamps that may leave. They must lie below the lowest
        hold of the shards that sort before it, and not above the lowest hold of those that sort after it."""
        order = sorted(self._lineages)
        holds = [np.inf if self._lineages[s].passed else self._lineages[s].hold for s in order]
        before = np.minimum.accumulate([np.inf, *holds])
        after = np.minimum.accumulate([np.inf, *reversed(holds)])[::-1]
        return [
            (shard, float(before[row]), float(after[row + 1]))
            for row, shard in enumerate(order)
            if self._lineages[shard].waiting
        ]

    def _leaving(self, shard: str, strict: float, loose: float, before: float) -> list[Released]:
        """Take from a shard's queue the records that no other lineage holds back."""
        waiting = self._lineages[shard].waiting
        taken = []
        while waiting:
            part = waiting[0]
            free = (part.stamp < strict) & (part.stamp <= loose) & (part.stamp < before)
            count = int(free.sum())  # stamps never fall, so the free rows lead
            if count < len(part):
                if count:
                    taken.append(part.take(slice(0, count)))
                    waiting[0] = part.take(slice(count, None))
                break
            taken.append(waiting.popleft())
        return taken
