"""The direct source over a stream in memory, one step at a time, on a clock of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.errors import ConfigurationError, Expired, Retry, Trimmed, Vanished
from consumer.stream.client import Listing, Page
from consumer.stream.direct import DISCOVER_S, PAGE, POLL_S, RETRY_FROM_S, RETRY_TO_S, DirectSource
from consumer.stream.discovery import StartPoint
from consumer.stream.records import Decoder
from consumer.stream.source import (
    Event,
    Failed,
    Gap,
    Position,
    ShardBatch,
    ShardEnded,
    ShardGone,
    ShardNode,
    ShardOpened,
    Topology,
)
from window.samples import Names

EPOCH = 1_784_989_500.0
"""The wall clock when the monotonic one stands at 0."""


@dataclass
class Shard:
    """A shard of the stream's twin: its records by number, oldest first."""

    parent: str | None = None
    records: list[dict[str, Any]] = field(default_factory=list)
    closed: bool = False
    trimmed: int = 0
    """Records before this place are gone."""


@dataclass
class Stream:
    """DynamoDB's stream as far as a reader can tell. ``faults`` are raised by the coming calls of that name."""

    shards: dict[str, Shard] = field(default_factory=dict)
    page: int = 100
    calls: list[tuple[str, Any]] = field(default_factory=list)
    faults: dict[str, list[Exception]] = field(default_factory=dict)
    expired: set[str] = field(default_factory=set)
    label: str = "2026-01-02"
    other_labels: list[str] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    """Shards that a listing forgets to name: it is consistent only eventually."""
    _iterators: int = 0
    _numbers: int = 0

    def write(self, shard: str, count: int = 1, *, created: float = EPOCH) -> list[str]:
        """Records at the tip of a shard; returns their numbers."""
        numbers = []
        for _ in range(count):
            self._numbers += 1
            item = {"ts": {"N": repr(created)}, "current": {"N": "2.5"}, "temperature": {"N": "25"}}
            change = {
                "SequenceNumber": str(self._numbers),
                "ApproximateCreationDateTime": created,
                "NewImage": item,
                "SizeBytes": 60,
            }
            self.shards[shard].records.append({"eventName": "INSERT", "dynamodb": change})
            numbers.append(str(self._numbers))
        return numbers

    def roll_over(self, shard: str, *children: str) -> None:
        """The shard is closed and these take its place."""
        self.shards[shard].closed = True
        for child in children:
            self.shards[child] = Shard(parent=shard)

    def expire(self) -> None:
        """Fifteen minutes have passed for every iterator there is."""
        self.expired = {str(n) for n in range(self._iterators + 1)}

    def labels(self) -> list[str]:
        self._call("labels", None)
        return [*self.other_labels, self.label]

    def describe(self, after_shard: str | None) -> Listing:
        self._call("describe", after_shard)
        names = [name for name in self.shards if name not in self.hidden]
        begin = names.index(after_shard) + 1 if after_shard else 0
        nodes = tuple(
            ShardNode(n, self.shards[n].parent, self.shards[n].closed) for n in names[begin : begin + self.page]
        )
        more = begin + self.page < len(names)
        return Listing(nodes, nodes[-1].shard if more else None)

    def iterator(self, shard: str, kind: str, sequence: str | None) -> str:
        self._call("iterator", (shard, kind, sequence))
        assert (kind == "AFTER_SEQUENCE_NUMBER") == (sequence is not None)
        if shard not in self.shards:
            raise Vanished(f"no shard {shard}")
        there = self.shards[shard]
        numbers = [record["dynamodb"]["SequenceNumber"] for record in there.records]
        place = {"TRIM_HORIZON": there.trimmed, "LATEST": len(numbers)}.get(kind, 0)
        if sequence is not None:
            place = numbers.index(sequence) + 1
            if place < there.trimmed:
                raise Trimmed("older than the stream keeps")
        return self._new(shard, place)

    def records(self, iterator: str, limit: int) -> Page:
        self._call("records", (iterator.split("@")[0], limit))
        assert 1 <= limit <= 1000
        shard, place, number = iterator.split("@")
        if number in self.expired:
            raise Expired("fifteen minutes")
        if shard not in self.shards:
            raise Vanished(f"no shard {shard}")
        there = self.shards[shard]
        if int(place) < there.trimmed:
            raise Trimmed("older than the stream keeps")
        found = there.records[int(place) : int(place) + limit]
        end = int(place) + len(found)
        return Page(found, None if there.closed and end == len(there.records) else self._new(shard, end))

    def _new(self, shard: str, place: int) -> str:
        self._iterators += 1
        return f"{shard}@{place}@{self._iterators}"

    def _call(self, name: str, of: Any) -> None:
        self.calls.append((name, of))
        if self.faults.get(name):
            raise self.faults[name].pop(0)


