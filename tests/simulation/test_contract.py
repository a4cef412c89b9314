"""The same questions to the simulator and to the emulator over a socket: the simulator must not drift."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from emulated import EmulatedTable
from sim_faults import Clock, Faults
from sim_reader import StreamReader
from sim_script import Write, single
from sim_stream import SimulatedStream

from consumer.errors import Trimmed, Vanished
from consumer.stream.client import Page, Streams
from consumer.stream.records import Decoder
from demo.emulator import Emulator
from window.samples import Kind, Names

TABLE = "contract"
NOW = 1_800_000_000.0


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of one open shard, which holds ``count`` samples at 1 s."""

    calls: Streams
    shard: str


Make = Callable[[int], Stream]


def item(row: int) -> dict[str, Any]:
    """One sample."""
    return {"ts": {"N": str(int(NOW) + row)}, "current": {"N": "2.5"}, "temperature": {"N": f"{25 + row / 10}"}}


@pytest.fixture(params=["simulator", "emulator"])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes a stream of that many samples."""
    if request.param == "simulator":
        return simulated
    emulator = request.getfixturevalue("emulator")
    return lambda count: emulated(
        emulator, f"{TABLE}-{request.node.name[:40].replace('[', '-').replace(']', '')}", count
    )


def simulated(count: int) -> Stream:
    """In memory."""
    writes = [
        Write(NOW + row, "INSERT", {"ts": item(row)["ts"]}, item(row), "scored", str(row)) for row in range(count)
    ]
    clock = Clock(NOW + count + 10.0)
    stream = SimulatedStream(single(Random(1), writes, begin=NOW), clock)
    return Stream(StreamReader(stream, "a", Faults(Random(1), clock)), stream.script.shards[0].name)


def emulated(emulator: Emulator, table: str, count: int) -> Stream:
    """Over a socket, parsed as the worker parses it."""
    made = EmulatedTable(emulator, table)
    for row in range(count):
        made.put(item(row))
    return Stream(made.streams, made.streams.describe(None).shards[0].shard)


def sequences(page: Page) -> list[str]:
    """Of its records."""
    return [record["dynamodb"]["SequenceNumber"] for record in page.records]


def test_an_open_shard_is_listed_once(make: Make) -> None:
    """One page, no parent, not closed."""
    listing = make(3).calls.describe(None)
    assert [(node.parent, node.closed) for node in listing.shards] == [(None, False)]
    assert listing.next_shard is None


def test_trim_horizon_reads_all_in_order(make: Make) -> None:
    """Sequence numbers have 21 digits or more and grow; the iterator goes on."""
    stream = make(5)
    page = stream.calls.records(stream.calls.iterator(stream.shard, "TRIM_HORIZON", None), 1000)
    numbers = sequences(page)
    assert len(numbers) == 5
    assert numbers == sorted(numbers, key=int)
    assert len(set(numbers)) == 5
    assert all(len(number) >= 21 for number in numbers)
    assert page.next_iterator is not None


def test_a_page_ends_at_the_limit(make: Make) -> None:
    """And the next one goes on behind it."""
    stream = make(5)
    iterator: str | None = stream.calls.iterator(stream.shard, "TRIM_HORIZON", None)
    read: list[list[str]] = []
    for _ in range(3):
        assert iterator is not None
        page = stream.calls.records(iterator, 2)
        read.append(sequences(page))
        iterator = page.next_iterator
    assert [len(numbers) for numbers in read] == [2, 2, 1]
    assert len({number for numbers in read for number in numbers}) == 5


def test_latest_reads_nothing_of_the_past(make: Make) -> None:
    """An empty page of an open shard has an iterator all the same."""
    stream = make(3)
    page = stream.calls.records(stream.calls.iterator(stream.shard, "LATEST", None), 1000)
    assert page.records in ((), [])
    assert page.next_iterator is not None
    again = stream.calls.records(page.next_iterator, 1000)
    assert again.records in ((), [])
    assert again.next_iterator is not None


def test_after_a_sequence_number_the_next_record_comes(make: Make) -> None:
    """Neither the same one again nor one too far."""
    stream = make(4)
    numbers = sequences(stream.calls.records(stream.calls.iterator(stream.shard, "TRIM_HORIZON", None), 1000))
    after = stream.calls.iterator(stream.shard, "AFTER_SEQUENCE_NUMBER", numbers[1])
    assert sequences(stream.calls.records(after, 1000)) == numbers[2:]
    end = stream.calls.iterator(stream.shard, "AFTER_SEQUENCE_NUMBER", numbers[-1])
    assert sequences(stream.calls.records(end, 1000)) == []


def test_an_iterator_may_be_used_twice(make: Make) -> None:
    """It is a place, not a cursor."""
    stream = make(3)
    iterator = stream.calls.iterator(stream.shard, "TRIM_HORIZON", None)
    assert sequences(stream.calls.records(iterator, 2)) == sequences(stream.calls.records(iterator, 2))


def test_what_is_gone_is_said_to_be_gone(make: Make) -> None:
    """A sequence number that the stream no longer has is trimmed; a shard that it does not have is not found."""
    stream = make(2)
    with pytest.raises(Trimmed):
        stream.calls.iterator(stream.shard, "AFTER_SEQUENCE_NUMBER", "1" + "0" * 20)
    with pytest.raises(Vanished):
        stream.calls.iterator("shardId-00000001500000000000-00000000", "TRIM_HORIZON", None)


def test_records_have_the_shape_that_is_decoded(make: Make) -> None:
    """The same fields with the same types, so that the decoder's columns are the same."""
    stream = make(3)
    page = stream.calls.records(stream.calls.iterator(stream.shard, "TRIM_HORIZON", None), 1000)
    decoded = Decoder(table=TABLE, device_key="device", devices=Names(), shards=Names()).page(
        stream.shard, page.records
    )
    assert decoded.samples.temperature_c.tolist() == [25.0, 25.1, 25.2]
    assert decoded.samples.ts.tolist() == [NOW, NOW + 1, NOW + 2]
    for record in page.records:
        assert {name: type(value) for name, value in record.items()} == {
            "eventID": str,
            "eventName": str,
            "eventVersion": str,
            "eventSource": str,
            "awsRegion": str,
            "dynamodb": dict,
        }
        change = {name: type(value) for name, value in record["dynamodb"].items() if name != "OldImage"}
        assert change == {
            "ApproximateCreationDateTime": int,
            "Keys": dict,
            "NewImage": dict,
            "SequenceNumber": str,
            "SizeBytes": int,
            "StreamViewType": str,
        }
    assert decoded.samples.kind[0] in (Kind.SAMPLE, Kind.FUTURE)
