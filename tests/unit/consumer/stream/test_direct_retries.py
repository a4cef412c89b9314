"""The direct source when calls fail: what it tries again and when, and what trouble it reports."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from stream_rig import Reader, Shard, Stream

from consumer.errors import ConfigurationError, Expired, Retry, Vanished
from consumer.stream.client import Listing
from consumer.stream.discovery import DISCOVER_S
from consumer.stream.ending import MISSING_FOR_S
from consumer.stream.page_reader import GONE_AFTER_S, POLL_S
from consumer.stream.shard import FAILURES_OF_AN_ITERATOR, RETRY_FROM_S, RETRY_TO_S
from consumer.stream.source import (
    Failed,
    ShardBatch,
    ShardEnded,
    ShardGone,
    ShardOpened,
)
from consumer.stream.trouble import TROUBLE_AFTER_S


def test_a_stream_that_is_gone_is_reported(stream: Stream) -> None:
    """Once it has been so for a minute, and the table does not name it: one answer proves nothing. It is looked for all
    the same."""
    stream.faults["describe"] = [Vanished("no stream"), ConfigurationError("access denied")]
    reader = Reader(stream).run(2 * DISCOVER_S + 1)
    assert [(f.shard, f.reason) for f in reader.said(Failed)] == [(None, "access denied")]
    assert [e.shard for e in reader.said(ShardOpened)] == ["s1"]
    stream.faults["describe"], stream.named = [Vanished("no stream")] * 12, False
    reader.run(2 * MISSING_FOR_S)
    assert len(reader.said(Failed)) == 2
    assert reader.run(60.0).source.health().trouble == ""


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


def test_a_stream_that_was_turned_off_is_told_apart_from_a_recreated_one(stream: Stream) -> None:
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


def test_a_shard_that_may_not_be_read_is_reported_and_tried_again(stream: Stream) -> None:
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


@pytest.mark.parametrize("call", ["iterator", "records"])
@pytest.mark.parametrize("answers", [1, 4])
def test_bug_26_a_false_answer_that_a_shard_does_not_exist_loses_nothing(
    stream: Stream, call: str, answers: int
) -> None:
    """DynamoDB and its emulators give it for shards that are listed and go on (public bugs). It ended the shard: 243 of
    332 records were never read."""
    numbers = stream.write("s1", 300)
    reader = Reader(stream)
    if call == "records":
        reader.run(1.0)
    stream.faults[call] = [Vanished("ResourceNotFoundException")] * answers
    numbers += stream.write("s1", 32)
    assert reader.run(20.0).read() == numbers
    assert reader.said(ShardGone, ShardEnded, Failed) == []
    assert reader.source.health().trouble == ""


def test_a_listed_shard_that_stays_unreadable_is_trouble_and_then_gone(stream: Stream) -> None:
    """The lane waits for it meanwhile. What it had is a gap, which the table fills."""
    stream.write("s1", 3)
    reader = Reader(stream).run(1.0)
    stream.faults["iterator"] = stream.faults["records"] = [Vanished("ResourceNotFoundException")] * 10_000
    reader.run(TROUBLE_AFTER_S + RETRY_TO_S)
    assert "s1 is listed, but cannot be read" in reader.source.health().trouble
    assert reader.said(ShardGone) == []
    calls = len(stream.calls)
    reader.run(GONE_AFTER_S)
    assert [gone.shard for gone in reader.said(ShardGone)] == ["s1"]
    assert reader.source.health().trouble == ""
    assert len(stream.calls) - calls < 400  # no hot loop


def test_a_shard_that_one_listing_misses_is_not_gone(stream: Stream) -> None:
    """A listing is consistent only eventually, and the false answer may come at the same time."""
    numbers = stream.write("s1", 3)
    reader = Reader(stream).run(1.0)
    stream.hidden.add("s1")
    stream.faults["records"] = [Vanished("ResourceNotFoundException")]
    reader.run(0.4)
    stream.hidden.clear()
    numbers += stream.write("s1", 2)
    assert reader.run(20.0).read() == numbers
    assert reader.said(ShardGone) == []


def test_bug_27_fresh_iterators_that_expire_make_no_hot_loop(stream: Stream) -> None:
    """20,000 calls in no time, and the health check well (public bugs too)."""
    numbers = stream.write("s1", 3)
    reader = Reader(stream)
    stream.faults["records"] = [Expired("ExpiredIteratorException")] * 10
    calls = len(stream.calls)
    reader.run(5.0)
    assert len([name for name, _ in stream.calls[calls:] if name == "records"]) <= 6
    assert reader.run(300.0).read() == numbers


def test_bug_28_an_iterator_that_is_refused_again_and_again_is_replaced(stream: Stream) -> None:
    """By a code that may be retried: it was kept for ever."""
    numbers = stream.write("s1", 3)
    reader = Reader(stream, credit=2).run(1.0)
    real, poisoned = stream.records, set[str]()

    def records(iterator: str, limit: int) -> Any:
        poisoned.update([iterator] if not poisoned else [])
        if iterator in poisoned:
            raise Retry("InternalServerError")
        return real(iterator, limit)

    stream.records = records  # type: ignore[method-assign]
    reader.source.credit("s1", 0, 10)
    assert reader.run(RETRY_FROM_S * 2**FAILURES_OF_AN_ITERATOR + 5.0).read() == numbers


def test_the_first_page_after_a_failure_is_marked(stream: Stream) -> None:
    """The merge begins the proof of idleness again with it, and only with it."""
    reader = Reader(stream).run(1.0)
    assert not any(batch.renewed for batch in reader.said(ShardBatch))
    stream.faults["records"] = [Vanished("ResourceNotFoundException")]
    before = len(reader.said(ShardBatch))
    reader.run(5.0)
    assert [batch.renewed for batch in reader.said(ShardBatch)[before:]][:3] == [True, False, False]


@pytest.mark.parametrize("error", [ConfigurationError("access denied"), Expired("an iterator")])
def test_the_first_page_after_a_refused_read_renews_the_proof(stream: Stream, error: Exception) -> None:
    """Records may have been written meanwhile: it is half a minute."""
    reader = Reader(stream).run(30.0)
    before = len(reader.said(ShardBatch))
    stream.faults["records"] = [error]
    reader.run(60.0)
    assert [batch.renewed for batch in reader.said(ShardBatch)[before:]][:2] == [True, False]
