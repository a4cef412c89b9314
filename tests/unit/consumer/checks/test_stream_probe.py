"""A look at the newest records: can the bundle judge this data, can its clock be trusted?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from consumer.checks.stream_probe import NEWEST, PAGES_A_SHARD, judge_newest, read_newest
from consumer.findings import Finding, State
from consumer.stream.client import Listing, Page
from consumer.stream.records import Decoder
from consumer.stream.source import ShardNode
from scoring.bundle import Bundle
from window.samples import Names

T = 1_784_989_500


class Stream:
    """Shards with pages of records; those that are closed are not to be read."""

    def __init__(self, **pages: list[list[dict[str, Any]]]) -> None:
        self.pages = pages
        self.reads = 0

    def describe(self, after_shard: str | None) -> Listing:
        names = list(self.pages)
        begin = names.index(after_shard) + 1 if after_shard else 0
        nodes = [ShardNode(names[begin], None, names[begin].startswith("closed"))]
        return Listing(nodes, names[begin] if begin + 1 < len(names) else None)

    def iterator(self, shard: str, kind: str, sequence: str | None) -> str:
        assert not shard.startswith("closed")
        assert (kind, sequence) == ("TRIM_HORIZON", None)
        return f"{shard} 0"

    def records(self, iterator: str, limit: int) -> Page:
        self.reads += 1
        shard, place = iterator.split()
        pages = self.pages[shard]
        return Page(pages[int(place)] if int(place) < len(pages) else [], f"{shard} {int(place) + 1}")


@pytest.fixture
def judged(plain_bundle: Bundle) -> Callable[..., dict[str, Finding]]:
    """What is found of these records, by subject."""

    def judge(*records: dict[str, Any], time_keyed: bool = True) -> dict[str, Finding]:
        decoder = Decoder(table="device4", device_key="device", devices=Names(), shards=Names())
        newest = read_newest(Stream(s=[list(records)]), decoder)  # type: ignore[arg-type]
        return {finding.subject: finding for finding in judge_newest(newest, plain_bundle, time_keyed=time_keyed)}

    return judge


Judged = Callable[..., dict[str, Finding]]
Make = Callable[..., dict[str, Any]]


def test_good_records_are_fine(judged: Judged, record: Make) -> None:
    """Seconds, a clock that is right, inside the training range."""
    found = judged(*(record(n, created=T + n, ts=T + n - 1) for n in range(50)))
    assert {finding.state for finding in found.values()} == {State.FINE}
    assert set(found) == {"newest records", "ts", "clock", "training range"}


def test_an_empty_stream_is_a_note(judged: Judged, record: Make) -> None:
    """Removed items are no samples."""
    for found in (judged(), judged(record(1, event="REMOVE"))):
        assert [(finding.subject, finding.state) for finding in found.values()] == [("newest records", State.NOTE)]


def test_milliseconds_are_told_and_nothing_else_is_guessed(judged: Judged, record: Make) -> None:
    """Of times in another unit nothing can be said."""
    found = judged(*(record(n, created=T + n, ts=(T + n) * 1000) for n in range(10)))
    assert (found["ts"].state, found["ts"].found) == (State.FAULT, "looks like milliseconds")
    assert "clock" not in found
    assert "training range" not in found


@pytest.mark.parametrize(
    ("behind_s", "state"), [(4, State.FINE), (-4, State.FINE), (60, State.NOTE), (-60, State.NOTE), (1600, State.FAULT)]
)
def test_a_clock_that_is_off_is_told(judged: Judged, record: Make, behind_s: int, state: State) -> None:
    """By how much, and which way."""
    found = judged(*(record(n, created=T + n, ts=T + n - behind_s) for n in range(10)))["clock"]
    assert found.state is state
    assert f"{abs(behind_s):.1f} s {'after' if behind_s > 0 else 'before'}" in found.found


@pytest.mark.parametrize(("outside", "state"), [(0, State.FINE), (2, State.FINE), (3, State.NOTE), (10, State.NOTE)])
def test_data_outside_the_training_range_is_told(judged: Judged, record: Make, outside: int, state: State) -> None:
    """More than a fifth: a stranger's table would alarm for ever."""
    rows = [record(n, created=T + n, ts=T + n, current=99.0 if n < outside else 2.0) for n in range(10)]
    assert judged(*rows)["training range"].state is state


@pytest.mark.parametrize(("broken", "state"), [(1, State.NOTE), (10, State.FAULT)])
def test_records_that_would_be_quarantined_are_told_with_a_reason(
    judged: Judged, record: Make, broken: int, state: State
) -> None:
    """All of them is a fault."""
    rows = [record(n, created=T + n, ts=T + n, temperature=None if n < broken else 25.0) for n in range(10)]
    found = judged(*rows)["newest records"]
    assert found.state is state
    assert f"{broken} would be quarantined: attribute 'temperature' is missing" in found.found


def test_two_devices_in_a_table_keyed_by_time_are_told(judged: Judged, record: Make) -> None:
    """They overwrite each other's samples; in another table they are welcome."""
    rows = [record(n, created=T + n, ts=T + n, device={"S": "ab"[n % 2]}) for n in range(10)]
    assert judged(*rows)["devices"].state is State.FAULT
    assert "devices" not in judged(*rows, time_keyed=False)


def test_two_devices_under_one_name_are_told(judged: Judged, record: Make) -> None:
    """With the name and how many; slightly other readings are a note, the same ones nothing."""
    for apart, state in ((1.0, State.FAULT), (0.01, State.NOTE)):
        rows = [record(n, created=T + n // 2, ts=T + n // 2, current=2.5 - n % 2 * apart) for n in range(40)]
        found = judged(*rows)["overwritten"]
        assert found.state is state
        assert "20 of the newest 40 samples of 'device4' overwrite another of the same ts" in found.found
    again = [record(n, created=T + n // 2, ts=T + n // 2) for n in range(40)]
    assert "overwritten" not in judged(*again)


def test_open_shards_are_read_to_their_tips_within_bounds(record: Make) -> None:
    """Of the newest by creation; a shard that is too long is said to be cut."""
    decoder = Decoder(table="device4", device_key="device", devices=Names(), shards=Names())
    pages = [[record(n * 100 + k, created=T + n * 100 + k) for k in range(100)] for n in range(4)]
    stream: Any = Stream(closed1=[], a=pages[:2], b=pages[2:])
    newest = read_newest(stream, decoder)
    assert newest.samples.created.tolist() == [T + n for n in range(400 - NEWEST, 400)]
    assert not newest.cut
    endless: Any = Stream(a=[pages[0]] * (PAGES_A_SHARD + 5))
    assert read_newest(endless, decoder).cut
    assert endless.reads == PAGES_A_SHARD
