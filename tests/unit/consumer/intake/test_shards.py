"""The shards of a lane: what is kept of them, and what may be read of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from consumer.intake.credit import Credit
from consumer.intake.graph import CHILDLESS_LISTINGS, ENDED_LISTINGS
from consumer.intake.shards import FORGET_S, Shards
from consumer.state.head import Head, ShardPosition
from consumer.state.snapshot import Snapshot
from consumer.stream.records import Decoder
from consumer.stream.source import ShardBatch, ShardEnded, ShardLost, ShardNode, ShardOpened, Topology
from window.samples import Kind, Names, Samples

T = 1_784_989_500.0


def shards() -> Shards:
    """Of a first start."""
    return Shards.restore(Head(lane="table", owner="me", bundle="b"), None, Names())


def begun(positions: Mapping[str, ShardPosition]) -> Shards:
    """Of a restart, head and windows at these positions."""
    kept = {shard: at.model_copy() for shard, at in positions.items()}
    head = Head(lane="table", owner="me", bundle="b", positions=kept)
    return Shards.restore(head, Snapshot(0, kept, {}, {}), Names())


def test_shards_that_the_stream_has_forgotten_are_forgotten() -> None:
    """A stream rolls over every few hours, for ever: of each shard nothing is left once it is no longer listed."""
    known = shards()
    names = [f"s{n}" for n in range(40)]
    for n, name in enumerate(names):
        now = T + n * 4 * 3600.0
        known.take(ShardOpened(name, 0, names[n - 1] if n else None), now)
        listed = [ShardNode(one, None, one != name) for one in names[max(0, n - 6) : n + 1]]
        for _ in range(CHILDLESS_LISTINGS):
            known.take(Topology(tuple(listed)), now)
        known.take(ShardEnded(name, 0), now + 3600.0)
        known.close_drained(now + 3600.0)
        kept = int(FORGET_S / 4 / 3600.0) + 2
        sizes = {field: len(value) for field, value in vars(known).items() if hasattr(value, "__len__")}
        assert max(sizes.values()) <= kept, sizes
        assert len(known.merge.shards) <= 2
        assert len(known.merge.ancestry.of(name)) <= kept
    assert known.epoch(names[0]) is None
    assert known.epoch(names[-1]) == 0


def test_after_a_restart_shards_that_were_read_to_their_end_are_ancestors_still() -> None:
    """By them a shard is alone, and keeps its sequence order as it did before (seed 17033)."""
    known = begun({"a": ShardPosition(), "b": ShardPosition(ended=True), "c": ShardPosition(ended=True)})
    known.take(ShardOpened("a", 1, None), T)
    known.take(ShardOpened("d", 1, "c"), T)
    parents = {"a": None, "b": "a", "c": "b", "d": "c", "e": "d"}
    known.take(Topology(tuple(ShardNode(name, parent, True) for name, parent in parents.items())), T)
    assert known.merge.ancestry.of("d") == ["d", "c", "b", "a"]
    assert known.merge.ancestry.of("e") == ["e"]


def test_a_shard_goes_on_holding_until_its_children_were_listed_and_is_then_not_counted_any_more() -> None:
    """Listings are consistent only eventually."""
    known = shards()
    known.take(ShardOpened("s", 0, None), T)
    known.take(ShardEnded("s", 0), T)
    known.close_drained(T)
    listing = Topology((ShardNode("s", None, True), ShardNode("t", "s", False)))
    for _ in range(ENDED_LISTINGS):
        assert "s" in known.merge.shards
        known.take(listing, T)
    assert "s" not in known.merge.shards
    assert known.known == ["s"]


def test_a_lineage_keeps_its_stamp_over_a_shard_that_had_no_record_and_a_restart() -> None:
    """Stamps never fall within it (rule 3): the grandchild's begin where the last record was."""
    first = begun({"parent": ShardPosition(sequence="1", stamp=T, ended=True)})
    first.take(ShardOpened("child", 0, "parent"), T)
    first.take(ShardEnded("child", 0), T)
    first.close_drained(T)
    second = begun(first.positions)
    for known in (first, second):
        known.take(ShardOpened("grandchild", 1, "child"), T)
        assert known.merge.last("grandchild") == T


def test_a_gap_that_is_being_read_is_no_shard_to_give_credit_to(
    decoder: Decoder, record: Callable[..., dict[str, Any]]
) -> None:
    """Its lineage comes from the table, and nobody reads it by pages."""
    known = shards()
    known.take(ShardOpened("s", 3, None), T)
    known.take(Topology((ShardNode("s", None, False),)), T)
    page = decoder.page("s", [record(1, ts=T, created=T)])
    known.take(ShardBatch("s", 3, page.samples, page.sequence, page.rejects, T, full=False), T)
    known.losses.declare(T - 30.0, "trimmed", T, None, None)
    assert set(known.grants(idle=True)) == {"s"}


def test_what_was_read_of_a_gap_takes_no_credit(decoder: Decoder) -> None:
    """Nor does it leave any behind."""
    names = Names()
    known = Shards.restore(Head(lane="table", owner="me", bundle="b"), None, names)
    known.take(Topology(()), T)
    known.losses.declare(T, "trimmed", T, None, None)
    (gap,) = known.gaps.open
    items = [{"ts": {"N": str(T + 1)}, "current": {"N": "2"}, "temperature": {"N": "25"}}]
    found = Decoder(table="t", device_key="device", devices=Names(), shards=names).items(gap.name, items)
    known.take_items(gap, found)
    released = known.merge.release()
    assert released is not None
    known.move_past(released)
    known.cut()
    assert [len(kept) for kept in vars(known._credit).values()] == [0, 0, 0]


