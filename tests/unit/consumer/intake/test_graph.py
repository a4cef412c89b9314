"""Parents of shards, and when all children of one are known."""

from __future__ import annotations

from consumer.intake.graph import CHILDLESS_LISTINGS, ENDED_LISTINGS, ShardGraph
from consumer.stream.source import ShardNode, Topology


def listing(**parents: str | None) -> Topology:
    return Topology(tuple(ShardNode(shard, parent, False) for shard, parent in parents.items()))


def test_a_lineage_names_the_nearest_ancestor_first() -> None:
    """As far as they are known; a parent that was never opened is named too."""
    graph = ShardGraph()
    for shard, parent in (("b", "a"), ("c", "b"), ("d", None)):
        graph.add(shard, parent)
    assert graph.lineage("c") == ["c", "b", "a"]
    assert graph.lineage("d") == ["d"]
    assert graph.lineage("unknown") == ["unknown"]


def test_a_circle_of_parents_comes_to_an_end() -> None:
    """No stream should say so; a loop for ever would be worse."""
    graph = ShardGraph()
    graph.add("a", "b")
    graph.add("b", "a")
    assert graph.lineage("a") == ["a", "b"]


def test_an_ended_shard_with_a_child_is_complete_after_some_listings() -> None:
    """One may miss the second child of a split."""
    graph = ShardGraph()
    for _ in range(ENDED_LISTINGS):
        assert not graph.complete("a")
        graph.listed(listing(a=None, b="a"), ["a"])
    assert graph.complete("a")


def test_an_ended_shard_without_a_child_is_complete_after_more_listings() -> None:
    """A child that is named once, and missed afterwards, is waited for."""
    graph, seen = ShardGraph(), ShardGraph()
    seen.listed(listing(b="a"), ["a"])
    for _ in range(CHILDLESS_LISTINGS):
        assert not graph.complete("a")
        for each in (graph, seen):
            each.listed(listing(a=None), ["a"])
    assert (graph.complete("a"), seen.complete("a")) == (True, False)


def test_shards_that_have_not_ended_are_not_counted() -> None:
    """Nor is one that was closed counted on."""
    graph = ShardGraph()
    for _ in range(CHILDLESS_LISTINGS):
        graph.listed(listing(a=None, b=None), ["b"])
    assert (graph.complete("a"), graph.complete("b")) == (False, True)
    graph.close("b")
    assert not graph.complete("b")


def test_a_listing_tells_the_parent_of_a_shard_that_was_opened_without_one() -> None:
    """It was opened while the listing missed it. Shards that were not opened are not remembered."""
    graph = ShardGraph()
    graph.add("b", None)
    graph.listed(listing(b="a", c="b"), [])
    assert graph.lineage("b") == ["b", "a"]
    assert graph.lineage("c") == ["c"]
    graph.forget("b")
    assert graph.lineage("b") == ["b"]