class Reader:
    """A source that is stepped by hand, and all that it said. New shards get credit at once."""

    def __init__(
        self,
        stream: Stream,
        start: Any = "trim_horizon",
        positions: dict[str, Position] | None = None,
        credit: int = 10_000,
    ) -> None:
        decoder = Decoder(table="t", device_key="device", devices=Names(), shards=Names())
        self.now = 0.0
        self.credit = credit
        self.events: list[Event] = []
        self.source = DirectSource(
            stream, decoder, StartPoint(positions or {}, start), clock=lambda: EPOCH + self.now, threads=0
        )

    def run(self, seconds: float) -> Reader:
        """Step as the threads would, until so much time has passed."""
        end = self.now + seconds
        for _ in range(100_000):
            wake = self.source.step(self.now)
            for event in self.source.poll(0):
                self.events.append(event)
                if isinstance(event, ShardOpened) and self.credit:
                    self.source.credit(event.shard, event.epoch, self.credit)
            if wake > self.now:
                if wake > end:
                    self.now = end
                    return self
                self.now = wake
        raise AssertionError("the source does not come to rest")

    def read(self, shard: str | None = None) -> list[str]:
        """The numbers of the records delivered, in order."""
        batches = [e for e in self.events if isinstance(e, ShardBatch) and shard in (None, e.shard)]
        return [str(number) for batch in batches for number in batch.sequence]

    def said(self, *kinds: type) -> list[Any]:
        return [e for e in self.events if isinstance(e, kinds)]

    def positions(self) -> dict[str, Position]:
        """What a head would hold after all that was said."""
        at: dict[str, Position] = {}
        for e in self.events:
            if isinstance(e, ShardOpened):
                at.setdefault(e.shard, Position(None, e.since))
            elif isinstance(e, ShardBatch) and len(e.sequence):
                at[e.shard] = replace(at[e.shard], sequence=str(e.sequence[-1]))
            elif isinstance(e, ShardEnded):
                at[e.shard] = replace(at[e.shard], ended=True)
        return at


@pytest.fixture
def stream() -> Stream:
    """One open shard."""
    return Stream({"s1": Shard()})


def test_a_shard_is_opened_listed_and_read_in_order(stream: Stream) -> None:
    """Every record once; a page says how much it was asked for and when."""
    numbers = stream.write("s1", 5)
    reader = Reader(stream).run(1.0)
    assert reader.read() == numbers
    assert [type(e) for e in reader.events[:2]] == [ShardOpened, ShardBatch]
    assert reader.events[0] == ShardOpened("s1", 0, None, since=None)
    first = reader.said(ShardBatch)[0]
    assert (first.epoch, first.full, first.asked_at) == (0, False, EPOCH)
    more = stream.write("s1", 2)
    assert reader.run(1.0).read() == numbers + more
    assert reader.said(Topology)[0] == Topology((ShardNode("s1", None, False),))


def test_an_empty_page_is_a_heartbeat(stream: Stream) -> None:
    """Five a second and shard: more DynamoDB does not allow."""
    reader = Reader(stream).run(10.0)
    pages = reader.said(ShardBatch)
    assert len(pages) == pytest.approx(10.0 / POLL_S, abs=2)
    assert all(len(page.samples) == 0 and not page.full for page in pages)
    assert [page.asked_at for page in pages] == sorted(page.asked_at for page in pages)


def test_long_shards_are_read_in_pages_without_a_pause(stream: Stream) -> None:
    """A page that was cut by its limit says so."""
    numbers = stream.write("s1", 2500)
    reader = Reader(stream).run(0.0)
    assert reader.read() == numbers
    pages = [page for page in reader.said(ShardBatch) if len(page.samples)]
    assert [(len(page.samples), page.full) for page in pages] == [(1000, True), (1000, True), (500, False)]


def test_a_page_that_was_cut_by_its_size_says_so(stream: Stream) -> None:
    """A call returns a megabyte at most."""
    stream.write("s1", 3)
    for record in stream.shards["s1"].records:
        record["dynamodb"]["SizeBytes"] = 400_000
    assert Reader(stream).run(0.0).said(ShardBatch)[0].full


