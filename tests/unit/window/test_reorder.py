"""Samples of an upload wait for those that belong before them (rule 23)."""

from __future__ import annotations

from math import inf
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from window.released import Released
from window.reorder import MINUTES, MOST_BLOCKS, MOST_HELD, WAIT_S, Reorder
from window.samples import Kind, Names, Samples

T = 60_000.0
Row = tuple[float, float]
"""``ts`` and *created*, both from `T` on."""


def block(*rows: Row, device: int | list[int] = 0, kind: Kind = Kind.SAMPLE, shard: int = 0) -> Released:
    """Records in merged order. Their sequence numbers are their ``ts``."""
    ts = [T + at for at, _ in rows]
    created = [T + at for _, at in rows]
    none = [0.0] * len(rows)
    samples = Samples.of(ts, none, none, created=created, device=device, kind=kind, shard=shard)
    return Released(samples, samples.created, np.array([repr(at) for at, _ in rows], object))


def left(found: Released | None) -> list[Row]:
    """The ``ts`` and stamps of what leaves."""
    if found is None:
        return []
    return [(float(ts) - T, float(stamp) - T) for ts, stamp in zip(found.samples.ts, found.stamp, strict=True)]


def live(reorder: Reorder, device: int = 0, at: float = 0.0) -> None:
    """A sample on time."""
    assert len(left(reorder.through(block((at, at), device=device), T + at))) == 1


def test_samples_on_time_pass_as_they_are() -> None:
    """The very block, and nothing is remembered of them."""
    reorder = Reorder()
    records = block((0.2, 0.0), (1.0, 1.0), (1.5, 2.0))
    assert reorder.through(records, inf) is records
    assert (reorder.count, reorder.delays(Names())) == (0, {})


def test_rule_23_an_upload_out_of_order_across_seconds_leaves_in_order() -> None:
    """By two writers: the second one's samples are written a second later than those that follow them."""
    reorder = Reorder()
    live(reorder)
    found = left(reorder.through(block((10.0, 600.0), (12.0, 600.0), (11.0, 601.0), (13.0, 601.0)), T + 601.0))
    found += left(reorder.through(block((603.0, 603.0)), T + 603.0))
    assert [ts for ts, _ in found] == [10.0, 11.0, 12.0, 13.0, 603.0]
    assert [stamp for _, stamp in found] == [601.0, 602.0, 602.0, 602.0, 603.0]
    assert reorder.count == 0


def test_a_live_sample_joins_those_that_wait() -> None:
    """It would overtake them."""
    reorder = Reorder()
    live(reorder)
    assert left(reorder.through(block((10.0, 600.0), (600.0, 600.0)), T + 600.0)) == []
    assert left(reorder.through(None, T + 600.0 + WAIT_S)) == []
    assert left(reorder.through(None, T + 600.1 + WAIT_S)) == [(10.0, 601.0), (600.0, 601.0)]


def test_other_devices_do_not_wait() -> None:
    """Nor does what is no sample in time: it is told by its stamp."""
    reorder = Reorder()
    live(reorder)
    live(reorder, device=1)
    records = block((10.0, 600.0), (600.0, 600.0), device=[0, 1])
    assert left(reorder.through(records, T + 600.0)) == [(600.0, 600.0)]
    for kind in (Kind.LATE, Kind.FUTURE, Kind.REMOVED, Kind.BACKFILL, Kind.MALFORMED):
        assert len(left(reorder.through(block((10.0, 600.0), kind=kind), T + 600.0))) == 1


@pytest.mark.parametrize("delay", [3.0, 10.0, 60.0])
def test_a_gateway_that_is_always_late_is_not_held_up_for_ever(delay: float) -> None:
    """At first its samples wait a second; once its delay is known to be usual they pass."""
    reorder = Reorder()
    waited = []
    for second in range(0, 60 * (MINUTES + 2)):
        found = left(reorder.through(block((second, second + delay)), T + second + delay))
        waited += [stamp - ts - delay for ts, stamp in found]
    assert 0.0 < max(waited) <= WAIT_S
    assert waited[-60:] == [0.0] * 60
    assert reorder.count == 0


def test_what_is_usual_is_forgotten_when_the_device_is_on_time_again() -> None:
    """Then the head has nothing of it."""
    names = Names()
    device = names.code("bay-7")
    reorder = Reorder()
    late = [60.0] * (MINUTES + 1) + [0.0] * (MINUTES + 1)
    known = []
    for minute, delay in enumerate(late):
        reorder.through(block((120.0 * minute, 120.0 * minute + delay), device=device), inf)
        known.append(bool(reorder.delays(names)))
    assert known == [True] * (2 * MINUTES + 1) + [False]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32))
