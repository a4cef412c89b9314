"""The merge: records of many shards in one order, under a watermark (rules 3 to 5 and 23 of the order).

The stamp of a record is the second in which the table wrote it. A device that uploads what it kept writes many samples
in one second, over all shards. So the order within a second is that of ``ts``, and a second leaves as a whole: when no
lineage can add to it. Each lineage *holds* at a stamp: it may still add to it, and adds nothing below. That is the
stamp of its last record or, once it is proven idle at its tip, shortly before the time at which it was found empty.

A lineage that is alone keeps its sequence order and waits for nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from math import floor

import numpy as np
from numpy.typing import NDArray

from window.ancestry import Ancestry
from window.idle import IdleProof
from window.released import Released, Sequences, joined
from window.reorder import Reorder
from window.samples import Floats, Samples

MOST_AHEAD_S = 20 * 60.0
"""Processed stamps are at most this far ahead of the slowest lineage. Its late records must still find their window
(25 minutes)."""
ANSWERS_S = 30.0
"""A lineage that was asked no longer ago than this, by the hold of the furthest one, answers."""
IDLE_SLACK_S = 2.0
"""How far an idle promise stays behind the time of its question: a record may be readable that much later than it was
written (docs/decisions/0002)."""


def stamps(samples: Samples, previous: float) -> Floats:
    """The order keys of one shard's records, shape (n,): the seconds in which they were written, never falling, none
    below ``previous``."""
    return np.maximum.accumulate(np.concatenate([[previous], samples.created]))[1:]


def _times(samples: Samples) -> Floats:
    """What orders records of one stamp, shape (n,): ``ts``, or ``created`` for a record without a time."""
    return np.where(np.isnan(samples.ts), samples.created, samples.ts)


@dataclass(slots=True)
class _Lineage:
    """One shard as the merge sees it. ``code``: of its name, in its records.

    ``last``: stamp of the last record delivered. ``proof``: how far it is proven idle. ``closed``: nothing more is
    written to it. ``settled``: it has ended, and its children are known, which hold instead. ``passed``: the merge does
    not wait for it. ``alone``: when its first record left, no other lineage but ancestors and descendants was open;
    None before that.
    """

    last: float
    _: KW_ONLY
    code: int | None = None
    backfill: bool = False
    alone: bool | None = None
    proof: IdleProof = field(default_factory=IdleProof)
    ended: bool = False
    settled: bool = False
    closed: bool = False
    passed: bool = False
    waiting: deque[Released] = field(default_factory=deque)

    @property
    def idle(self) -> float:
        """Below this stamp it is promised to deliver nothing. Stamps are whole seconds, and one that was not over may
        get more records."""
        until = self.proof.until - IDLE_SLACK_S
        return floor(until) if until > -np.inf else until

    @property
    def hold(self) -> float:
        return np.inf if self.settled else max(self.last, self.idle)

    @property
    def floor(self) -> float:
        return float(self.waiting[0].stamp[0]) if self.waiting else self.hold


class Merge:
    """Merges lineages. Releases nothing before the first complete listing of the shards (`listed`)."""

    def __init__(self) -> None:
        self._lineages: dict[str, _Lineage] = {}
        self.ancestry = Ancestry()
        self.ready = False
        """True once all shards have been listed for the first time."""
        self.reorder = Reorder()
        """Where samples of an upload wait for those that belong before them."""
        self._buffered = 0
        self._reached = -np.inf
        self.broken = 0
        """Records that came below the watermark: from a lineage that was passed by, or against an idle promise."""

    @property
    def buffered(self) -> int:
        """Records delivered and not yet released."""
        return self._buffered + self.reorder.count

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
        """No record released from now on has a stamp below it, except those that `broken` counts. It never falls, and
        is never further ahead of a lineage that was passed by than `MOST_AHEAD_S`; -inf until every lineage has a
        hold."""
        if self.ready:
            floors = [lineage.floor for lineage in self._lineages.values() if not lineage.passed]
            floor = min((at for at in floors if at < np.inf), default=-np.inf)
            self._reached = max(self._reached, min(floor, self.slowest + MOST_AHEAD_S))
        return self._reached

    @property
    def unread(self) -> float:
        """From this stamp on records may come that belong below the watermark: those of lineages that were passed by,
        or of their children, or that were delivered too late and still wait. inf where there are none."""
        below = min((lineage.floor for lineage in self._lineages.values()), default=np.inf)
        return below if below < self._reached else np.inf

    @property
    def slowest(self) -> float:
        """The lowest hold of all lineages, those passed by included; inf where there is none."""
        return min((lineage.hold for lineage in self._lineages.values()), default=np.inf)

    @property
    def furthest(self) -> float:
        """The highest hold of all lineages; -inf where there is none."""
        holds = (lineage.hold for lineage in self._lineages.values())
        return max((hold for hold in holds if hold < np.inf), default=-np.inf)

    @property
    def ended(self) -> list[str]:
        """The shards that were read to their end and are not closed yet."""
        return [shard for shard, lineage in self._lineages.items() if lineage.ended]

    def read_to(self) -> dict[str, float]:
        """The last stamp read of every shard that has not ended."""
        return {shard: lineage.last for shard, lineage in self._lineages.items() if not lineage.ended}

    @property
    def proving(self) -> bool:
        """True while a lineage that holds the others back answers, and is about to be proven idle."""
        asked = self.furthest - ANSWERS_S
        return any(not each.closed and each.proof.under_way(asked) for each in self._lowest().values())

    def pass_by(self) -> list[str]:
        """Stop waiting for the lineages that hold the others back (a forced release, rule 7). Returns which. They hold
        again once they have caught up."""
        lowest = self._lowest()
        for lineage in lowest.values():
            lineage.passed = True
        return [*lowest]

    def listed(self) -> None:
        """All shards of the first complete listing are open."""
        self.ready = True

    def open(self, shard: str, *, after: float = -np.inf, parent: str | None = None, backfill: bool = False) -> None:
        """Begin to read a shard. It holds at ``after``: its parent's last stamp, or its own from before a restart. It
        inherits its parent's proof. ``backfill``: it is no shard, but delivers a gap from the table."""
        self.ancestry.note(shard, parent)
        if shard not in self._lineages:
            lineage = self._lineages[shard] = _Lineage(after, backfill=backfill)
            lineage.proof.begin(after)
            lineage.proof.trust(self.proof(parent or "").until)

    def proof(self, shard: str) -> IdleProof:
        """How far a shard is proven idle (rule 24); an empty proof for one that is not open."""
        lineage = self._lineages.get(shard)
        return lineage.proof if lineage else IdleProof()

    def last(self, shard: str) -> float:
        """Stamp of the shard's last record delivered; -inf for a shard that is not open."""
        lineage = self._lineages.get(shard)
        return lineage.last if lineage else -np.inf

    def push(
        self,
        shard: str,
        samples: Samples,
        sequence: Sequences,
        *,
        full: bool,
        known: NDArray[np.bool_] | None = None,
    ) -> Floats:
        """Take a page of records, at least one, of an open shard; returns their stamps, shape (n,). ``full``: more may
        follow, so it is not at its tip. The ``known`` ones were processed before: they count for the hold alone."""
        lineage = self._lineages[shard]
        lineage.code = int(samples.shard[0])
        stamp = stamps(samples, lineage.last)
        new = Released(samples, stamp, sequence)
        if known is not None and known.any():
            new = new.take(~known)
        self.broken += int((new.stamp < self.watermark).sum())
        lineage.last = float(stamp[-1])
        self._catch_up(lineage)
        if len(new):
            lineage.waiting.append(new)
            self._buffered += len(new)
        lineage.proof.records(float(samples.created[-1]), full=full)
        return stamp

    def empty(self, shard: str, asked_at: float, *, renewed: bool = False) -> None:
        """Take an empty page, asked for at ``asked_at``. Enough of them prove the shard idle (rules 5 and 24). If
        reading was ``renewed``, the proof begins again: records may have been written since the last page."""
        lineage = self._lineages[shard]
        lineage.proof.empty(asked_at, renewed=renewed, closed=lineage.closed)
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
        if lineage.code is not None:
            self.reorder.drop(lineage.code)

    def end(self, shard: str) -> None:
        """The shard was read to its end. It holds at its last stamp until `settle`."""
        self._lineages[shard].ended = self._lineages[shard].closed = True

    def settle(self, shard: str) -> None:
        """All children of an ended shard are open, or it has none. It holds nothing back any more: two that ended in
        one second would wait for each other for ever."""
        self._lineages[shard].settled = True

    def drained(self, shard: str) -> bool:
        """True when the shard has ended and none of its records waits."""
        lineage = self._lineages.get(shard)
        if lineage is None or not lineage.ended or lineage.waiting:
            return False
        return lineage.code is None or not self.reorder.holds(lineage.code)

    def release(self, *, before: float = np.inf) -> Released | None:
        """Take the records that may leave and whose stamp is below ``before``, in order; None where there are none."""
        if not self.ready or self.buffered == 0:
            return None
        merged = self._merged(before)
        over = all(lineage.settled for lineage in self._lineages.values())
        return self.reorder.through(merged, np.inf if over else min(self.watermark, before))

    def _merged(self, before: float) -> Released | None:
        """What may leave the queues of the lineages, in merged order."""
        parts: list[Released] = []
        times: list[Floats] = []
        for lineage, bound in [*self._bounds()]:  # all before any record leaves
            own = [*_leaving(lineage, min(bound, before))]
            if own:
                part = own[0] if len(own) == 1 else joined(own)
                parts.append(part)
                ts = _times(part.samples)
                times.append(np.maximum.accumulate(ts) if lineage.alone else ts)
        if not parts:
            return None
        if len(parts) == 1 and (np.diff(times[0]) >= 0).all():
            released = parts[0]
        else:
            whole = joined(parts)
            # Stable: ties keep the order of shard ids, and within a shard that of the sequence.
            released = whole.take(np.lexsort((np.concatenate(times), whole.stamp)))
        self._buffered -= len(released)
        return released

    def _lowest(self) -> dict[str, _Lineage]:
        low = min((lineage.hold for lineage in self._lineages.values() if not lineage.passed), default=np.inf)
        return {s: lineage for s, lineage in self._lineages.items() if not lineage.passed and lineage.hold <= low}

    def _catch_up(self, lineage: _Lineage) -> None:
        if lineage.passed and lineage.hold >= self.watermark:
            lineage.passed = False

    def _bounds(self) -> Iterator[tuple[_Lineage, float]]:
        """Every lineage with records waiting, by shard id, and the stamp below which they may leave: nobody can add to
        what lies below the lowest hold. A lineage that is alone need not wait for itself: its order is its own."""
        # Rows of a gap that is read from the table belong between the records of a lineage that is otherwise alone.
        gap = any(lineage.backfill and not lineage.settled for lineage in self._lineages.values())
        holds = {s: lineage.hold for s, lineage in self._lineages.items() if not lineage.passed}
        lowest = sorted((hold, shard) for shard, hold in holds.items())[:2]
        for shard in sorted(self._lineages):
            lineage = self._lineages[shard]
            if not lineage.waiting or self._follows(shard):
                continue
            if lineage.alone is None:
                lineage.alone = not lineage.backfill and self._is_alone(shard)
            others = [hold for hold, of in lowest if not (lineage.alone and of == shard and not gap)]
            yield lineage, min(others, default=np.inf)

    def _follows(self, shard: str) -> bool:
        """Must an ancestor that is alone leave first? It could have left before this shard was known."""
        ancestors = (self._lineages[each] for each in self.ancestry.of(shard)[1:] if each in self._lineages)
        return any(lineage.waiting and lineage.alone is not False for lineage in ancestors)

    def _is_alone(self, shard: str) -> bool:
        """Is every other lineage an ancestor or a descendant, or no shard?"""
        ancestors = self.ancestry.of(shard)
        return all(
            other in ancestors or shard in self.ancestry.of(other)
            for other, lineage in self._lineages.items()
            if not lineage.backfill
        )


def _leaving(lineage: _Lineage, bound: float) -> Iterator[Released]:
    """Take from a lineage's queue the records below ``bound``."""
    waiting = lineage.waiting
    while waiting:
        part = waiting[0]
        count = int(np.searchsorted(part.stamp, bound))  # stamps never fall, so the free rows lead
        if count < len(part):
            if count:
                waiting[0] = part.take(slice(count, None))
                yield part.take(slice(0, count))
            return
        yield waiting.popleft()