# Credit


def test_without_credit_a_shard_is_not_read(stream: Stream) -> None:
    """Nothing is dropped to relieve pressure: reading stops."""
    numbers = stream.write("s1", 50)
    reader = Reader(stream, credit=0).run(60.0)
    assert not [call for call, _ in stream.calls if call == "records"]
    reader.source.credit("s1", 0, 20)
    assert reader.run(5.0).read() == numbers[:20]
    reader.source.credit("s1", 0, -5)
    reader.source.credit("s1", 0, 10)
    assert reader.run(5.0).read() == numbers[:25]
    assert [of for call, of in stream.calls if call == "records"] == [("s1", 20), ("s1", 5)]


def test_credit_of_another_epoch_or_shard_is_void(stream: Stream) -> None:
    """It may come late."""
    stream.write("s1", 5)
    reader = Reader(stream, credit=0).run(1.0)
    reader.source.credit("s1", 7, 100)
    reader.source.credit("nobody", 0, 100)
    assert reader.run(5.0).read() == []


def test_a_page_is_never_larger_than_1000(stream: Stream) -> None:
    """Whatever the credit."""
    stream.write("s1", 1500)
    reader = Reader(stream, credit=10**9).run(0.0)
    assert len(reader.said(ShardBatch)[0].samples) == PAGE


# The graph of shards


def test_a_parent_is_read_to_its_end_before_its_children_open(stream: Stream) -> None:
    """And ends before that, in what is said."""
    first = stream.write("s1", 3)
    stream.roll_over("s1", "s2", "s3")
    later = [*stream.write("s2", 2), *stream.write("s3", 2)]
    reader = Reader(stream).run(5.0)
    assert reader.read()[:3] == first
    assert sorted(reader.read()) == sorted(first + later)
    order = [(type(e).__name__, e.shard) for e in reader.said(ShardOpened, ShardEnded)]
    assert order == [("ShardOpened", "s1"), ("ShardEnded", "s1"), ("ShardOpened", "s2"), ("ShardOpened", "s3")]
    assert [e.parent for e in reader.said(ShardOpened)] == [None, "s1", "s1"]


def test_the_last_page_of_a_closed_shard_may_carry_records_and_no_next_iterator(stream: Stream) -> None:
    """They are delivered before the end is told (a public bug dropped them)."""
    numbers = stream.write("s1", 3)
    stream.roll_over("s1", "s2")
    reader = Reader(stream).run(5.0)
    assert reader.read("s1") == numbers
    of_s1 = [type(e) for e in reader.events if getattr(e, "shard", "") == "s1"]
    assert of_s1 == [ShardOpened, ShardBatch, ShardEnded]


def test_the_end_of_a_shard_is_no_proof_of_idleness(stream: Stream) -> None:
    """A closed shard is never idle (rule 5): its last, empty page tells nothing about the time it was asked for."""
    stream.write("s1", 3)
    reader = Reader(stream).run(5.0)
    stream.roll_over("s1", "s2")
    stream.faults["records"] = [Retry("throttled")] * 6
    before = len(reader.events)
    reader.run(60.0)
    of_s1 = [e for e in reader.events[before:] if getattr(e, "shard", "") == "s1"]
    assert [type(e) for e in of_s1] == [ShardEnded]


def test_shards_that_appear_later_are_found_and_read_from_their_beginning(stream: Stream) -> None:
    """After the end of a parent at once; roots within the time of a listing."""
    reader = Reader(stream, "latest").run(5.0)
    stream.roll_over("s1", "s2")
    numbers = stream.write("s2", 2)
    assert reader.run(1.0).read() == numbers
    stream.shards["other"] = Shard()
    more = stream.write("other", 2)
    assert reader.run(DISCOVER_S + 1).read() == numbers + more
    kinds = {shard: kind for call, (shard, kind, _) in [c for c in stream.calls if c[0] == "iterator"]}
    assert kinds == {"s1": "LATEST", "s2": "TRIM_HORIZON", "other": "TRIM_HORIZON"}