def test_rule_23_where_blocks_end_and_a_restart_between_them_change_nothing(seed: int) -> None:
    """One block or many, with the watermark moved in any steps, and a successor that reads what waits again."""
    rng = Random(seed)
    rows: list[tuple[float, float, int]] = []
    created = 0.0
    for _ in range(rng.randint(1, 60)):
        created += rng.choice([0.0, 0.0, 0.0, 1.0, 5.0, 70.0])
        rows.append((created - rng.choice([0.0, 0.0, 3.0, 60.0, 61.0, 62.0, 300.0]), created, rng.randrange(3)))
    end = rows[-1][1] + WAIT_S + 1.0

    def part(begin: int, stop: int) -> Released:
        return block(*((ts, at) for ts, at, _ in rows[begin:stop]), device=[d for *_, d in rows[begin:stop]])

    expected = left(Reorder().through(part(0, len(rows)), T + end))
    found: list[Row] = []
    reorder = Reorder()
    names = Names()
    for name in "abc":
        names.code(name)
    at = 0
    while at < len(rows):
        stop = min(len(rows), at + rng.randint(1, 9))
        found += left(reorder.through(part(at, stop), T + rows[stop - 1][1]))
        at = stop
        if reorder.count == 0 and rng.random() < 0.5:
            again = Reorder()
            again.restore(reorder.delays(names), names)
            reorder = again
    found += left(reorder.through(None, T + end))
    assert found == expected
    assert len(found) == len(rows)
    assert reorder.count == 0


def test_what_waits_is_bounded() -> None:
    """Then the device that has waited longest goes on, its earliest sample first."""
    reorder = Reorder()
    live(reorder)
    for second in range(MOST_HELD // 100 + 5):
        rows = block(*((0.001 * n, 600.0) for n in range(100 * second, 100 * second + 100)))
        found = left(reorder.through(rows, T + 600.0))
        assert len(found) == (100 if second >= MOST_HELD // 100 else 0)
    assert reorder.count == MOST_HELD
    assert len(reorder._blocks) <= MOST_BLOCKS + 1
    assert len(left(reorder.through(None, inf))) == MOST_HELD


def test_the_samples_of_a_shard_that_another_reader_has_are_void() -> None:
    """They come again."""
    reorder = Reorder()
    live(reorder)
    reorder.through(block((10.0, 600.0), (12.0, 600.0), shard=1), T + 600.0)
    reorder.through(block((11.0, 600.0), shard=2), T + 600.0)
    assert reorder.holds(1)
    reorder.drop(1)
    assert (reorder.holds(1), reorder.holds(2), reorder.count) == (False, True, 1)
    assert [ts for ts, _ in left(reorder.through(None, inf))] == [11.0]


def test_since_when_a_device_has_something_that_waits() -> None:
    """It was alive then, whatever its samples' times say."""
    reorder = Reorder()
    live(reorder)
    reorder.through(block((12.0, 600.0), (11.0, 600.0)), T + 600.0)
    assert reorder.waiting_since() == {0: T + 600.0}


def test_a_sample_that_comes_below_the_watermark_does_not_wait() -> None:
    """It keeps its stamp: a promise of idleness was broken, which is counted by that (seed 22058)."""
    reorder = Reorder()
    live(reorder)
    reorder.through(block((10.0, 600.0)), T + 605.0)
    assert left(reorder.through(block((11.0, 601.0), (12.0, 606.0)), T + 606.0)) == [(11.0, 601.0)]
    assert reorder.count == 1


def test_what_comes_below_the_watermark_does_not_overtake_what_it_is_written_over() -> None:
    """The first version of the sample waits. Leaving after the second, it would be the last (seed 15543)."""
    reorder = Reorder()
    live(reorder)
    reorder.through(block((11.0, 600.0), (10.0, 600.0), (12.0, 600.0), shard=1), T + 600.0)
    assert reorder.count == 3
    reorder.through(None, T + 600.5)
    found = reorder.through(block((12.0, 600.0), shard=2), T + 600.6)
    assert found is not None
    assert (left(found), found.samples.shard.tolist()) == ([(12.0, 600.0), (12.0, 600.0)], [1, 2])
    assert (reorder.holds(1), reorder.count) == (True, 2)
    assert [ts for ts, _ in left(reorder.through(None, inf))] == [10.0, 11.0]
