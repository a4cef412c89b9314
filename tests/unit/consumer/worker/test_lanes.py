"""Which shard belongs to which lane."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from consumer.stream.source import Failed, ShardEnded, ShardNode, ShardOpened, Topology
from consumer.worker.lanes import Lanes


class Routed:
    """Lanes that note what they are given."""

    def __init__(self, *, one_lane: bool, left: dict[str, list[str]] | None = None) -> None:
        self.shards = left or {}
        self.given: dict[str, list[Any]] = {}
        self.lanes = Lanes(one_lane=one_lane, table=self._open("table"), open_lane=self._open, left=self.shards)

    def _open(self, name: str) -> Any:
        assert name not in self.given, "a lane is opened once"
        given = self.given[name] = []
        lane = SimpleNamespace(
            name=name,
            shards=self.shards.get(name, []),
            take=lambda event, now: given.append(event),
            recovery=SimpleNamespace(
                fill=lambda samples, *, own: given.append((samples, own)),
                awaits_fill=False,
                restore_context=lambda: None,
            ),
            custody=SimpleNamespace(owned=set()),
        )
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


def test_the_lane_that_only_says_who_owns_the_table_reads_nothing() -> None:
    """It would pass for one that lags for ever. While there is no other it stands for them: no shard at all is a fault
    that must be seen."""
    routed = Routed(one_lane=False)
    assert [owned.lane.name for owned in routed.lanes.reading] == ["table"]
    routed.lanes.take(opened("a"), 1.0)
    routed.lanes.take(opened("b"), 1.0)
    assert [owned.lane.name for owned in routed.lanes.reading] == ["a", "b"]
    single = Routed(one_lane=True)
    single.lanes.take(opened("a"), 1.0)
    assert [owned.lane.name for owned in single.lanes.reading] == ["table"]


@pytest.mark.parametrize("one_lane", [True, False])
def test_the_first_windows_are_filled_once(one_lane: bool) -> None:
    """All lanes share them, and wait for them. A device is kept by one lane: two that kept the same could not be opened
    again."""
    routed = Routed(one_lane=one_lane)
    samples: Any = "samples"
    routed.lanes.take(opened("a"), 1.0)
    routed.lanes.await_fill()
    assert all(owned.lane.recovery.awaits_fill for owned in routed.lanes)
    before = {name: len(given) for name, given in routed.given.items()}
    routed.lanes.fill(samples)
    filled = {name: given[before[name] :] for name, given in routed.given.items()}
    assert filled.pop("table") == [("samples", one_lane)]
    assert not any(filled.values())
    assert not any(owned.lane.recovery.awaits_fill for owned in routed.lanes)
