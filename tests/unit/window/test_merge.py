"""The merge, case by case: what holds it, what proves a shard idle, what is released (rules 5 and 7)."""

from __future__ import annotations

from dataclasses import replace
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from window.idle import LONG_PAGES
from window.merge import IDLE_SLACK_S, Merge
from window.samples import Kind, Samples


def page(*stamp: float, first: int = 1) -> tuple[Samples, np.ndarray]:
    """Records with these stamps (they are written as they are sampled), numbered from ``first``."""
    sequence = np.array([str(first + row) for row in range(len(stamp))], object)
    return Samples.of(stamp, [0.0] * len(stamp), [20.0] * len(stamp)), sequence


def push(merge: Merge, shard: str, *stamp: float, full: bool = False) -> None:
    merge.push(shard, *page(*stamp), full=full)


def push_of(merge: Merge, shard: str, *stamp: float, shard_code: int = 0) -> None:
    """As `push`, with the code of the shard."""
    samples, sequence = page(*stamp)
    merge.push(shard, replace(samples, shard=np.full(len(stamp), shard_code)), sequence, full=False)


def out(merge: Merge, **limits: float) -> list[float]:
    released = merge.release(**limits)
    return [] if released is None else released.stamp.tolist()


def merging(*shards: str, after: float = -np.inf) -> Merge:
    merge = Merge()
    for shard in shards:
        merge.open(shard, after=after)
    merge.listed()
    return merge


@settings(deadline=None, max_examples=100)
@given(st.lists(st.lists(st.floats(0, 9).map(round).map(float), min_size=1, max_size=6), min_size=2, max_size=5))
def test_where_every_lineage_has_something_what_none_can_add_to_is_released(waiting: list[list[float]]) -> None:
    """All below the lowest of the last stamps, in order: a second that may get more records waits."""
    merge = merging(*(f"s{k}" for k in range(len(waiting))))
    for k, stamp in enumerate(waiting):
        push(merge, f"s{k}", *sorted(stamp))
    lowest = min(map(max, waiting))
    assert out(merge) == sorted(stamp for each in waiting for stamp in each if stamp < lowest)


def test_a_lineage_that_is_alone_waits_for_nothing() -> None:
    """It keeps its sequence order, also where its times fall: nobody else can have what belongs between."""
    merge = merging("a")
    samples = Samples.of([7.0, 5.0, 6.0], [0.0] * 3, [20.0] * 3, created=[7.0, 7.0, 7.0])
    merge.push("a", samples, np.array(["1", "2", "3"], object), full=False)
    released = merge.release()
    assert released is not None
    assert released.samples.ts.tolist() == [7.0, 5.0, 6.0]


def test_rule_23_an_upload_over_several_shards_leaves_in_the_order_of_its_times() -> None:
    """Written within one second, in order: which shard a sample came through changes nothing. (These are late, so that
    they do not wait in `Reorder`.)"""
    merge = merging("a", "b")
    for shard, ts in (("b", [1.0, 4.0]), ("a", [2.0, 3.0, 5.0])):
        samples = Samples.of(ts, [0.0] * len(ts), [20.0] * len(ts), created=[600.0] * len(ts), kind=Kind.LATE)
        merge.push(shard, samples, np.array([str(each) for each in ts], object), full=False)
    assert out(merge) == []
    for shard in ("a", "b"):
        push(merge, shard, 601.0)
    released = merge.release()
    assert released is not None
    assert released.samples.ts.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_two_that_ended_in_one_second_do_not_wait_for_each_other() -> None:
    """A shard read to its end adds nothing: once its children are known, they hold in its place."""
    merge = merging("a", "b")
    for shard in ("a", "b"):
        push(merge, shard, 10.0)
        merge.end(shard)
    assert out(merge) == []
    for shard in ("a", "b"):
        merge.open(f"{shard}-child", after=merge.last(shard), parent=shard)
        merge.settle(shard)
    assert out(merge) == []
    push(merge, "a-child", 12.0)
    push(merge, "b-child", 12.0)
    assert out(merge) == [10.0, 10.0]
    assert merge.drained("a")


def test_nothing_is_released_before_the_first_complete_listing() -> None:
    """A shard that was not yet seen could hold it."""
    merge = Merge()
    merge.open("a")
    push(merge, "a", 1.0)
    assert out(merge) == []
    assert merge.watermark == -np.inf
    merge.listed()
    assert out(merge) == [1.0]


def test_a_lineage_that_has_delivered_nothing_holds_everything() -> None:
    """Until it delivers."""
    merge = merging("a", "b")
    push(merge, "a", 1.0, 2.0)
    assert out(merge) == []
    push(merge, "b", 1.5)
    assert out(merge) == [1.0]
    assert merge.watermark == 1.5


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("b", "a")])
def test_equal_times_leave_by_shard_id_whichever_was_read_first(first: str, second: str) -> None:
    """Records of one second and one ``ts``."""
    merge = merging("a", "b")
    codes = {"a": 0, "b": 1}
    for shard in (first, second):
        samples = Samples.of([2.0, 2.0], [0.0, 0.0], [20.0, 20.0], shard=codes[shard])
        merge.push(shard, samples, np.array([f"{shard}1", f"{shard}2"], object), full=False)
    for shard in (first, second):
        push(merge, shard, 3.0)
    released = merge.release()
    assert released is not None
    assert released.sequence.tolist() == ["a1", "a2", "b1", "b2"]


