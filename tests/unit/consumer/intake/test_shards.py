"""The shards of a lane: what is kept of them, and what may be read of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from consumer.intake.shards import CHILDLESS_LISTINGS, ENDED_LISTINGS, FORGET_S, Shards
from consumer.state.head import Head, ShardPosition
from consumer.state.snapshot import Snapshot
from consumer.stream.records import Decoder
from consumer.stream.source import ShardBatch, ShardEnded, ShardNode, ShardOpened, Topology
from window.merge import Released
from window.samples import Names

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
        known.end(now + 3600.0)
        kept = int(FORGET_S / 4 / 3600.0) + 2
        sizes = {field: len(value) for field, value in vars(known).items() if hasattr(value, "__len__")}
        assert max(sizes.values()) <= kept, sizes
        assert len(known.merge.shards) <= 2
    assert known.epoch(names[0]) is None
    assert known.epoch(names[-1]) == 0


def test_a_shard_goes_on_holding_until_its_children_were_listed_and_is_then_not_counted_any_more() -> None:
    """Listings are consistent only eventually."""
    known = shards()
    known.take(ShardOpened("s", 0, None), T)
    known.take(ShardEnded("s", 0), T)
    known.end(T)
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
    first.end(T)
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
    known.declare_gap(T - 30.0, "trimmed", T)
    assert set(known.grants(idle=True)) == {"s"}


def test_what_was_read_of_a_gap_takes_no_credit(decoder: Decoder) -> None:
    """Nor does it leave any behind."""
    names = Names()
    known = Shards.restore(Head(lane="table", owner="me", bundle="b"), None, names)
    known.take(Topology(()), T)
    known.declare_gap(T, "trimmed", T)
    (gap,) = known.gaps.open
    items = [{"ts": {"N": str(T + 1)}, "current": {"N": "2"}, "temperature": {"N": "25"}}]
    found = Decoder(table="t", device_key="device", devices=Names(), shards=names).items(gap.name, items)
    known.move_past(Released(found.samples, found.samples.ts, found.sequence))
    known.cut()
    assert [len(kept) for kept in vars(known._credit).values()] == [0, 0, 0]
