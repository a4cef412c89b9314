"""What the head already stands for, reread by position alone (rule 1)."""

from __future__ import annotations

import numpy as np

from consumer.intake.reread import Reread
from consumer.state.head import ShardPosition
from window.merge import Released
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
    reread.advance(at(a="10", b="19", c=None))
    assert reread.shards == {"b", "c"}
    reread.drop(["c", "nobody"])
    reread.advance(at(b="20"))
    assert not reread
    assert reread.rows(records(shards, ("a", "1"))).tolist() == [False]


def test_windows_as_new_as_the_head_leave_nothing_to_read_again() -> None:
    """A stop in order."""
    assert not Reread(at(a="10"), at(a="10"), Names())
    assert Reread(at(a="10"), at(), Names())