def test_five_rotations_every_record_read_once(stream: Stream) -> None:
    """Shards roll over every four hours; some do while their parent is still being read."""
    numbers = stream.write("s1", 10)
    reader = Reader(stream).run(1.0)
    for turn in range(1, 6):
        numbers += stream.write(f"s{turn}", 3)
        stream.roll_over(f"s{turn}", f"s{turn + 1}")
        numbers += stream.write(f"s{turn + 1}", 3)
        reader.run(DISCOVER_S)
    assert reader.read() == numbers
    assert len(reader.said(ShardEnded)) == 5


def test_a_listing_comes_every_ten_seconds_however_many_shards_have_ended(stream: Stream) -> None:
    """DescribeStream allows ten calls a second: a listing a rotation more would use them up in a month."""
    reader = Reader(stream).run(1.0)
    for turn in range(1, 30):
        stream.roll_over(f"s{turn}", f"s{turn + 1}")
        reader.run(1.0)
    reader.run(5.0)
    stream.calls.clear()
    reader.run(100.0)
    assert Counter(call for call, _ in stream.calls)["describe"] <= 100.0 / DISCOVER_S + 1


def test_many_shards_are_listed_page_by_page() -> None:
    """684 of them (a public bug read the first hundred)."""
    stream = Stream({f"s{k:03}": Shard() for k in range(684)})
    reader = Reader(stream).run(5.0)
    assert [after for call, after in stream.calls if call == "describe"][:3] == [None, "s099", "s199"]
    assert len({e.shard for e in reader.said(ShardOpened)}) == 684
    assert len(reader.said(Topology)[0].shards) == 684


def test_a_listing_that_repeats_its_last_shard_comes_to_an_end(stream: Stream) -> None:
    """DescribeStream can be inconsistent."""
    real = stream.describe

    def repeating(after_shard: str | None) -> Listing:
        return Listing(real(None).shards, "s1")

    stream.describe = repeating  # type: ignore[method-assign]
    numbers = stream.write("s1", 2)
    assert Reader(stream).run(1.0).read() == numbers


def test_a_parent_that_a_listing_forgets_is_still_waited_for(stream: Stream) -> None:
    """While it is being read its child does not open, whatever one listing says."""
    numbers = stream.write("s1", 30)
    reader = Reader(stream, credit=0).run(1.0)
    stream.roll_over("s1", "s2")
    numbers += stream.write("s2", 3)
    stream.hidden = {"s1"}
    reader.run(2 * DISCOVER_S)
    assert [e.shard for e in reader.said(ShardOpened)] == ["s1"]
    stream.hidden = set()
    for _ in range(2):
        for shard in ("s1", "s2"):
            reader.source.credit(shard, 0, 100)
        reader.run(DISCOVER_S)
    assert reader.read() == numbers


def test_a_child_whose_parent_is_gone_is_read(stream: Stream) -> None:
    """Trimmed away, or not listed yet: a few more listings tell. Nothing is released before all are opened."""
    stream.shards["s9"] = Shard(parent="s8")
    numbers = [*stream.write("s1", 2), *stream.write("s9", 2)]
    reader = Reader(stream).run(DISCOVER_S)
    assert reader.read() == numbers
    assert [e.shard for e in reader.said(ShardOpened, Topology) if isinstance(e, ShardOpened)] == ["s1", "s9"]
    assert [type(e) for e in reader.said(ShardOpened, Topology)][:3] == [ShardOpened, ShardOpened, Topology]


def test_shards_that_the_stream_has_forgotten_are_forgotten(stream: Stream) -> None:
    """For ten days, from the last owner's positions on: a shard is trimmed a day after it was closed, and of what came
    and went nothing is left. Everything was read once."""
    numbers = stream.write("s1", 3)
    stream.shards["s0"] = Shard(closed=True)
    reader = Reader(stream, positions={"s0": Position("1", ended=True), "s1": Position(None)})
    for turn in range(2, 62):
        reader.now += 4 * 3600.0
        stream.roll_over(f"s{turn - 1}", f"s{turn}")
        numbers += stream.write(f"s{turn}", 2)
        for gone in [name for name in stream.shards if int(name[1:]) < turn - 6]:
            del stream.shards[gone]
        reader.run(25.0)
    assert reader.read() == numbers
    kept = vars(reader.source) | vars(reader.source._discovery)
    assert len(kept["_finished"]) <= 9
    assert set(kept["_positions"]) <= set(kept["_finished"])
    assert len(kept["_shards"]) == 1
    assert not kept["_missing_parent"]
    assert len(kept["_agenda"]._due) <= 4


