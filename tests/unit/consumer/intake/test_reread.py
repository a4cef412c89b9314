"""What the head already stands for, reread by position alone (rule 1)."""

from __future__ import annotations

import numpy as np

from consumer.intake.reread import Reread
from consumer.state.head import ShardPosition
from window.released import Released
from window.samples import Names, Samples


def at(**sequences: str | None) -> dict[str, ShardPosition]:
    return {shard: ShardPosition(sequence=sequence) for shard, sequence in sequences.items()}


def records(shards: Names, *rows: tuple[str, str]) -> Released:
    n = [0.0] * len(rows)
    samples = Samples.of(n, n, n, shard=[shards.code(shard) for shard, _ in rows])
    return Released(samples, samples.ts, np.array([sequence for _, sequence in rows], object))


def test_records_up_to_the_heads_positions_were_reread() -> None:
    """Numbers compare as numbers, however long they are; a shard the head does not know has reread nothing."""
    shards = Names()
    reread = Reread(at(a="1000000000000000000000001", b="99"), at(a="1", b="1"), shards)
    rows = [
        ("a", "1000000000000000000000000"),
        ("a", "1000000000000000000000001"),
        ("a", "1000000000000000000000002"),
        ("b", "100"),
        ("b", "99"),
        ("c", "1"),
    ]
    assert reread.rows(records(shards, *rows)).tolist() == [True, True, False, False, True, False]


def test_it_is_over_when_every_shard_was_read_again() -> None:
    """Or cannot be any more."""
    shards = Names()
    reread = Reread(at(a="10", b="20", c="30", d=None), at(), shards)
    assert reread
    assert reread.shards == {"a", "b", "c"}
    reread.advance(at(a="10", b="19", c=None), records(shards))
    assert reread.shards == {"b", "c"}
    reread.drop(["c", "nobody"])
    reread.advance(at(b="20"), records(shards))
    assert not reread
    assert reread.rows(records(shards, ("a", "1"))).tolist() == [False]


def test_windows_as_new_as_the_head_leave_nothing_to_read_again() -> None:
    """A stop in order."""
    assert not Reread(at(a="10"), at(a="10"), Names())
    assert Reread(at(a="10"), at(), Names())


def test_rule_23_what_was_committed_behind_a_position_is_read_again_too() -> None:
    """Each of them once, and what waits between them is new."""
    shards = Names()
    head = {"a": ShardPosition(sequence="10", after="11: w1 d2 w1 d1")}
    reread = Reread(head, at(a="9"), shards)
    sequence = np.array(["10", "11", "12", "13", "14", "15", "16"], object)
    reread.deliver("a", sequence, np.zeros(7, bool))
    delivered = records(shards, *(("a", each) for each in sequence))
    assert reread.rows(delivered).tolist() == [True, False, True, True, False, True, False]
    reread.advance(at(a="11"), delivered.take(slice(0, 4)))
    assert reread.shards == {"a"}
    reread.advance(at(a="13"), delivered.take(slice(4, 6)))
    assert not reread


def test_rule_23_what_the_windows_have_too_is_not_read_again() -> None:
    """It is known already, and nothing waits for it."""
    shards = Names()
    head = {"a": ShardPosition(sequence="10", after="d1 w1 d1")}
    assert not Reread(head, dict(head), shards)
    reread = Reread(head, {"a": ShardPosition(sequence="10", after="d1")}, shards)
    reread.deliver("a", np.array(["11", "12"], object), np.array([True, False]))
    assert reread
    reread.deliver("a", np.array(["13"], object), np.array([False]))
    assert reread.rows(records(shards, ("a", "11"), ("a", "12"), ("a", "13"))).tolist() == [False, False, True]
    reread.advance(at(a="11"), records(shards, ("a", "13")))
    assert not reread