def test_idleness_is_proven_by_three_empty_pages_over_a_second() -> None:
    """Then the shard holds a slack behind the time of the last question, and one empty page moves it on."""
    merge = merging("a", "b", after=95.0)
    push(merge, "a", 96.0, 120.0)
    for asked_at in (100.0, 100.2, 100.4, 100.99):
        merge.empty("b", asked_at)
        assert out(merge) == []
    merge.empty("b", 101.0)
    assert merge.shards["b"] == floor(101.0 - IDLE_SLACK_S)
    assert out(merge) == [96.0]
    merge.empty("b", 104.0)
    assert merge.shards["b"] == floor(104.0 - IDLE_SLACK_S)


def test_empty_pages_from_before_a_failure_prove_nothing() -> None:
    """Reading failed for a while and began again: what was written meanwhile may lie behind any empty page."""
    merge = merging("a", "b", after=95.0)
    push(merge, "a", 120.0)
    for asked_at in (100.0, 100.5, 101.0):
        merge.empty("b", asked_at)
    assert merge.shards["b"] == floor(101.0 - IDLE_SLACK_S)
    merge.empty("b", 105.0, renewed=True)
    merge.empty("b", 105.5)
    assert merge.shards["b"] == floor(101.0 - IDLE_SLACK_S)
    assert out(merge) == []
    merge.empty("b", 106.0)
    assert merge.shards["b"] == floor(106.0 - IDLE_SLACK_S)


@pytest.mark.parametrize("asked_at", [(100.0, 105.0), (100.0, 100.5, 100.9)])
def test_two_pages_or_less_than_a_second_prove_nothing(asked_at: tuple[float, ...]) -> None:
    """During catch-up an empty page may come between full ones."""
    merge = merging("a", "b")
    push(merge, "a", 90.0)
    for at in asked_at:
        merge.empty("b", at)
    assert out(merge) == []


def test_short_of_the_tip_a_page_of_any_size_restarts_the_proof() -> None:
    """The three empty pages must follow one another: between records they are a sign of catching up."""
    merge = merging("a", "b")
    push(merge, "a", 90.0)
    merge.empty("b", 100.0)
    merge.empty("b", 100.6)
    push(merge, "b", 98.0)
    for at in (101.2, 101.8, 102.1):
        merge.empty("b", at)
        assert merge.shards["b"] == 98.0
    merge.empty("b", 102.2)
    assert merge.shards["b"] == floor(102.2 - IDLE_SLACK_S)


def test_a_full_page_ends_the_proof_of_idleness() -> None:
    """There may be more behind it: then three empty pages over a second are needed again."""
    merge = merging("a", "b")
    for at in (100.0, 100.5, 101.0):
        merge.empty("b", at)
    push(merge, "b", 102.0, full=True)
    push(merge, "a", 103.0)
    for at in (110.0, 110.5, 110.9):
        merge.empty("b", at)
        assert merge.shards["b"] == 102.0
    merge.empty("b", 111.0)
    assert merge.shards["b"] == floor(111.0 - IDLE_SLACK_S)


def test_at_the_tip_a_page_that_is_not_full_keeps_the_proof() -> None:
    """Later one empty page suffices."""
    merge = merging("b", after=95.0)
    for at in (100.0, 100.5, 101.0):
        merge.empty("b", at)
    push(merge, "b", 98.0)
    merge.empty("b", 105.0)
    assert merge.shards["b"] == floor(105.0 - IDLE_SLACK_S)


def test_after_a_pause_of_the_polls_idleness_is_proven_again() -> None:
    """One empty page suffices only while they keep coming: meanwhile a backlog may have gathered."""
    merge = merging("b", after=95.0)
    for at in (100.0, 100.5, 101.0):
        merge.empty("b", at)
    for n in range(LONG_PAGES - 1):
        merge.empty("b", 200.0 + n / 4)
        assert merge.shards["b"] == floor(101.0 - IDLE_SLACK_S)
    merge.empty("b", 210.0)
    assert merge.shards["b"] == floor(210.0 - IDLE_SLACK_S)