def test_a_shard_that_listings_miss_for_hours_is_not_read_twice(stream: Stream) -> None:
    """It may be named again as long as the stream keeps it."""
    numbers = stream.write("s1", 3)
    reader = Reader(stream).run(5.0)
    stream.roll_over("s1", "s2")
    reader.run(25.0)
    for hidden in ({"s1"}, set()):
        stream.hidden = hidden
        reader.now += 12 * 3600.0
        reader.run(25.0)
    assert reader.read() == numbers
    assert len(reader.said(ShardOpened)) == 2


def test_a_parent_that_is_listed_late_is_read_first(stream: Stream) -> None:
    """DescribeStream is consistent only eventually."""
    numbers = stream.write("s1", 2)
    stream.roll_over("s1", "s2")
    numbers += stream.write("s2", 2)
    stream.hidden = {"s1"}
    reader = Reader(stream).run(0.5)
    stream.hidden = set()
    assert reader.run(DISCOVER_S).read() == numbers


# Where to begin


def test_latest_begins_at_the_tip_of_the_open_shards(stream: Stream) -> None:
    """What was written before is not wanted, nor are shards that were closed before."""
    stream.write("s1", 3)
    stream.roll_over("s1", "s2")
    stream.write("s2", 3)
    reader = Reader(stream, "latest").run(1.0)
    assert reader.read() == []
    assert [e.shard for e in reader.said(ShardOpened)] == ["s2"]
    numbers = stream.write("s2", 2)
    assert reader.run(1.0).read() == numbers
    assert [e.since for e in reader.said(ShardOpened)] == [EPOCH]


def test_trim_horizon_begins_with_all_that_the_stream_keeps(stream: Stream) -> None:
    """Closed shards too, in the order of the graph."""
    numbers = stream.write("s1", 3)
    stream.roll_over("s1", "s2")
    numbers += stream.write("s2", 3)
    reader = Reader(stream, "trim_horizon").run(1.0)
    assert reader.read() == numbers
    assert [e.since for e in reader.said(ShardOpened)] == [None, None]


def test_a_restart_goes_on_after_the_last_position(stream: Stream) -> None:
    """Where there is one; what has ended is not read again, and start no longer counts."""
    stream.write("s1", 3)
    stream.roll_over("s1", "s2")
    old = stream.write("s2", 3)
    new = stream.write("s2", 2)
    positions = {"s1": Position("3", ended=True), "s2": Position(old[-1])}
    assert Reader(stream, "latest", positions).run(1.0).read() == new


def test_a_restart_does_not_read_what_the_first_start_skipped(stream: Stream) -> None:
    """Shards that were closed before a first start at LATEST stay unread: their records came before it."""
    stream.write("s1", 3)
    stream.roll_over("s1", "s2")
    stream.write("s2", 3)
    stream.roll_over("s2", "s3")
    reader = Reader(stream, "latest").run(1.0)
    numbers = stream.write("s3", 2)
    again = Reader(stream, "latest", reader.run(1.0).positions()).run(1.0)
    assert (reader.read(), again.read()) == (numbers, [])
    assert [e.shard for e in again.said(ShardOpened)] == ["s3"]


def test_a_shard_that_appeared_while_nobody_was_there_is_read_from_its_beginning(stream: Stream) -> None:
    """Also when the very first start was at LATEST (a public bug lost it)."""
    reader = Reader(stream, "latest").run(1.0)
    numbers = stream.write("s1", 2)
    positions = reader.run(1.0).positions()
    stream.roll_over("s1", "s2")
    more = stream.write("s2", 2)
    again = Reader(stream, "latest", positions).run(1.0)
    assert (reader.read(), again.read()) == (numbers, more)


def test_a_shard_in_which_nothing_was_read_yet_goes_on_where_it_was_opened(stream: Stream) -> None:
    """At its beginning, leaving out what was written before the first start; creation times have whole seconds."""
    stream.write("s1", 3, created=EPOCH - 60.0)
    stream.write("s1", 2, created=EPOCH)
    numbers = [*stream.write("s1", 1, created=EPOCH + 0.0), *stream.write("s1", 1, created=EPOCH + 9.0)]
    again = Reader(stream, "latest", {"s1": Position(None, since=EPOCH + 0.7)}).run(1.0)
    assert again.read() == ["4", "5", *numbers]


