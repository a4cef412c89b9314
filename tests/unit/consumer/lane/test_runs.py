"""How far the lane may go: the order of the shards, and what holds it."""

from __future__ import annotations

from collections.abc import Callable

from lane_rig import Record, Rig, T

from consumer.stream.source import ShardEnded, ShardNode, ShardOpened, Topology
from scoring.bundle import Bundle
from window.merge import IDLE_SLACK_S


def test_shards_are_merged_by_time_whichever_is_read_first(plain_bundle: Bundle, at: Callable[..., Record]) -> None:
    """Nothing leaves while another shard could still bring something earlier."""
    rig = Rig(plain_bundle).open("a", "b")
    rig.batch("b", at(2, 9.0), at(4, 9.0), at(6, 9.0)).turn()
    assert rig.told == []
    rig.batch("a", at(1, 9.0), at(5, 9.0)).turn()
    rig.idle("a", "b", at=T + 7 + IDLE_SLACK_S).until_quiet(T + 20)
    assert [ts - T for _, ts, _ in rig.told] == [1, 2, 4, 5, 6]


def test_nothing_is_processed_before_all_shards_are_listed(plain_bundle: Bundle, at: Callable[..., Record]) -> None:
    """One that was not seen yet could hold everything."""
    rig = Rig(plain_bundle)
    rig.lane.take(ShardOpened("s", 0, None), T)
    rig.batch("s", at(0, 9.0)).turn()
    assert rig.told == []
    assert not rig.lane.watching
    rig.open("s").turn()
    assert len(rig.told) == 1
    assert rig.lane.watching


def test_a_child_goes_on_where_its_parent_ended(rig: Rig, at: Callable[..., Record]) -> None:
    """The parent's end is in the head once all of it is processed."""
    rig.batch("s", at(0, 9.0), at(200, 9.0)).turn()
    rig.lane.take(ShardEnded("s", 0), T)
    rig.lane.take(ShardOpened("t", 0, "s"), T)
    rig.batch("t", at(201, 9.0))
    for _ in range(5):  # listings, so that other children would have been named by then
        rig.turn()
        rig.lane.take(Topology((ShardNode("s", None, True), ShardNode("t", "s", False))), T)
    rig.until_quiet(T + 10)
    assert [ts - T for _, ts, _ in rig.told] == [0, 200, 201]
    assert rig.head.positions["s"].ended
    assert (rig.head.positions["t"].sequence, rig.head.positions["t"].ended) == ("3010", False)


def test_a_shard_that_cannot_be_read_is_reported_as_lag(plain_bundle: Bundle, at: Callable[..., Record]) -> None:
    """In a catch-up nothing is forced: the lane holds, says so, and says when it goes on."""
    rig = Rig(plain_bundle).open("a", "b").batch("a", at(0), at(1)).batch("b", at(5))
    for second in range(3600, 3700, 5):
        rig.turn(T + second)
    assert rig.notices == [("health.lagging", "device4", "opened")]
    assert rig.lane.lagging
    rig.batch("a", at(20)).turn(T + 3701.0)
    rig.turn(T + 3706.0)
    assert rig.notices[1:] == [("health.lagging", "device4", "closed")]
    assert rig.head.forced == 0


def test_a_lane_without_shards_waits_for_none(plain_bundle: Bundle) -> None:
    """In a table keyed by device the table's own lane only says who owns it."""
    rig = Rig(plain_bundle).open()
    for second in range(0, 300, 30):
        rig.turn(T + second)
    assert (rig.notices, rig.lane.lagging) == ([], False)
