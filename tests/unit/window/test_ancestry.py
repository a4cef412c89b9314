"""Which shards come from which."""

from __future__ import annotations

from window.ancestry import Ancestry


def test_the_ancestors_of_a_shard_nearest_first() -> None:
    """Also of one whose parent is noted after it."""
    ancestry = Ancestry()
    for shard, parent in (("c", "b"), ("b", "a"), ("a", None), ("d", None)):
        ancestry.note(shard, parent)
    assert [ancestry.of(shard) for shard in "cad"] == [["c", "b", "a"], ["a"], ["d"]]


def test_a_listing_without_the_parent_does_not_take_it_back() -> None:
    """A parent that the stream does not list any more is left out."""
    ancestry = Ancestry()
    ancestry.note("b", "a")
    ancestry.note("b", None)
    assert ancestry.of("b") == ["b", "a"]
    ancestry.forget("b")
    assert ancestry.of("b") == ["b"]


def test_a_circle_ends() -> None:
    """No stream has one, and a wrong answer must not hang the worker."""
    ancestry = Ancestry()
    ancestry.note("a", "b")
    ancestry.note("b", "a")
    assert ancestry.of("a") == ["a", "b"]
