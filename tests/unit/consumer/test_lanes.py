"""Which shard belongs to which lane."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from consumer.lanes import Lanes
from consumer.source import Failed, ShardEnded, ShardNode, ShardOpened, Topology


class Routed:
    """Lanes that note what they are given."""

    def __init__(self, *, one_lane: bool, left: dict[str, list[str]] | None = None) -> None:
        self.shards = left or {}
        self.given: dict[str, list[Any]] = {}
        self.lanes = Lanes(one_lane=one_lane, table=self._open("table"), open_lane=self._open, left=self.shards)

    def _open(self, name: str) -> Any:
        assert name not in self.given, "a lane is opened once"
        given = self.given[name] = []
        lane = SimpleNamespace(shards=self.shards.get(name, []), take=lambda event, now: given.append(event))
        return SimpleNamespace(lane=lane)


def opened(shard: str, parent: str | None = None) -> ShardOpened:
    return ShardOpened(shard, 0, parent)


def test_a_table_keyed_by_time_has_one_lane() -> None:
    """A device's samples are scattered over all its shards."""
    routed = Routed(one_lane=True)
    events = [opened("a"), opened("b"), opened("c", "a"), ShardEnded("b", 0)]
    for event in events:
        routed.lanes.take(event, 1.0)
    assert routed.given == {"table": events}


def test_a_table_keyed_by_device_has_a_lane_for_each_lineage() -> None:
    """A shard and its descendants, however deep; named by the first."""
    routed = Routed(one_lane=False)
    events = [opened("a"), opened("b"), ShardEnded("a", 0), opened("a1", "a"), opened("a2", "a"), opened("a11", "a1")]
    for event in events:
        routed.lanes.take(event, 1.0)
    assert set(routed.given) == {"table", "a", "b"}
    assert [event.shard for event in routed.given["a"]] == ["a", "a", "a1", "a2", "a11"]
    assert [event.shard for event in routed.given["b"]] == ["b"]
    assert len(list(routed.lanes)) == 3


def test_lanes_that_a_last_owner_left_go_on() -> None:
    """Their shards and those shards' children are theirs."""
    routed = Routed(one_lane=False, left={"a": ["a", "a1"]})
    for event in (opened("a1", "a"), opened("a2", "a"), opened("a12", "a1"), opened("x", "gone")):
        routed.lanes.take(event, 1.0)
    assert [event.shard for event in routed.given["a"]] == ["a1", "a2", "a12"]
    assert [event.shard for event in routed.given["x"]] == ["x"]


@pytest.mark.parametrize("event", [Topology((ShardNode("a", None, False),)), Failed(None, "no stream")])
def test_what_concerns_all_goes_to_all(event: Any) -> None:
    """A listing, or a fault of the whole stream."""
    routed = Routed(one_lane=False)
    for shard in ("a", "b"):
        routed.lanes.take(opened(shard), 1.0)
    routed.lanes.take(event, 1.0)
    assert [given[-1] for given in routed.given.values()] == [event] * 3
