"""The table's samples against what was counted, minute by minute."""

from __future__ import annotations

import numpy as np
import pytest

from consumer.offline.verify import Difference, compare
from consumer.state.scored_minutes import Minute, digest

T = 1_784_937_600


def ts(*seconds: float) -> np.ndarray:
    """Times of the minute."""
    return np.array([T + each for each in seconds], float)


def row(*seconds: float) -> Minute:
    """What a lane that scored these has counted."""
    return Minute(len(seconds), digest(ts(*seconds)))


@pytest.mark.parametrize(
    "counted",
    [
        [row(1, 2, 3, 4)],
        [row(1, 2), row(3, 4)],
        [row(9), row(1, 2), row(3, 4)],
        [row(1, 2, 3), row(1, 2, 3, 4)],
    ],
    ids=["by one owner", "each its part", "some of another time", "again after a restart"],
)
def test_what_was_scored_as_a_whole_is_no_difference(counted: list[Minute]) -> None:
    """By one lane and owner, or by several that each had a part of it."""
    assert compare("a", T, ts(1, 2, 3, 4), counted) is True


@pytest.mark.parametrize("missing", [(2,), (2, 4), (1, 3.5)])
def test_one_or_two_missing_samples_are_named(missing: tuple[float, ...]) -> None:
    """By the difference of the digests."""
    there = [1, 2, 3, 3.5, 4, 5]
    found = compare("a", T, ts(*there), [row(*(each for each in there if each not in missing))])
    assert found == Difference("a", T, 6, 6 - len(missing), tuple(T + each for each in missing))


def test_one_may_be_missing_of_what_two_counted() -> None:
    """The sum of both lacks it."""
    assert compare("a", T, ts(1, 2, 3, 4), [row(1, 2), row(4)]) == Difference("a", T, 4, 3, (T + 3.0,))


def test_of_more_missing_samples_the_number_is_known() -> None:
    """And where nothing was scored, all are named."""
    assert compare("a", T, ts(1, 2, 3, 4), [row(1)]) == Difference("a", T, 4, 1, ())
    assert compare("a", T, ts(1, 2, 3), []) == Difference("a", T, 3, 0, (T + 1.0, T + 2.0, T + 3.0))


def test_as_many_but_others_is_a_difference() -> None:
    """One was removed from the table, another was never scored: only that something is wrong can be told."""
    assert compare("a", T, ts(1, 2, 3), [row(1, 2, 9)]) == Difference("a", T, 3, 3, ())


def test_a_table_that_has_lost_items_cannot_be_compared() -> None:
    """They expired, or somebody removed them."""
    assert compare("a", T, ts(1, 2), [row(1, 2, 3)]) is None
