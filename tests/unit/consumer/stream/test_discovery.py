"""Finding shards, where no single listing can be relied on."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from consumer.intake.graph import ENDED_LISTINGS as ENDED_SHARD_LISTINGS
from consumer.stream.client import IteratorType, Listing, Page
from consumer.stream.discovery import (
    AGREEING,
    DISCOVER_S,
    EAGER_LISTINGS,
    EAGER_S,
    ENDED_LISTINGS,
    LATER_ORPHAN_LISTINGS,
    ORPHAN_LISTINGS,
    ORPHAN_S,
    Discovered,
    Discovery,
    Start,
    StartPoint,
)
from consumer.stream.service_time import ServiceTime
from consumer.stream.source import Position, ShardNode

NOW = 1000.0
A, B, CHILD = ShardNode("a", None, closed=False), ShardNode("b", None, closed=False), ShardNode("c", "a", closed=False)
CLOSED = ShardNode("a", None, closed=True)


@dataclass
class Scripted:
    """Listings, one after the other; the last one goes on for ever. A second passes with each."""

    listings: list[tuple[ShardNode, ...]]
    now: float = NOW
    label: str = "2026-01-01"
    reading: set[str] = field(default_factory=set)

    def labels(self) -> list[str]:
        raise AssertionError("only listings are looked at")

    def describe(self, after_shard: str | None) -> Listing:
        self.now += 1.0
        return Listing(self.listings.pop(0) if len(self.listings) > 1 else self.listings[0], None)

    def iterator(self, shard: str, kind: IteratorType, sequence: str | None) -> str:
        raise AssertionError("only listings are looked at")

    def records(self, iterator: str, limit: int) -> Page:
        raise AssertionError("only listings are looked at")

    def discovery(
        self, *, positions: dict[str, Position] | None = None, start: Start = "trim_horizon", since: float | None = None
    ) -> Discovery:
        clock = lambda: self.now  # noqa: E731
        return Discovery(self, StartPoint(positions or {}, start, since), ServiceTime(clock, clock))

    def look(self, discovery: Discovery) -> Discovered:
        """A listing, after which everything it names is being read."""
        found = discovery.list_shards(self.reading)
        self.reading |= {begin.node.shard for begin in found.begin}
        return found


def names(found: Discovered) -> list[str]:
    return [begin.node.shard for begin in found.begin]


def test_the_first_listings_must_agree_before_anything_counts_as_complete() -> None:
    """A shard that the first three miss is begun before anything is released."""
    stream = Scripted([(A,), (A,), (A,), (A, B)])
    discovery = stream.discovery()
    found = [stream.look(discovery) for _ in range(3 + 1 + AGREEING)]
    assert [names(each) for each in found[:4]] == [["a"], [], [], ["b"]]
    assert [each.topology is not None for each in found] == [False] * (3 + AGREEING) + [True]
    assert {each.again_s for each in found[:-1]} == {EAGER_S}


def test_a_listing_without_any_shard_agrees_with_nothing() -> None:
    """A stream has shards."""
    stream = Scripted([()])
    discovery = stream.discovery()
    assert all(stream.look(discovery).topology is None for _ in range(3 * AGREEING))


def test_after_the_first_ones_a_listing_comes_now_and_then_and_after_an_end_soon() -> None:
    """Everything waits for the children of a shard that has ended."""
    stream = Scripted([(A,)])
    discovery = stream.discovery()
    for _ in range(AGREEING + EAGER_LISTINGS):
        found = stream.look(discovery)
    assert found.again_s == DISCOVER_S
    discovery.finished("a")
    stream.reading.clear()
    assert stream.look(discovery).again_s == EAGER_S


def test_a_shard_that_ends_during_a_start_has_its_soon_listings_after_the_start() -> None:
    """Those before the first complete one tell the lane nothing: spent on them, it waited 40 s for the next ones."""
    stream = Scripted([(A,), *[(CLOSED, CHILD)] * 40])
    discovery = stream.discovery()
    stream.look(discovery)
    discovery.finished("a")
    soon = 0
    while (found := stream.look(discovery)).again_s == EAGER_S:
        soon += found.topology is not None
    assert soon >= ENDED_SHARD_LISTINGS


@pytest.mark.parametrize("closed", [False, True])
def test_a_shard_that_the_first_listing_of_a_start_at_the_tip_missed_is_read_from_then(closed: bool) -> None:
    """Not from where the tip is when it is found: what was written in between was promised. Whether it has been closed
    since changes nothing."""
    late = ShardNode("b", None, closed=closed)
    stream = Scripted([(A,), (A, late)])
    discovery = stream.discovery(start="latest")
    (first,), (second,) = stream.look(discovery).begin, stream.look(discovery).begin
    assert (first.kind, first.position) == ("LATEST", Position(None, since=NOW))
    assert (second.kind, second.position) == ("TRIM_HORIZON", Position(None, since=NOW))


def test_a_closed_shard_is_left_out_of_a_start_at_the_tip_and_its_child_is_not() -> None:
    """Nothing will be written to it any more."""
    stream = Scripted([(CLOSED, CHILD)])
    assert names(stream.look(stream.discovery(start="latest"))) == ["c"]


def test_a_shard_that_appears_later_is_read_from_its_beginning() -> None:
    """Whatever the start was."""
    stream = Scripted([(A,)])
    discovery = stream.discovery(start="latest")
    for _ in range(1 + AGREEING):
        stream.look(discovery)
    stream.listings = [(A, B)]
    (begin,) = stream.look(discovery).begin
    assert (begin.kind, begin.position) == ("TRIM_HORIZON", Position(None))


def test_a_first_start_waits_for_few_listings_for_a_parent_that_was_trimmed() -> None:
    """The oldest shards that are left have none, or one that never was in this stream."""
    stream = Scripted([(CHILD,)])
    discovery = stream.discovery()
    assert [names(stream.look(discovery)) for _ in range(ORPHAN_LISTINGS)] == [[]] * (ORPHAN_LISTINGS - 1) + [["c"]]


@pytest.mark.parametrize("positions", [None, {"a": Position("17")}], ids=["running", "started again"])
def test_rule_04_a_shard_that_is_listed_long_before_its_parent_is_not_read_before_it(
    positions: dict[str, Position] | None,
) -> None:
    """Of a stream that is known every new shard has a parent that comes to light: its records are first in line, and
    stamps go on from it."""
    between = ShardNode("b", "a", closed=True)
    grandchild = ShardNode("c", "b", closed=False)
    known = [(A,)] * (1 + AGREEING)
    stream = Scripted([*known, *[(CLOSED, grandchild)] * 20, (CLOSED, between, grandchild)])
    discovery = stream.discovery(positions=positions)
    begun = [names(stream.look(discovery)) for _ in range(len(known) + 20)]
    assert begun == [["a"], *[[]] * (len(known) + 19)]
    discovery.finished("a")
    assert names(stream.look(discovery)) == ["b"]
    assert names(stream.look(discovery)) == []
    discovery.finished("b")
    assert names(stream.look(discovery)) == ["c"]


def test_a_parent_that_never_comes_to_light_is_not_waited_for_longer_than_half_a_minute() -> None:
    """It was trimmed while nobody read; what the child has is better read than not."""
    stream = Scripted([(ShardNode("c", "b", closed=False),)])
    discovery = stream.discovery(positions={"a": Position("17", ended=True)})
    begun = [names(stream.look(discovery)) for _ in range(LATER_ORPHAN_LISTINGS)]
    assert begun == [[]] * (LATER_ORPHAN_LISTINGS - 1) + [["c"]]
    assert LATER_ORPHAN_LISTINGS * ORPHAN_S <= 30.0


def test_a_shard_with_a_position_is_there_though_no_listing_names_it() -> None:
    """It is read where it stood, and taken for closed: nothing proves it idle."""
    stream = Scripted([(A,)])
    found = stream.look(stream.discovery(positions={"b": Position("17"), "a": Position("4")}))
    assert {begin.node: (begin.kind, begin.position.sequence) for begin in found.begin} == {
        A: ("AFTER_SEQUENCE_NUMBER", "4"),
        ShardNode("b", None, closed=True): ("AFTER_SEQUENCE_NUMBER", "17"),
    }


def test_a_stream_without_a_shard_that_is_open_or_unread_is_over() -> None:
    """Not at once: the child of a shard that has just ended may not be listed yet."""
    stream = Scripted([(CLOSED,)])
    discovery = stream.discovery()
    assert not stream.look(discovery).ended
    discovery.finished("a")
    assert [stream.look(discovery).ended for _ in range(ENDED_LISTINGS)] == [False] * (ENDED_LISTINGS - 1) + [True]
    stream.listings = [(CLOSED, CHILD)]
    assert not stream.look(discovery).ended


@pytest.mark.parametrize(("listings", "apart_s", "gone"), [(4, 30.0, False), (5, 14.0, False), (5, 16.0, True)])
def test_rule_25_a_shard_is_gone_when_every_listing_of_a_minute_lacks_it(
    listings: int, apart_s: float, gone: bool
) -> None:
    """Five at least: between two that are a minute apart none may have been answered."""
    stream = Scripted([(A, B)])
    discovery = stream.discovery()
    stream.look(discovery)
    discovery.doubt("a", stream.now)
    stream.listings = [(B,)]
    for _ in range(listings):
        stream.now += apart_s - 1.0  # a second passes with each
        stream.look(discovery)
    assert discovery.gone("a") is gone