def test_pages_of_records_that_are_not_wanted_prove_no_idleness(stream: Stream) -> None:
    """They are passed over without a word: the shard is being caught up with."""
    stream.write("s1", 3500, created=EPOCH - 3600.0)
    wanted = stream.write("s1", 1, created=EPOCH + 5.0)
    reader = Reader(stream, "latest", {"s1": Position(None, since=EPOCH)}).run(0.0)
    batches = reader.said(ShardBatch)
    assert reader.read() == wanted
    assert len(batches[0].samples) == 1


# Iterators that expire


def test_an_expired_iterator_goes_on_after_the_last_record_delivered(stream: Stream) -> None:
    """Not at the start-up position, which would replay (a public bug)."""
    numbers = stream.write("s1", 3)
    reader = Reader(stream).run(1.0)
    numbers += stream.write("s1", 2)
    reader.run(1.0)
    stream.expire()
    numbers += stream.write("s1", 2)
    assert reader.run(1.0).read() == numbers
    assert ("iterator", ("s1", "AFTER_SEQUENCE_NUMBER", "5")) in stream.calls


def test_an_iterator_that_expires_before_the_first_record_has_no_number_to_go_on_after(stream: Stream) -> None:
    """It begins again, and what was written since the first start is read, what was before is not."""
    stream.write("s1", 3, created=EPOCH - 60.0)
    reader = Reader(stream, "latest").run(1.0)
    numbers = stream.write("s1", 2, created=EPOCH + 1.0)
    stream.expire()
    assert reader.run(5.0).read() == numbers
    kinds = [kind for call, (_, kind, _) in [c for c in stream.calls if c[0] == "iterator"]]
    assert kinds == ["LATEST", "TRIM_HORIZON"]


def test_an_iterator_that_expires_for_want_of_credit_goes_on_too(stream: Stream) -> None:
    """A sink was down for 16 minutes."""
    numbers = stream.write("s1", 3)
    reader = Reader(stream, credit=2).run(1.0)
    stream.expire()
    reader.source.credit("s1", 0, 10)
    assert reader.run(1.0).read() == numbers


# What is gone


def test_trimmed_records_are_a_gap_and_reading_goes_on_at_the_horizon(stream: Stream) -> None:
    """Declared, with the last number that is known (public bug: the stream died while 'ready')."""
    stream.write("s1", 10)
    stream.shards["s1"].trimmed = 6
    reader = Reader(stream, positions={"s1": Position("3")}).run(1.0)
    assert [(gap.shard, gap.after) for gap in reader.said(Gap)] == [("s1", "3")]
    assert reader.read() == ["7", "8", "9", "10"]
    assert [type(e) for e in reader.events[:2]] == [ShardOpened, Gap]


def test_records_trimmed_under_a_running_reader_are_a_gap_too(stream: Stream) -> None:
    """It had no credit for a day."""
    stream.write("s1", 10)
    reader = Reader(stream, credit=3).run(1.0)
    stream.shards["s1"].trimmed = 8
    reader.source.credit("s1", 0, 100)
    assert reader.run(1.0).read() == ["1", "2", "3", "9", "10"]
    assert [gap.after for gap in reader.said(Gap)] == ["3"]


def test_a_shard_that_vanishes_is_lost_and_its_children_are_read(stream: Stream) -> None:
    """Deleted while its iterator was expired (a public bug looped for ever)."""
    stream.write("s1", 3)
    reader = Reader(stream).run(1.0)
    stream.roll_over("s1", "s2")
    numbers = stream.write("s2", 2)
    del stream.shards["s1"]
    stream.expire()
    reader.run(2 * DISCOVER_S)
    assert [lost.shard for lost in reader.said(ShardGone)] == ["s1"]
    assert reader.read("s2") == numbers
    assert not [of for call, of in stream.calls[-20:] if call == "records" and of[0] == "s1"]


def test_a_stream_that_is_gone_is_told(stream: Stream) -> None:
    """And looked for again: the table may get a new one."""
    stream.faults["describe"] = [Vanished("no stream"), ConfigurationError("access denied")]
    reader = Reader(stream).run(2 * DISCOVER_S + 1)
    assert [(f.shard, f.reason) for f in reader.said(Failed)] == [(None, "no stream"), (None, "access denied")]
    assert [e.shard for e in reader.said(ShardOpened)] == ["s1"]


# What passes


