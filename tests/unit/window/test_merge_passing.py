"""The merge where a shard is passed by, or the table is read for a gap (rules 7 and 19)."""

from __future__ import annotations

import numpy as np
from test_merge import merging, out, push

from window.merge import MOST_AHEAD_S, Merge
from window.samples import Samples


def test_a_forced_release_passes_by_who_holds_until_it_has_caught_up() -> None:
    """Only those with nothing to give are passed; what they bring later is counted as below the watermark."""
    merge = merging("a", "b", "c", after=10.0)
    push(merge, "a", 20.0, 40.0)
    push(merge, "c", 30.0)
    assert out(merge) == []
    assert merge.pass_by() == ["b"]
    assert out(merge) == [20.0]
    assert (merge.watermark, merge.slowest) == (30.0, 10.0)
    push(merge, "b", 25.0)
    assert merge.broken == 1
    assert out(merge) == [25.0]
    assert merge.pass_by() == ["c"]
    assert out(merge) == [30.0]
    push(merge, "b", 45.0)
    push(merge, "a", 50.0)
    assert out(merge) == [40.0]
    assert merge.watermark == 45.0


def test_from_where_records_may_be_missing() -> None:
    """From the hold of a shard that was passed by, or from a record that came too late and waits."""
    merge = merging("a", "b", "c", after=10.0)
    push(merge, "a", 20.0, 40.0)
    push(merge, "c", 30.0, 40.0)
    assert (merge.watermark, merge.unread) == (10.0, np.inf)
    merge.pass_by()
    assert (merge.watermark, merge.unread) == (20.0, 10.0)
    assert out(merge) == [20.0, 30.0]
    push(merge, "b", 25.0)
    assert (merge.watermark, merge.unread) == (40.0, 25.0)
    push(merge, "b", 50.0)
    assert merge.unread == 25.0
    assert out(merge) == [25.0]
    assert merge.unread == np.inf


def test_records_may_be_missing_of_a_child_of_a_shard_that_was_passed_by() -> None:
    """It is neither passed by nor has anything, and holds where its parent ended."""
    merge = merging("a", "b", after=10.0)
    push(merge, "a", 20.0, 400.0)
    merge.pass_by()
    assert out(merge) == [20.0]
    push(merge, "b", 50.0)
    merge.end("b")
    merge.open("child", after=merge.last("b"), parent="b")
    merge.settle("b")
    out(merge)
    assert (merge.watermark, merge.unread) == (400.0, 50.0)


def test_the_watermark_stays_near_a_shard_that_was_passed_by() -> None:
    """Also where nothing is written to the others, and they are proven idle for hours."""
    merge = merging("a", "b", after=10.0)
    for at in (12.0, 12.5, 13.0):
        merge.empty("a", at)
    assert merge.pass_by() == ["b"]
    for n in range(400):
        merge.empty("a", 14.0 + 20.0 * n)
    assert merge.shards["a"] > 7000.0
    assert (merge.watermark, merge.unread) == (10.0 + MOST_AHEAD_S, 10.0)


def test_a_lone_shard_waits_for_its_second_while_a_gap_is_read() -> None:
    """Or the end of a page would decide which of two copies of a sample comes first."""
    merge = Merge()
    merge.open("s")
    merge.open("gap", backfill=True)
    merge.listed()
    push(merge, "gap", 7.0, 9.0)
    push(merge, "s", 6.0, 7.0)
    assert out(merge) == [6.0]
    push(merge, "s", 7.0, 8.0)
    assert out(merge) == [7.0, 7.0, 7.0]


def test_a_gap_that_is_read_from_the_table_is_no_shard() -> None:
    """A shard beside it is alone: it keeps its sequence order."""
    merge = Merge()
    merge.open("s")
    merge.open("gap", backfill=True)
    merge.listed()
    samples = Samples.of([7.0, 5.0, 8.0], [0.0] * 3, [20.0] * 3, created=[7.0, 7.0, 8.0])
    merge.push("s", samples, np.array(["1", "2", "3"], object), full=False)
    push(merge, "gap", 9.0)
    released = merge.release()
    assert released is not None
    assert released.samples.ts.tolist() == [7.0, 5.0]


def test_an_ancestor_is_one_also_where_the_shards_between_were_read_before_a_restart() -> None:
    """A shard alone keeps its sequence order before and after (seed 17033)."""
    merge = Merge()
    merge.open("a")
    merge.open("d", parent="c")
    for shard, parent in (("b", "a"), ("c", "b")):
        merge.ancestry.note(shard, parent)  # they have ended, and are not read again
    merge.listed()
    merge.end("a")
    merge.settle("a")
    samples = Samples.of([7.0, 5.0, 8.0], [0.0] * 3, [20.0] * 3, created=[7.0, 7.0, 8.0])
    merge.push("d", samples, np.array(["1", "2", "3"], object), full=False)
    released = merge.release()
    assert released is not None
    assert released.samples.ts.tolist() == [7.0, 5.0, 8.0]