def test_an_ended_parent_holds_at_its_last_stamp_until_its_children_do() -> None:
    """No empty page moves it on, and its child begins where it stood."""
    merge = merging("parent", "other")
    push(merge, "parent", 9.0, 10.0)
    push(merge, "other", 11.0, 30.0)
    merge.end("parent")
    assert not merge.drained("parent")
    assert out(merge) == [9.0]
    for at in (100.0, 101.0, 102.0, 103.0):
        merge.empty("parent", at)
    assert out(merge) == []
    merge.open("child", after=merge.last("parent"), parent="parent")
    merge.settle("parent")
    assert (out(merge), merge.watermark) == ([], 10.0)
    push(merge, "child", 29.0)
    assert out(merge) == [10.0, 11.0]
    assert merge.drained("parent")
    merge.close("parent")
    assert set(merge.shards) == {"other", "child"}


def test_a_stamp_never_falls_from_parent_to_child() -> None:
    """A fast clock's stamp at the end of the parent is the least that the child starts with."""
    merge = merging("child", after=50.0)
    push(merge, "child", 20.0, 60.0)
    assert out(merge) == [50.0, 60.0]


def test_release_before_leaves_the_rest_for_later() -> None:
    """A deadline before the next record fires first; a record at the deadline itself waits."""
    merge = merging("a")
    push(merge, "a", 1.0, 2.0, 3.0, 3.5)
    assert out(merge, before=3.0) == [1.0, 2.0]
    assert (merge.buffered, merge.watermark) == (2, 3.0)
    assert out(merge, before=3.0) == []
    assert out(merge) == [3.0, 3.5]
    assert merge.buffered == 0


def test_the_watermark_is_the_lowest_stamp_that_may_still_leave() -> None:
    """What waits counts with its stamp, who has nothing with its hold."""
    merge = merging("a", "b")
    assert merge.watermark == -np.inf
    push(merge, "a", 5.0, 9.0)
    push(merge, "b", 7.0)
    assert merge.watermark == 5.0
    assert out(merge) == [5.0]
    assert merge.watermark == 7.0


def test_a_record_below_the_watermark_is_counted() -> None:
    """A broken promise of idleness is not passed over in silence."""
    merge = merging("a", "b", after=95.0)
    push(merge, "a", 96.0, 120.0)
    for at in (100.0, 100.5, 101.0):
        merge.empty("b", at)
    assert out(merge) == [96.0]
    assert merge.broken == 0
    push(merge, "b", 97.0, 98.0, 99.0, 100.0)
    assert merge.broken == 2
    assert (merge.watermark, out(merge)) == (floor(101.0 - IDLE_SLACK_S), [97.0, 98.0, 99.0])


def test_rows_of_every_kind_travel_with_their_sequence() -> None:
    """Also those that have no time."""
    merge = merging("a")
    samples = Samples.of(
        [np.nan, 2.0], [np.nan, 1.0], [np.nan, 20.0], created=[1.0, 2.0], kind=[Kind.MALFORMED, Kind.SAMPLE]
    )
    merge.push("a", samples, np.array(["10", "11"], object), full=False)
    released = merge.release()
    assert released is not None
    assert released.samples.kind.tolist() == [Kind.MALFORMED, Kind.SAMPLE]
    assert released.sequence.tolist() == ["10", "11"]
    assert len(released.take(slice(1, None))) == 1


def test_rule_24_a_proof_of_the_last_owner_counts_once_it_is_said() -> None:
    """It moves the hold, and makes the next claim short."""
    merge = merging("a", "b")
    push(merge, "a", 90.0, 120.0)
    assert merge.proof("b").until == merge.proof("nobody").until == -np.inf
    merge.proof("b").trust(100.0)
    merge.proof("nobody").trust(100.0)
    assert merge.shards["b"] == 100.0 - IDLE_SLACK_S
    assert out(merge) == [90.0]
    for asked_at in (105.0, 105.5, 106.0):
        merge.empty("b", asked_at)
    assert merge.proof("b").until == 106.0


def test_what_is_read_of_every_shard() -> None:
    """For aligned reading: ended shards no longer count, the slowest does."""
    merge = merging("a", "b", "c")
    push(merge, "a", 20.0)
    push(merge, "b", 15.0)
    push(merge, "c", 5.0)
    merge.end("c")
    assert merge.read_to() == {"a": 20.0, "b": 15.0}
    assert merge.slowest == 5.0
    assert Merge().slowest == np.inf
    assert merge.last("nobody") == -np.inf


def test_a_shard_without_records_that_is_closed_takes_nothing_of_another_with_it() -> None:
    """The first shard's sample waits in its device's heap. One of the second, closed, has no record to void."""
    merge = merging("a", "b", "c", after=90.0)
    samples = Samples.of([95.0, 90.0], [0.0] * 2, [20.0] * 2, created=[95.0, 95.0], shard=[0, 0])
    merge.push("a", samples, np.array(["1", "2"], object), full=False)
    push_of(merge, "a", 97.0)
    push_of(merge, "b", 96.0, shard_code=1)
    merge.end("c")
    merge.settle("c")
    assert out(merge) == []
    assert merge.buffered == 4
    merge.close("c")
    assert merge.buffered == 4
    push_of(merge, "a", 120.0)
    push_of(merge, "b", 120.0, shard_code=1)
    assert len(out(merge)) == 4
