"""The direct source, one step at a time: pages, credit, iterators that expire, what is trimmed, threads."""

from __future__ import annotations

import pytest
from stream_rig import EPOCH, Reader, Stream

from consumer.errors import Retry
from consumer.stream.direct import DirectSource
from consumer.stream.discovery import DISCOVER_S, GONE_S, StartPoint
from consumer.stream.page_reader import BEHIND_GAP_S, PAGE, POLL_S
from consumer.stream.records import Decoder
from consumer.stream.shard import TRIMMED_FOR_S
from consumer.stream.source import (
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


def test_pages_of_records_that_are_not_wanted_prove_no_idleness(stream: Stream) -> None:
    """They are passed over without a word: the shard is being caught up with."""
    stream.write("s1", 3500, created=EPOCH - 3600.0)
    wanted = stream.write("s1", 1, created=EPOCH + 5.0)
    reader = Reader(stream, "latest", {"s1": Position(None, since=EPOCH)}).run(0.0)
    batches = reader.said(ShardBatch)
    assert reader.read() == wanted
    assert len(batches[0].samples) == 1


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


def test_trimmed_records_are_a_gap_and_reading_goes_on_at_the_horizon(stream: Stream) -> None:
    """Declared, with the last number that is known (public bug: the stream died while 'ready')."""
    stream.write("s1", 10)
    stream.shards["s1"].trimmed = 6
    reader = Reader(stream, positions={"s1": Position("3")}).run(TRIMMED_FOR_S + BEHIND_GAP_S + 1.0)
    assert [(gap.shard, gap.after) for gap in reader.said(Gap)] == [("s1", "3")]
    assert reader.read() == ["7", "8", "9", "10"]
    assert [type(e) for e in reader.said(ShardOpened, Gap, ShardBatch)][:3] == [ShardOpened, Gap, ShardBatch]


def test_records_trimmed_under_a_running_reader_are_a_gap_too(stream: Stream) -> None:
    """It had no credit for a day."""
    stream.write("s1", 10)
    reader = Reader(stream, credit=3).run(1.0)
    stream.shards["s1"].trimmed = 8
    reader.source.credit("s1", 0, 100)
    assert reader.run(TRIMMED_FOR_S + BEHIND_GAP_S + 1.0).read() == ["1", "2", "3", "9", "10"]
    assert [gap.after for gap in reader.said(Gap)] == ["3"]


def test_a_shard_that_vanishes_is_lost_and_its_children_are_read(stream: Stream) -> None:
    """Deleted while its iterator was expired (a public bug looped for ever)."""
    stream.write("s1", 3)
    reader = Reader(stream).run(1.0)
    stream.roll_over("s1", "s2")
    numbers = stream.write("s2", 2)
    del stream.shards["s1"]
    stream.expire()
    reader.run(GONE_S + 2 * DISCOVER_S)
    assert [lost.shard for lost in reader.said(ShardGone)] == ["s1"]
    assert reader.read("s2") == numbers
    assert not [of for call, of in stream.calls[-20:] if call == "records" and of[0] == "s1"]


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


def test_a_reader_that_dies_is_reported(stream: Stream) -> None:
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