def page(shard: str, epoch: int, names: Names, *rows: int) -> ShardBatch:
    """Samples at these seconds; their sequence numbers are the seconds too."""
    count = len(rows)
    samples = Samples(
        ts=np.array(rows, float),
        current_a=np.full(count, 2.5),
        temperature_c=np.full(count, 25.0),
        created=np.array(rows, float),
        device=np.zeros(count, np.int32),
        shard=np.full(count, names.code(shard), np.int32),
        kind=np.full(count, Kind.SAMPLE, np.int8),
    )
    return ShardBatch(shard, epoch, samples, np.array([str(row) for row in rows], object), {}, 100.0, False)


def reading() -> tuple[Shards, Names]:
    """A shard that is read in epoch 1, of which the first two records were processed and two wait."""
    names = Names()
    shards = Shards(names)
    shards.take(ShardOpened("a", 1, None), 0.0)
    shards.take(Topology((ShardNode("a", None, False),)), 0.0)
    shards.take(page("a", 1, names, 1, 2, 3, 4), 0.0)
    released = shards.merge.release(before=3.0)
    assert released is not None
    shards.move_past(released)
    return shards, names


def waiting(shards: Shards) -> list[str]:
    """The records that wait in the merge."""
    released = shards.merge.release()
    return [] if released is None else [str(sequence) for sequence in released.sequence]


def test_events_of_an_epoch_that_is_over_are_void() -> None:
    """A page that was on its way when the lease moved must not be counted twice."""
    shards, names = reading()
    shards.take(ShardOpened("a", 2, None), 0.0)
    shards.take(page("a", 1, names, 5), 0.0)
    shards.take(ShardEnded("a", 1), 0.0)
    assert waiting(shards) == []
    assert shards.epoch("a") == 2
    shards.take(ShardOpened("a", 1, None), 0.0)
    assert shards.epoch("a") == 2


def test_a_shard_that_is_opened_again_starts_afresh() -> None:
    """What waited is void, and what was processed is not taken again: the source begins where it was acknowledged."""
    shards, names = reading()
    shards.take(ShardOpened("a", 2, None), 0.0)
    shards.take(page("a", 2, names, 1, 2, 3), 0.0)
    shards.take(page("a", 2, names, 4, 5), 0.0)
    assert waiting(shards) == ["3", "4", "5"]


def test_a_lease_that_moved_is_no_gap() -> None:
    """Another reader delivers what waited here: nothing is missing, and nothing holds the lane any more."""
    shards, names = reading()
    assert shards.take(ShardLost("a", 1, "another worker has the lease"), 100.0) == []
    assert (shards.gaps.open, dict(shards.merge.shards), waiting(shards)) == ([], {}, [])
    assert shards.positions["a"].sequence == "2"
    assert shards.epoch("a") is None
    shards.take(page("a", 1, names, 5), 0.0)
    assert waiting(shards) == []
    shards.take(ShardOpened("a", 1, None), 0.0)  # older news
    assert shards.epoch("a") is None
    shards.take(ShardOpened("a", 2, None), 0.0)
    shards.take(page("a", 2, names, 2, 3), 0.0)
    assert waiting(shards) == ["3"]


def test_credit_of_what_is_void_is_given_back() -> None:
    """Else a shard that comes back again and again would be read more and more slowly."""
    shards, names = reading()
    shards.cut()
    shards.grants(idle=True)
    full = Credit().grants({"a": 0.0}, {"a": 0.0}, idle=True)["a"]
    for epoch in range(2, 50):
        shards.take(ShardOpened("a", epoch, None), 0.0)
        assert shards.grants(idle=True) == {"a": (epoch, full)}
        shards.take(page("a", epoch, names, 3, 4), 0.0)


@pytest.mark.parametrize("first", [(), (102,)])
def test_after_a_failure_one_empty_page_proves_nothing(first: tuple[int, ...]) -> None:
    """Whether the first page has records or none: more of what was written meanwhile may lie behind the next one."""
    names = Names()
    shards = Shards(names)
    shards.take(ShardOpened("a", 1, None, since=95.0), 0.0)
    shards.take(Topology((ShardNode("a", None, False),)), 0.0)
    for asked_at in (100.0, 100.5, 101.0):
        shards.take(replace(page("a", 1, names), asked_at=asked_at), 0.0)
    held = shards.merge.shards["a"]
    shards.take(replace(page("a", 1, names, *first), asked_at=105.0, renewed=True), 0.0)
    shards.take(replace(page("a", 1, names), asked_at=105.5), 0.0)
    assert shards.merge.shards["a"] <= max(held, *first, 0)
    shards.take(replace(page("a", 1, names), asked_at=106.0), 0.0)
    shards.take(replace(page("a", 1, names), asked_at=106.5), 0.0)
    assert shards.merge.shards["a"] > 103.0


def test_rule_24_a_child_inherits_the_proof_of_its_parent() -> None:
    """What it claims is short, though it never had a record: three empty pages over a second are enough for it."""
    names = Names()
    shards = Shards(names)
    shards.take(ShardOpened("a", 1, None, since=95.0), 0.0)
    shards.take(Topology((ShardNode("a", None, False),)), 0.0)
    for asked_at in (100.0, 100.5, 101.0):
        shards.take(replace(page("a", 1, names), asked_at=asked_at), 0.0)
    shards.take(ShardEnded("a", 1), 0.0)
    shards.take(ShardOpened("b", 1, "a"), 0.0)
    assert shards.merge.proof("b").until == 101.0
    for asked_at in (105.0, 105.5, 106.0):
        shards.take(replace(page("b", 1, names), asked_at=asked_at), 0.0)
    assert shards.merge.proof("b").until == 106.0
