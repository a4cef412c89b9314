"""The direct source and the graph of shards: which are found, in which order, and where each begins."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from stream_rig import EPOCH, Reader, Shard, Stream

from consumer.errors import Retry
from consumer.stream.client import Listing
from consumer.stream.discovery import DISCOVER_S
from consumer.stream.shard import RETRY_TO_S
from consumer.stream.source import (
    Event,
    Position,
    ShardBatch,
    ShardEnded,
    ShardOpened,
    Topology,
)


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


def test_shards_that_appear_later_are_found_and_read_from_their_beginning(stream: Stream) -> None:
    """After the end of a parent at once; roots within the time of a listing."""
    reader = Reader(stream, "latest").run(5.0)
    stream.roll_over("s1", "s2")
    numbers = stream.write("s2", 2)
    assert reader.run(1.0).read() == numbers
    stream.shards["other"] = Shard()
    more = stream.write("other", 2)
    assert reader.run(DISCOVER_S + 1).read() == numbers + more
    kinds: dict[str, str] = {}
    for shard, kind, _ in [of for call, of in stream.calls if call == "iterator"]:
        kinds.setdefault(shard, kind)
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
