"""Records that are not what the API promises (rule 25): none kills the reader, and none blocks its shard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from stream_rig import EPOCH, Reader, Stream

from consumer.errors import Retry
from consumer.stream import envelope
from consumer.stream.page_reader import GONE_AFTER_S
from consumer.stream.records import Decoder
from consumer.stream.shard import RETRY_TO_S
from consumer.stream.source import Failed, Gap, ShardBatch
from consumer.stream.trouble import TROUBLE_AFTER_S
from window.samples import Kind

CREATED = 1_784_989_507
ODD: dict[str, Any] = {
    "no creation time": {"dynamodb": {"ApproximateCreationDateTime": None}},
    "creation time as text": {"dynamodb": {"ApproximateCreationDateTime": "yesterday"}},
    "creation time that is no number": {"dynamodb": {"ApproximateCreationDateTime": float("nan")}},
    "creation time as a list": {"dynamodb": {"ApproximateCreationDateTime": [1]}},
    "no eventName": {"eventName": None},
    "an unknown eventName": {"eventName": "UPSERT"},
    "an eventName that is no text": {"eventName": {"S": "INSERT"}},
    "an image that is a list": {"dynamodb": {"NewImage": [1]}},
    "an image that is text": {"dynamodb": {"NewImage": "image"}},
    "an attribute that is text": {"dynamodb": {"NewImage": {"ts": {"N": "1"}, "current": "N"}}},
    "an attribute that is nothing": {"dynamodb": {"NewImage": {"ts": {"N": None}}}},
}


def odd(good: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """A record with parts of it replaced; None leaves a part out."""
    made = {**good, **change, "dynamodb": {**good["dynamodb"], **change.get("dynamodb", {})}}
    made["dynamodb"] = {name: value for name, value in made["dynamodb"].items() if value is not None}
    return {name: value for name, value in made.items() if value is not None}


@pytest.mark.parametrize("change", ODD.values(), ids=ODD)
def test_rule_25_a_record_that_is_not_what_the_api_promises_is_quarantined(
    decoder: Decoder, record: Callable[..., dict[str, Any]], change: dict[str, Any]
) -> None:
    """It raised, which killed the reader, and its successor met it again."""
    strange = odd(record(2), change)
    page = decoder.page("s", [record(1, created=CREATED - 5), strange, record(3)], written=CREATED - 60.0)
    assert page.samples.kind.tolist() == [Kind.SAMPLE, Kind.MALFORMED, Kind.SAMPLE]
    assert page.sequence.tolist() == ["1", "2", "3"]
    assert page.rejects[1].raw is strange
    assert page.rejects[1].reason
    told = "ApproximateCreationDateTime" not in change.get("dynamodb", {})
    assert page.samples.created.tolist() == [CREATED - 5, CREATED if told else CREATED - 60.0, CREATED]


def test_rule_25_a_record_without_a_creation_time_counts_as_written_then(
    decoder: Decoder, record: Callable[..., dict[str, Any]]
) -> None:
    """When the shard began, or the page was asked for: the reader knows which."""
    strange = odd(record(1), ODD["no creation time"])
    page = decoder.page("s", [strange, strange, record(3)], written=CREATED - 60.0)
    assert page.samples.created.tolist() == [CREATED - 60.0, CREATED - 60.0, CREATED]


@pytest.mark.parametrize("change", [{"SequenceNumber": number} for number in (None, 7, "", "none", "-1", "¹")])
def test_rule_25_a_record_without_a_sequence_number_is_a_fault_of_the_call(
    decoder: Decoder, record: Callable[..., dict[str, Any]], change: dict[str, Any]
) -> None:
    """Nobody could go on after it."""
    for strange in (odd(record(2), {"dynamodb": change}), {"eventName": "INSERT"}, {"dynamodb": "x"}, "x", None):
        with pytest.raises(Retry, match="sequence number"):
            decoder.page("s", [record(1), strange])  # type: ignore[list-item]


def test_rule_25_an_odd_record_neither_kills_the_reader_nor_blocks_its_shard(stream: Stream) -> None:
    """It counts as written when the page was asked for, where the shard's id does not say when the shard began."""
    for page in range(3):
        numbers = stream.write("s1", 3, created=EPOCH + page)
        del stream.shards["s1"].records[-3]["dynamodb"]["ApproximateCreationDateTime"]
    reader = Reader(stream)
    for _ in range(3):
        reader.credit = 3
        reader.run(1.0)
        reader.source.credit("s1", 0, 3)
    assert reader.read()[-3:] == numbers
    batches = [batch for batch in reader.said(ShardBatch) if len(batch.samples)]
    assert [batch.samples.created[1:].tolist() for batch in batches] == [[EPOCH + page] * 2 for page in range(3)]
    assert all(batch.samples.created[0] == batch.asked_at for batch in batches)
    assert reader.said(Failed) == []


def test_rule_25_a_size_that_is_no_number_counts_as_none(stream: Stream) -> None:
    """It is only looked at to tell whether a page was cut."""
    numbers = stream.write("s1", 2)
    stream.shards["s1"].records[0]["dynamodb"]["SizeBytes"] = "large"
    del stream.shards["s1"].records[1]["dynamodb"]["SizeBytes"]
    assert Reader(stream).run(1.0).read() == numbers


def test_rule_25_a_record_that_has_no_number_once_is_read_later(stream: Stream) -> None:
    """Some answers are broken; the same question is answered well a moment later."""
    numbers = stream.write("s1", 3)
    change = stream.shards["s1"].records[1]["dynamodb"]
    change["SequenceNumber"] = None
    reader = Reader(stream).run(1.0)
    assert reader.read() == []
    change["SequenceNumber"] = numbers[1]
    assert reader.run(5.0).read() == numbers
    assert reader.said(Failed, Gap) == []


def test_rule_25_a_record_that_never_has_a_number_is_a_gap_in_the_end(stream: Stream) -> None:
    """It is said after a minute. After a quarter of an hour reading goes on behind it, and the table fills the gap."""
    first = stream.write("s1", 1)
    reader = Reader(stream).run(1.0)
    stream.write("s1", 1)
    numbers = stream.write("s1", 2)
    stream.shards["s1"].records[1]["dynamodb"]["SequenceNumber"] = None
    reader.run(TROUBLE_AFTER_S + RETRY_TO_S)
    assert "has the sequence number None" in reader.source.health().trouble
    assert reader.said(Gap) == []
    reader.run(GONE_AFTER_S)
    assert [gap.after for gap in reader.said(Gap)] == first
    assert reader.read() == first + numbers
    assert reader.source.health().trouble == ""
    numbers += stream.write("s1", 2)
    assert reader.run(5.0).read() == first + numbers
    assert len(reader.said(Gap)) == 1


@pytest.mark.parametrize(
    ("shard", "at"),
    [
        ("shardId-00000001784989000123-0a1b2c3d", 1_784_989_000.0),
        ("shardId-1784989000999-0a1b2c3d", 1_784_989_000.0),
        ("shardId-000000000000", None),
        ("s1", None),
    ],
)
def test_when_a_shard_began_stands_in_its_id(shard: str, at: float | None) -> None:
    """It is the same for whoever reads, and whenever."""
    assert envelope.begun(shard) == at