@pytest.mark.parametrize("call", ["iterator", "records"])
def test_a_shard_that_fails_is_tried_again_less_and_less_often(stream: Stream, call: str) -> None:
    """And no longer so once it answers; the others go on meanwhile."""
    stream.shards["s2"] = Shard()
    mine, others = stream.write("s1", 2), stream.write("s2", 2)
    at: list[float] = []
    reader = Reader(stream)
    real: Callable[..., Any] = getattr(stream, call)

    def failing(first: str, *rest: Any) -> Any:
        if first.startswith("s1") and len(at) < 8:
            at.append(reader.now)
            raise Retry("throttled")
        return real(first, *rest)

    setattr(stream, call, failing)
    reader.run(1.0)
    assert reader.read() == others
    reader.run(200.0)
    assert sorted(reader.read()) == sorted(others + mine)
    waits = [round(after - before, 6) for before, after in pairwise(at)]
    assert waits == [RETRY_FROM_S, 1.0, 2.0, 4.0, 8.0, 16.0, RETRY_TO_S]


def test_the_wait_is_short_again_after_a_success(stream: Stream) -> None:
    """Two separate hiccups are not one long one."""
    reader = Reader(stream).run(1.0)
    for _ in range(2):
        stream.faults["records"] = [Retry("throttled")] * 4
        reader.run(10.0)
    stream.faults["records"] = [Retry("throttled")]
    numbers = stream.write("s1", 1)
    assert reader.run(RETRY_FROM_S + 2 * POLL_S).read() == numbers


def test_a_stream_that_does_not_answer_is_said_to_be_in_trouble(stream: Stream) -> None:
    """After a minute without a single answer; a quiet stream answers. It is over with the first one."""
    reader = Reader(stream).run(100.0)
    assert reader.source.health().trouble == ""
    stream.faults = {name: [Retry("no network")] * 50 for name in ("describe", "records")}
    reader.run(59.0)
    assert reader.source.health().trouble == ""
    reader.run(20.0)
    assert reader.source.health().trouble.startswith("the stream has not answered for 7")
    stream.faults.clear()
    assert reader.run(40.0).source.health().trouble == ""


@pytest.mark.parametrize("call", ["describe", "records"])
def test_a_right_that_is_missing_is_said_until_it_is_there(stream: Stream, call: str) -> None:
    """Running but dead otherwise."""
    reader = Reader(stream).run(20.0)
    stream.faults[call] = [ConfigurationError("access denied")]
    reader.run(11.0)
    assert reader.source.health().trouble == "access denied"
    assert reader.run(40.0).source.health().trouble == ""


def test_a_stream_that_was_turned_off_is_told_from_one_that_was_made_anew(stream: Stream) -> None:
    """All its shards are closed and read, and stay without children."""
    stream.write("s1", 3)
    reader = Reader(stream).run(20.0)
    stream.shards["s1"].closed = True
    reader.run(200.0)
    assert "turned off" in reader.source.health().trouble
    assert not reader.source.health().superseded
    stream.other_labels = ["2026-01-01", "2026-03-01"]
    reader.run(20.0)
    assert "new stream" in reader.source.health().trouble
    assert reader.source.health().superseded


def test_a_listing_that_fails_is_tried_again_soon(stream: Stream) -> None:
    """Nothing is opened on half a listing."""
    stream.shards.update({f"t{k}": Shard() for k in range(150)})
    real = stream.describe
    calls = [0]

    def failing(after_shard: str | None) -> Listing:
        calls[0] += 1
        if calls[0] == 2:
            raise Retry("throttled")
        return real(after_shard)

    stream.describe = failing  # type: ignore[method-assign]
    reader = Reader(stream).run(RETRY_FROM_S - 0.01)
    assert reader.events == []
    reader.run(0.1)
    assert len(reader.said(ShardOpened)) == 151


def test_a_shard_that_may_not_be_read_is_told_and_tried_again(stream: Stream) -> None:
    """Somebody takes the role's right away and gives it back."""
    stream.faults["records"] = [ConfigurationError("access denied")]
    numbers = stream.write("s1", 1)
    reader = Reader(stream).run(RETRY_TO_S + 1)
    assert [(f.shard, f.reason) for f in reader.said(Failed)] == [("s1", "access denied")]
    assert reader.read() == numbers


