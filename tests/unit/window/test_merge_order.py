"""The merge against a model of shards on a clock: one order, whatever came first (rules 4, 5 and 23)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from window.merge import Merge, stamps
from window.samples import Samples


def stamps_of(previous: float, records: list[tuple[float, float]]) -> list[float]:
    made = []
    for _, created in records:
        previous = max(previous, created)
        made.append(previous)
    return made


@settings(deadline=None, max_examples=100)
@given(
    st.one_of(st.just(-np.inf), st.floats(-100, 100)),
    st.lists(
        st.tuples(st.one_of(st.just(np.nan), st.floats(-1e6, 1e6)), st.floats(-100, 100)), min_size=1, max_size=20
    ),
)
def test_stamps_follow_rule_23(previous: float, records: list[tuple[float, float]]) -> None:
    """A stamp is the second in which a record was written, never falling; the device's clock is no part of it."""
    samples = Samples.of(
        [r[0] for r in records], [0.0] * len(records), [0.0] * len(records), created=[r[1] for r in records]
    )
    assert stamps(samples, previous).tolist() == stamps_of(previous, records)


@dataclass
class Shard:
    """What was written to a shard, and how far it was read."""

    name: str
    records: list[tuple[float, float]]
    """(ts, created), by creation."""
    children: list[Shard] = field(default_factory=list)
    read: int = 0
    opened: bool = False
    ended: bool = False
    last: float = -np.inf


writes = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 0.5, 1.0, 4.0]), st.sampled_from([-600.0, -3.0, -1.0, 0.0, 0.0, 0.25, 4.0, 300.0])
    ),
    max_size=8,
)


@st.composite
def shard_graphs(draw: st.DrawFn) -> list[Shard]:
    """Up to three lineages, some of which roll over or split once; creation times have whole seconds and a child's id
    sorts after its parent's, as in AWS."""

    def written(begin: float) -> tuple[list[tuple[float, float]], float]:
        records = []
        for gap, offset in draw(writes):
            begin += gap
            records.append((begin + offset, float(np.floor(begin))))
        return records, begin

    roots = []
    for name in draw(st.permutations(["shard-1", "shard-2", "shard-3"]))[: draw(st.integers(1, 3))]:
        records, end = written(1000.0)
        suffixes = draw(st.sampled_from([(), ("x",), ("4",), ("5", "y")]))
        roots.append(Shard(name, records, [Shard(f"{name}{suffix}", written(end)[0]) for suffix in suffixes]))
    return roots


def expected(roots: list[Shard]) -> list[tuple[float, str, str]]:
    """All records sorted by stamp, ``ts``, shard and place in it: the only order there may be. Shards of one line of
    descent come one after the other, each in its own order."""
    rows: list[tuple[float, int, float, str, int]] = []

    def add(shard: Shard, previous: float, after: int, *, alone: bool) -> None:
        made = stamps_of(previous, shard.records)
        ts = [r[0] for r in shard.records]
        keys = list(np.maximum.accumulate(ts)) if alone and ts else ts
        rows.extend((stamp, after, keys[k], shard.name, k) for k, stamp in enumerate(made))
        for child in shard.children:
            add(child, made[-1] if made else previous, after + alone, alone=alone and len(shard.children) == 1)

    for root in roots:
        add(root, -np.inf, 0, alone=len(roots) == 1)
    return [(stamp, name, str(k)) for stamp, _, _, name, k in sorted(rows)]


class Reading:
    """Reads the shards into a merge as a source would, on a clock, and keeps what is released."""

    def __init__(self, roots: list[Shard]) -> None:
        self.merge = Merge()
        self.codes = {s.name: k for k, s in enumerate(self._all(roots))}
        self.clock = 1000.0
        self.known: list[Shard] = []
        self.released: list[tuple[float, str, str]] = []
        for root in roots:
            self._open(root)
        self.merge.listed()

    def poll(self, shard: Shard, limit: int) -> None:
        """One page of an open shard. What was written a moment ago may not be there yet."""
        ready = [r for r in shard.records[shard.read :] if r[1] < np.floor(self.clock)][:limit]
        if ready:
            of = Samples.of(
                [r[0] for r in ready],
                [0.0] * len(ready),
                [0.0] * len(ready),
                created=[r[1] for r in ready],
                shard=self.codes[shard.name],
            )
            sequence = np.array([str(shard.read + k) for k in range(len(ready))], object)
            self.merge.push(shard.name, of, sequence, full=len(ready) == limit)
            shard.read += len(ready)
        elif shard.children and shard.read == len(shard.records):
            shard.ended = True
            self.merge.end(shard.name)
        else:
            self.merge.empty(shard.name, self.clock)

    def list(self) -> None:
        """Discovery: children of ended shards are opened, parents that lie behind are closed."""
        for shard in [*self.known]:
            if shard.ended and not shard.children[0].opened:
                for child in shard.children:
                    self._open(child, after=self.merge.last(shard.name), parent=shard.name)
        for shard in [*self.known]:
            if shard.ended and shard.children[0].opened:
                self.merge.settle(shard.name)
                if self.merge.drained(shard.name):
                    self.merge.close(shard.name)
                    self.known.remove(shard)

    def take(self, before: float = np.inf) -> None:
        """Release, and check what can be checked at once."""
        watermark = self.merge.watermark
        released = self.merge.release(before=before)
        if released is not None:
            by_code = {code: name for name, code in self.codes.items()}
            assert (released.stamp < before).all()
            assert (released.stamp >= watermark).all()
            shards = [by_code[int(code)] for code in released.samples.shard]
            self.released += zip(released.stamp.tolist(), shards, released.sequence.tolist(), strict=True)
        assert self.merge.watermark >= watermark

    def drain(self) -> None:
        """Read on until all is out; a minute after the last record everything idle is proven so."""
        while self.clock < 1100.0:
            self.clock += 0.9
            for shard in self.reading:
                self.poll(shard, 3)
            self.list()
            self.take()

    @property
    def reading(self) -> list[Shard]:
        return [s for s in self.known if not s.ended]

    def _open(self, shard: Shard, after: float = -np.inf, parent: str | None = None) -> None:
        shard.opened = True
        self.known.append(shard)
        self.merge.open(shard.name, after=after, parent=parent)

    def _all(self, shards: list[Shard]) -> list[Shard]:
        return [s for root in shards for s in (root, *self._all(root.children))]


steps = st.lists(
    st.tuples(
        st.integers(0, 9), st.sampled_from([0.0, 0.2, 0.6, 2.0]), st.integers(1, 5), st.booleans(), st.integers(0, 3)
    ),
    max_size=60,
)


@settings(deadline=None, max_examples=200)
@given(shard_graphs(), steps)
def test_any_interleaving_paging_and_idling_releases_in_the_one_order(
    roots: list[Shard], plan: list[tuple[int, float, int, bool, int]]
) -> None:
    """By second, then ``ts``, with shards that roll over and split; and all of it comes out in the end."""
    reading = Reading(roots)
    for which, wait_s, limit, listing, take in plan:
        reading.clock += wait_s
        if reading.reading:
            reading.poll(reading.reading[which % len(reading.reading)], limit)
        if listing:
            reading.list()
        if take:
            reading.take(before=reading.clock - 3.0 if take == 1 else np.inf)
    reading.drain()
    assert reading.released == expected(roots)
    assert reading.merge.buffered == 0
    assert reading.merge.broken == 0
