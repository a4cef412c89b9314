"""When a shard, the stream or the table counts as gone (rule 25)."""

from __future__ import annotations

import re

import pytest
from stream_rig import Reader, Shard, Stream

from consumer.errors import ConfigurationError, Retry, Vanished
from consumer.stream.discovery import GONE_S
from consumer.stream.ending import MISSING_FOR_S
from consumer.stream.source import Failed, Gap, ShardBatch, ShardGone

NOT_FOUND = "ResourceNotFoundException"


def troubles(reader: Reader, seconds: int) -> list[str]:
    """What the health check says, second by second, without repetitions."""
    said = [reader.source.health().trouble]
    for _ in range(seconds):
        trouble = reader.run(1.0).source.health().trouble
        said += [trouble] if trouble != said[-1] else []
    return said


def test_rule_25_one_listing_of_a_stream_that_does_not_exist_says_nothing(stream: Stream) -> None:
    """It was called turned off."""
    reader = Reader(stream).run(25.0)
    stream.faults["describe"] = [Vanished("ResourceNotFoundException")] * 3
    assert troubles(reader, 60) == [""]
    assert reader.said(Failed, ShardGone) == []


def test_a_stream_that_the_table_names_is_not_gone(stream: Stream) -> None:
    """A shard that could not be read for minutes was lost when four listings in a minute denied the stream as well: the
    test's stream was named by its table, and was gone all the same. Short seed 20224."""
    stream.write("s1", 3)
    reader = Reader(stream)
    stream.faults["records"] = [Vanished("ResourceNotFoundException")] * 10**6
    reader.run(25.0)
    stream.faults["describe"] = [Vanished("ResourceNotFoundException")] * 10**6
    assert not any("turned off" in each for each in troubles(reader, 300))
    stream.faults.clear()
    reader.run(60.0)
    assert reader.said(Failed, ShardGone, Gap) == []
    assert sum(len(batch.samples) for batch in reader.said(ShardBatch)) == 3


def test_rule_25_listings_that_miss_a_shard_for_seconds_lose_nothing_of_it(stream: Stream) -> None:
    """While it cannot be read either, whatever the host's clock does. After a doubt there are three listings a second,
    and a listing may miss any shard: five in a row did, within two seconds (short seed 8163)."""
    written = stream.write("s1", 3)
    reader = Reader(stream)
    stream.faults["records"] = [Vanished("ResourceNotFoundException")] * 10**6
    reader.run(5.0)
    for _ in range(4):
        stream.hidden.add("s1")
        reader.run(GONE_S / 4)
        reader.jumped_s += 600.0
        reader.run(GONE_S / 4)
        stream.hidden.clear()
        reader.run(5.0)
    stream.faults.clear()
    assert reader.run(60.0).read() == written
    assert reader.said(Failed, ShardGone, Gap) == []


@pytest.mark.parametrize("listed", [True, False])
def test_a_table_that_was_deleted_is_called_so_and_its_end_does_not_flap(stream: Stream, *, listed: bool) -> None:
    """It was called a stream that is turned off. Its stream may stay listed for a day, or be gone with it."""
    stream.write("s1", 3)
    reader = Reader(stream).run(25.0)
    stream.shards["s1"].closed = True
    stream.table_gone = True
    if not listed:
        stream.shards.clear()
        stream.faults["describe"] = [Vanished("ResourceNotFoundException")] * 10**6
    said = troubles(reader, 900)
    assert len({re.sub(r"[0-9]+ s", "", each) for each in said}) <= 5
    assert "the table is gone" in said[-1]
    assert not any("turned off" in each for each in said)
    assert not reader.source.health().superseded
    assert len(reader.said(Failed)) <= 2


@pytest.mark.parametrize("error", [Retry("throttled"), ConfigurationError("access denied")])
def test_what_cannot_be_asked_about_the_table_is_not_claimed(stream: Stream, error: Exception) -> None:
    """The stream is over all the same. The reason that was found before stays."""
    stream.shards["s1"].closed = True
    stream.faults["labels"] = [error] * 10**6
    reader = Reader(stream)
    assert troubles(reader, 300) == ["", "nothing is written to the table's stream any more"]
    stream.faults.clear()
    assert "turned off" in troubles(reader, 30)[-1]
    stream.faults["labels"] = [error] * 10**6
    assert len(troubles(reader, 300)) == 1


def test_a_stream_that_does_not_exist_any_more_may_have_a_successor(stream: Stream) -> None:
    """Once that is certain the worker ends, and its next start reads the new one."""
    reader = Reader(stream).run(25.0)
    stream.shards.clear()
    stream.other_labels, stream.named = ["2026-03-01"], False
    stream.faults["describe"] = [Vanished("ResourceNotFoundException")] * 10**6
    reader.run(MISSING_FOR_S - 10.0)
    assert not reader.source.health().superseded
    reader.run(30.0)
    assert reader.source.health().superseded
    stream.shards["s1"] = Shard()
    stream.faults.clear()
    reader.run(30.0)
    assert (reader.source.health().superseded, reader.source.health().trouble) == (False, "")


def test_rule_25_a_shard_that_was_read_again_is_doubted_anew(stream: Stream) -> None:
    """What the listings lacked before that counts no more: one false answer would end it."""
    stream.write("s1", 3)
    reader = Reader(stream)
    stream.faults["records"] = [Vanished(NOT_FOUND)] * 10**6
    reader.run(3.0)
    stream.hidden.add("s1")
    reader.run(GONE_S - 10.0)
    stream.faults.clear()
    reader.run(60.0)
    assert len(reader.read()) == 3
    stream.faults["records"] = [Vanished(NOT_FOUND)]
    reader.run(20.0)
    assert reader.said(ShardGone) == []


@pytest.mark.parametrize("error", [Retry("throttled"), ConfigurationError("access denied"), Vanished("no table")])
def test_rule_25_a_stream_of_which_the_table_cannot_be_asked_is_not_gone(stream: Stream, error: Exception) -> None:
    """Nor after two answers that there is no such table."""
    stream.write("s1", 3)
    reader = Reader(stream)
    stream.faults["records"] = [Vanished(NOT_FOUND)] * 10**6
    reader.run(25.0)
    stream.faults["describe"] = [Vanished(NOT_FOUND)] * 10**6
    stream.faults["labels"] = [error] * (2 if isinstance(error, Vanished) else 10**6)
    assert not any("gone" in each for each in troubles(reader, 300))
    stream.faults.clear()
    assert len(reader.run(60.0).read()) == 3
    assert reader.said(ShardGone, Gap) == []


def test_a_table_that_is_back_is_not_called_gone(stream: Stream) -> None:
    """It was made again, and has a stream of its own."""
    reader = Reader(stream).run(25.0)
    stream.shards["s1"].closed = stream.table_gone = True
    assert "the table is gone" in troubles(reader, 300)[-1]
    stream.table_gone, stream.named, stream.other_labels = False, False, ["2026-03-01"]
    assert "the table has a new stream" in troubles(reader, 60)[-1]