def test_of_700_shards_one_that_always_fails_holds_up_no_other() -> None:
    """Discovery is not all or nothing (a public bug)."""
    stream = Stream({f"s{k:03}": Shard() for k in range(700)})
    for shard in stream.shards:
        stream.write(shard)
    real = stream.iterator

    def failing(shard: str, kind: str, sequence: str | None) -> str:
        if shard == "s000":
            raise Retry("throttled")
        return real(shard, kind, sequence)

    stream.iterator = failing  # type: ignore[method-assign]
    assert len(Reader(stream).run(0.0).read()) == 699


actions = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 9), st.integers(1, 4)),
        st.tuples(st.just("roll"), st.integers(0, 9), st.integers(1, 2)),
        st.tuples(st.just("expire"), st.just(0), st.just(0)),
        st.tuples(st.just("fail"), st.sampled_from([0, 1, 2]), st.integers(1, 3)),
        st.tuples(st.just("wait"), st.integers(1, 30), st.just(0)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=60)
@given(actions, st.sampled_from([1, 2, 100]), st.sampled_from(["latest", "trim_horizon"]))
def test_whatever_happens_every_record_is_read_once_and_in_the_order_of_the_graph(
    plan: list[tuple[str, int, int]], page: int, start: str
) -> None:
    """Rotations, splits, expired iterators, throttling, listings in small pages, restarts from a head."""
    stream = Stream({"s1": Shard()}, page=page)
    reader = Reader(stream, start).run(1.0)
    events: list[Event] = []
    for action, which, count in plan:
        open_shards = [name for name, shard in stream.shards.items() if not shard.closed]
        name = open_shards[which % len(open_shards)]
        if action == "write":
            stream.write(name, count, created=EPOCH + reader.now)
        elif action == "roll":
            stream.roll_over(name, *(f"{name}.{k}" for k in range(count)))
        elif action == "expire":
            stream.expire()
        elif action == "fail":
            call = ("describe", "iterator", "records")[which]
            stream.faults.setdefault(call, []).extend([Retry("throttled")] * count)
        elif action == "wait":
            reader.run(which / 5)
        elif reader.read() or start == "trim_horizon":
            events += reader.events
            now, reader = reader.now, Reader(stream, start, {**_reached(events)})
            reader.now = now
    stream.faults.clear()
    reader.run(RETRY_TO_S + 3 * DISCOVER_S)
    events += reader.events
    everything = [(name, r["dynamodb"]["SequenceNumber"]) for name, s in stream.shards.items() for r in s.records]
    delivered = [(e.shard, str(n)) for e in events if isinstance(e, ShardBatch) for n in e.sequence]
    assert sorted(delivered) == sorted(everything)
    for name, shard in stream.shards.items():
        mine = [number for of, number in delivered if of == name]
        assert mine == [r["dynamodb"]["SequenceNumber"] for r in shard.records]
        begins = [k for k, (of, _) in enumerate(delivered) if of == name]
        ends = [k for k, (of, _) in enumerate(delivered) if of == shard.parent]
        assert not begins or not ends or max(ends) < min(begins)


def _reached(events: list[Event]) -> dict[str, Position]:
    reader = Reader(Stream())
    reader.events = events
    return reader.positions()


# Threads


def test_threads_read_and_stop(stream: Stream) -> None:
    """Nothing blocks: a poll returns what there is, and stopping waits for the readers."""
    numbers = stream.write("s1", 2500)
    decoder = Decoder(table="t", device_key="device", devices=Names(), shards=Names())
    source = DirectSource(stream, decoder, StartPoint({}, "trim_horizon"), clock=lambda: EPOCH, threads=3)
    assert source.poll(0) == []
    source.begin()
    read: list[str] = []
    while len(read) < 2500:
        for event in source.poll(5.0):
            if isinstance(event, ShardOpened):
                source.credit(event.shard, event.epoch, 10_000)
            if isinstance(event, ShardBatch):
                read += [str(number) for number in event.sequence]
    assert read == numbers
    assert source.health().alive
    source.quiesce(5.0)
    assert not source.health().alive


def test_a_reader_that_dies_is_told(stream: Stream) -> None:
    """Not in silence: running but dead is the worst of all."""
    stream.faults["describe"] = [RuntimeError("a bug")]
    decoder = Decoder(table="t", device_key="device", devices=Names(), shards=Names())
    source = DirectSource(stream, decoder, StartPoint({}, "latest"), clock=lambda: EPOCH, threads=1)
    source.begin()
    failed = source.poll(5.0)
    assert [type(e) for e in failed] == [Failed]
    assert "a bug" in failed[0].reason
    source.quiesce(5.0)
    assert not source.health().alive
