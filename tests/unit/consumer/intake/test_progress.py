"""How far a shard is processed, when its records are not processed in their sequence (rule 23)."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.intake.progress import COMPACT, Progress
from consumer.state.head import ShardPosition

FIRST = 4200


def numbered(*rows: int) -> np.ndarray:
    """The sequence numbers of these records: sparse, as in AWS, and long."""
    return np.array([str((FIRST + row) * 10**18 + 7 * row) for row in rows], object)


def deliver(progress: Progress, *rows: int) -> list[bool]:
    """Deliver these records; which of them are known as processed."""
    sequence = numbered(*rows)
    known = progress.expect(sequence)
    progress.deliver(sequence, np.array([1000.0 + row for row in rows]), known)
    return [bool(each) for each in known]


def begun(after: str = "", row: int | None = None) -> Progress:
    """A shard that was processed up to a record."""
    stamp = None if row is None else 1000.0 + row
    return Progress(ShardPosition(sequence=None if row is None else str(numbered(row)[0]), stamp=stamp, after=after))


def test_records_in_their_sequence_move_the_position_and_need_no_word() -> None:
    """The common case."""
    progress = begun()
    deliver(progress, 0, 1, 2)
    progress.process(numbered(0, 1))
    assert (progress.sequence, progress.stamp, progress.after) == (numbered(1)[0], 1001.0, "")
    progress.process(numbered(2))
    assert (progress.sequence, progress.after) == (numbered(2)[0], "")


def test_rule_23_the_position_stays_before_the_first_record_that_waits() -> None:
    """What is processed behind it stands beside it, and is closed up when the gap is."""
    progress = begun(row=0)
    deliver(progress, 1, 2, 3, 4, 5)
    progress.process(numbered(2, 4))
    assert (progress.sequence, progress.after) == (numbered(0)[0], f"{numbered(1)[0]}: w1 d1 w1 d1")
    progress.process(numbered(1))
    assert (progress.sequence, progress.stamp, progress.after) == (numbered(2)[0], 1002.0, f"{numbered(3)[0]}: w1 d1")
    progress.process(numbered(5, 3))
    assert (progress.sequence, progress.after) == (numbered(5)[0], "")


def test_rule_23_a_successor_knows_the_records_that_are_delivered_to_it_again() -> None:
    """In pages of any size."""
    after = f"{numbered(1)[0]}: w1 d2 w1 d1"
    for size in (1, 2, 3, 7):
        progress = begun(after, row=0)
        known = [each for row in range(1, 8, size) for each in deliver(progress, *range(row, min(row + size, 8)))]
        assert known == [False, True, True, False, True, False, False]
        assert progress.told
        progress.process(numbered(1))
        assert progress.sequence == numbered(3)[0]


def test_a_record_that_was_written_before_the_first_one_is_new() -> None:
    """A shard that began at its tip is read from a whole second on after a restart: a little more may come."""
    progress = begun(f"{numbered(3)[0]}: w1 d1")
    assert deliver(progress, 1, 2, 3, 4) == [False, False, False, True]


@pytest.mark.parametrize("delivered", [0, 1, 2, 3])
def test_what_was_not_delivered_again_yet_is_still_said(delivered: int) -> None:
    """The next owner may stop before it has read so far."""
    after = f"{numbered(1)[0]}: w2 d2"
    progress = begun(after, row=0)
    if delivered:
        deliver(progress, *range(1, 1 + delivered))
    again = begun(progress.after, row=0)
    assert deliver(again, 1, 2, 3, 4, 5) == [False, False, True, True, False]


def test_where_all_that_was_delivered_is_processed_the_rest_is_said_from_the_position_on() -> None:
    """The number of the next record is not known then."""
    progress = begun(f"{numbered(1)[0]}: w2 d1 w1 d1", row=0)
    deliver(progress, 1, 2, 3)
    progress.process(numbered(1, 2))
    assert (progress.sequence, progress.after) == (numbered(3)[0], "w1 d1")
    assert deliver(begun(progress.after, row=3), 4, 5, 6) == [False, True, False]


def test_a_record_from_before_a_trim_moves_nothing() -> None:
    """Nobody can read behind it."""
    progress = begun()
    deliver(progress, 5)
    progress.process(numbered(1))
    assert (progress.sequence, progress.after) == (None, "")


def test_what_is_kept_of_a_long_reading_stays_small() -> None:
    """Also while one record waits all the time behind those that are processed."""
    progress = begun()
    for row in range(3 * COMPACT):
        deliver(progress, row)
        if row:
            progress.process(numbered(row - 1))
    assert len(progress._sequences) <= COMPACT + 1
    assert progress.sequence == numbered(3 * COMPACT - 2)[0]


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 2**32), st.integers(1, 25))
def test_rule_23_any_order_with_any_restarts_processes_each_record_once(seed: int, count: int) -> None:
    """Whatever was processed when the worker died: the next one knows exactly what is left."""
    rng = Random(seed)
    done: set[int] = set()
    stored = ShardPosition()
    names = numbered(*range(count)).tolist()
    while len(done) < count:
        progress = Progress(stored)
        waiting: list[int] = []
        at = 0 if stored.sequence is None else names.index(stored.sequence) + 1
        for _ in range(rng.randint(1, 6)):
            size = min(rng.randint(0, 9), count - at)
            if size:
                known = deliver(progress, *range(at, at + size))
                assert known == [row in done for row in range(at, at + size)]
                waiting += [row for row in range(at, at + size) if row not in done]
                at += size
            if waiting:
                row = waiting.pop(rng.randrange(len(waiting)))
                progress.process(numbered(row))
                done.add(row)
        stored = progress.position(stored)
    last = Progress(stored)
    deliver(last, *range(0 if stored.sequence is None else names.index(stored.sequence) + 1, count))
    assert (last.sequence, last.after) == (names[-1], "")
