"""A lease that moves while a lane works: what waited is dropped, nothing is counted twice, nothing waits for ever."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lane_rig import Record, Rig, T

from consumer.lane.lane import Lane
from consumer.stream.source import ShardBatch, ShardLost, ShardOpened
from scoring.bundle import Bundle

Make = Callable[..., Record]


def deliver(rig: Rig, epoch: int, records: list[Record]) -> None:
    """A page of the shard, in that epoch."""
    page = rig.decoder.page("s", records)
    rig.lane.take(ShardBatch("s", epoch, page.samples, page.sequence, page.rejects, asked_at=T, full=False), T)


def read(lane: Lane) -> int:
    """Records in the ledger."""
    return sum(counts["read"] for devices in lane.ledger.days.values() for counts in devices.values())


@pytest.mark.parametrize("lost", [True, False])
def test_records_that_left_the_merge_are_not_counted_twice(plain_bundle: Bundle, at: Make, lost: bool) -> None:
    """The room of a commit leaves released records waiting. The next epoch delivers them again, with or without a word
    that the old one is over."""
    rig = Rig(plain_bundle).open("s")
    records = [at(n, 9.0) for n in range(60)]
    deliver(rig, 0, records)
    rig.lane.step(T)
    assert 0 < read(rig.lane) < 60
    if lost:
        rig.lane.take(ShardLost("s", 0, "the lease moved"), T)
    rig.lane.take(ShardOpened("s", 1, None), T)
    deliver(rig, 1, records)
    rig.until_quiet()
    assert read(rig.lane) == 60
    assert rig.lane.ledger.imbalance() == 0


def test_records_of_a_lost_shard_are_another_readers(plain_bundle: Bundle, at: Make) -> None:
    """What was released and not processed is not processed any more."""
    rig = Rig(plain_bundle).open("s")
    deliver(rig, 0, [at(n, 9.0) for n in range(60)])
    rig.lane.step(T)
    before = read(rig.lane)
    rig.lane.take(ShardLost("s", 0, "the lease moved"), T)
    rig.until_quiet()
    assert read(rig.lane) == before


def test_a_lane_does_not_wait_to_read_a_lost_shard_again(plain_bundle: Bundle, at: Make) -> None:
    """While records are re-read it commits nothing but heartbeats: it would do so for ever."""
    rig = Rig(plain_bundle).open("s")
    deliver(rig, 0, [at(n) for n in range(3)])
    rig.turn()
    after = rig.successor(snapshot=False).open("s")
    assert after.lane.recovering
    after.lane.take(ShardLost("s", 0, "the lease moved"), T)
    after.until_quiet()
    assert not after.lane.recovering


def test_a_bad_record_of_an_epoch_that_is_over_leaves_nothing_behind(plain_bundle: Bundle, at: Make) -> None:
    """Its page is void."""
    rig = Rig(plain_bundle).open("s")
    bad = at(1)
    del bad["dynamodb"]["NewImage"]["current"]
    for epoch in range(5, 9):
        deliver(rig, epoch, [bad])
    assert rig.lane._parts.quarantine._rejects == {}
