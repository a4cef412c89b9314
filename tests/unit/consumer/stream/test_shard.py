"""What a shard remembers of the answers that it got."""

from __future__ import annotations

from consumer.stream.shard import ENDS, MORE_ENDS, Shard
from consumer.stream.source import Position


def ended(*, pages: int, ends: int) -> Shard:
    """A shard that had no next iterator so often, each time after so many empty pages."""
    shard = Shard("s", 0, Position(None), "TRIM_HORIZON")
    for _ in range(ends):
        for _ in range(pages):
            shard.answered(moved=False)
        shard.end(0.0, moved=False)
    return shard


def test_rule_25_three_ends_in_a_row_may_be_one() -> None:
    """A page or two may come before each: the end of a closed shard can be told by an empty page behind it."""
    for pages in (0, 1, 3):
        assert not ended(pages=pages, ends=ENDS - 1).may_be_over
        assert ended(pages=pages, ends=ENDS).may_be_over


def test_rule_25_ends_with_many_empty_pages_between_them_are_doubted_longer() -> None:
    """Records may lie behind those pages. Three such ends, all false, were believed (long seed 266)."""
    assert not ended(pages=10, ends=MORE_ENDS - 1).may_be_over
    assert ended(pages=10, ends=MORE_ENDS).may_be_over


def test_rule_25_a_record_takes_all_ends_back() -> None:
    """What was said before it was not true."""
    shard = ended(pages=10, ends=MORE_ENDS)
    shard.answered(moved=True)
    assert not shard.may_be_over
    for _ in range(ENDS):
        assert not shard.may_be_over
        shard.end(0.0, moved=False)
    assert shard.may_be_over
