"""No single answer of the stream is final (rule 25)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from stream_rig import EPOCH, Reader, Shard, Stream

from consumer.errors import Expired, Retry, Trimmed, Vanished
from consumer.stream.client import Page
from consumer.stream.discovery import DISCOVER_S
from consumer.stream.page_reader import BEHIND_GAP_S, HORIZON_S
from consumer.stream.shard import RETRY_TO_S, TRIMMED_FOR_S
from consumer.stream.source import Failed, Gap, Position, ShardBatch, ShardEnded, ShardGone, ShardOpened
from consumer.stream.trouble import TROUBLE_AFTER_S

ONE_LISTING_S = 0.35


def without_next(stream: Stream, *, answers: int, shard: str = "s1", empty: bool = False) -> None:
    """The next answers for a shard lack their next iterator, and with ``empty`` their records too."""
    real, left = stream.records, [answers]

    def records(iterator: str, limit: int) -> Page:
        page = real(iterator, limit)
        if left[0] and iterator.startswith(f"{shard}@"):
            left[0] -= 1
            return Page([] if empty else page.records, None)
        return page

    stream.records = records  # type: ignore[method-assign]


# The end of a shard


@pytest.mark.parametrize("answers", [1, 3])
@pytest.mark.parametrize("empty", [True, False])
def test_rule_25_a_next_iterator_that_is_missing_ends_no_open_shard(
    stream: Stream, *, answers: int, empty: bool
) -> None:
    """A broken answer is not the end: reading goes on behind the last record, and nothing is read twice."""
    numbers = stream.write("s1", 300)
    reader = Reader(stream, credit=100).run(1.0)
    without_next(stream, answers=answers, empty=empty)
    reader.source.credit("s1", 0, 1000)
    reader.run(10.0)
    numbers += stream.write("s1", 32)
    assert reader.run(20.0).read() == numbers
    assert reader.said(ShardEnded, ShardGone, Gap, Failed) == []
    assert reader.source.health().trouble == ""


def test_rule_25_a_next_iterator_that_is_missing_ends_no_closed_shard_before_its_last_record(stream: Stream) -> None:
    """A listing confirms that it is closed, but not that it was read to its end."""
    numbers = stream.write("s1", 300)
    stream.roll_over("s1", "s2")
    numbers += stream.write("s2", 3)
    reader = Reader(stream, credit=100).run(1.0)
    without_next(stream, answers=1, empty=True)
    for shard in ("s1", "s2"):
        reader.source.credit(shard, 0, 1000)
    reader.run(20.0)
    reader.source.credit("s2", 0, 1000)
    assert reader.run(20.0).read() == numbers


def test_rule_25_the_end_of_a_shard_waits_for_a_listing_that_shows_it(stream: Stream) -> None:
    """Listings may be seconds behind. Until then the shard is asked again and again, less and less often; after a
    minute that is said."""
    numbers = stream.write("s1", 3)
    reader = Reader(stream).run(1.0)
    without_next(stream, answers=10**6)
    reader.run(TROUBLE_AFTER_S + 2 * RETRY_TO_S)
    assert reader.said(ShardEnded) == []
    assert "no listing shows that it is closed" in reader.source.health().trouble
    asked = len([call for call, _ in stream.calls if call == "records"])
    reader.run(600.0)
    assert len([call for call, _ in stream.calls if call == "records"]) - asked <= 600.0 / RETRY_TO_S + 1
    stream.roll_over("s1", "s2")
    numbers += stream.write("s2", 2)
    assert reader.run(DISCOVER_S + 1.0).read() == numbers
    assert [end.shard for end in reader.said(ShardEnded)] == ["s1"]
    assert reader.source.health().trouble == ""


@pytest.mark.parametrize("shown", ["as closed", "by its child"])
def test_rule_25_a_rollover_takes_no_longer_than_a_listing(stream: Stream, shown: str) -> None:
    """That is asked for at once: samples wait for the children."""
    stream.write("s1", 3)
    reader = Reader(stream).run(25.0)
    stream.roll_over("s1", "s2")
    if shown == "by its child":
        real = stream.describe
        stream.describe = lambda after: _open(real(after))  # type: ignore[method-assign]
    before = reader.now
    numbers = stream.write("s2", 2)
    reader.run(0.2 + ONE_LISTING_S)
    assert reader.read("s2") == numbers
    assert [end.shard for end in reader.said(ShardEnded)] == ["s1"]
    assert reader.now - before < 1.0


def _open(listing: Any) -> Any:
    """A listing in which no shard is closed."""
    return replace(listing, shards=tuple(replace(node, closed=False) for node in listing.shards))


def test_rule_25_a_shard_whose_end_was_listed_before_ends_at_once(stream: Stream) -> None:
    """In a catch-up through a day of shards no listing is waited for."""
    numbers: list[str] = []
    for n in range(1, 20):
        numbers += stream.write(f"s{n}", 5)
        stream.roll_over(f"s{n}", f"s{n + 1}")
    reader = Reader(stream).run(0.0)
    assert reader.said(ShardEnded)
    reader.run(1.0)
    assert reader.read() == numbers


def test_rule_25_a_shard_that_is_deleted_before_its_end_is_confirmed_has_ended(stream: Stream) -> None:
    """It had said that there is no more, so nothing of it is missing."""
    stream.write("s1", 3)
    reader = Reader(stream).run(1.0)
    without_next(stream, answers=10**6)
    reader.run(5.0)
    stream.shards["s2"] = Shard(parent=None)
    del stream.shards["s1"]
    reader.run(120.0)
    assert [type(event) for event in reader.said(ShardEnded, ShardGone)] == [ShardEnded]


def test_rule_25_a_shard_that_was_begun_at_its_tip_and_had_no_record_since_ends(stream: Stream) -> None:
    """To confirm its end it is read from the horizon, through pages of records that are not wanted."""
    stream.write("s1", 2500, created=EPOCH - 3600.0)
    reader = Reader(stream, "latest").run(5.0)
    stream.roll_over("s1", "s2")
    numbers = stream.write("s2", 3, created=EPOCH + 10.0)
    assert reader.run(2.0).read() == numbers
    assert [end.shard for end in reader.said(ShardEnded)] == ["s1"]


@pytest.mark.parametrize("pages", [1, 3])
def test_rule_25_a_closed_shard_may_have_empty_pages_before_its_end(stream: Stream, pages: int) -> None:
    """Any number, for every new iterator: they do not take back that there is no more."""
    numbers = stream.write("s1", 3)
    reader = Reader(stream).run(5.0)
    stream.roll_over("s1", "s2")
    numbers += stream.write("s2", 3)
    real_iterator, real, left = stream.iterator, stream.records, [0]

    def iterator(*of: Any) -> str:
        left[0] = pages
        return real_iterator(*of)

    def records(iterator: str, limit: int) -> Page:
        page = real(iterator, limit)
        if page.next_iterator is None and left[0]:
            left[0] -= 1
            return Page(page.records, iterator)
        return page

    stream.iterator, stream.records = iterator, records  # type: ignore[method-assign]
    assert reader.run(5.0).read() == numbers
    assert [end.shard for end in reader.said(ShardEnded)] == ["s1"]


def test_rule_25_false_ends_from_before_confirm_no_later_end(stream: Stream) -> None:
    """Two answers had no next iterator, then the shard went on. Closed later, it is still read to its end."""
    numbers = stream.write("s1", 3)
    reader = Reader(stream, credit=3).run(1.0)
    without_next(stream, answers=2, empty=True)
    reader.source.credit("s1", 0, 1)
    reader.run(5.0)
    reader.source.credit("s1", 0, -1)
    numbers += stream.write("s1", 300)
    stream.roll_over("s1", "s2")
    reader.run(25.0)
    assert reader.said(ShardEnded) == []
    reader.source.credit("s1", 0, 1000)
    assert reader.run(5.0).read() == numbers


# Trimmed records


@pytest.mark.parametrize("call", ["iterator", "records"])
@pytest.mark.parametrize("answers", [1, 4])
def test_rule_25_a_false_answer_that_records_are_trimmed_loses_nothing(stream: Stream, call: str, answers: int) -> None:
    """Floci and LocalStack gave it for fresh iterators. It led to a gap, and to reading all again from the horizon."""
    numbers = stream.write("s1", 5)
    reader = Reader(stream).run(1.0)
    stream.faults[call] = [Trimmed("TrimmedDataAccessException")] * answers
    if call == "iterator":
        stream.expire()
    numbers += stream.write("s1", 5)
    assert reader.run(30.0).read() == numbers
    assert reader.said(Gap, Failed) == []
    assert reader.source.health().trouble == ""


def test_rule_25_trimmed_records_are_a_gap_once_a_minute_of_answers_says_so(stream: Stream) -> None:
    """Each to a new iterator, less and less often. Then reading goes on at the horizon."""
    stream.write("s1", 10)
    stream.shards["s1"].trimmed = 6
    reader = Reader(stream, positions={"s1": Position("3")}).run(TRIMMED_FOR_S - 1.0)
    assert (reader.read(), reader.said(Gap)) == ([], [])
    assert len([call for call, _ in stream.calls if call == "iterator"]) <= 8
    reader.run(2.0 + BEHIND_GAP_S)
    assert [gap.after for gap in reader.said(Gap)] == ["3"]
    assert reader.read() == ["7", "8", "9", "10"]


def test_rule_25_two_answers_a_minute_apart_are_no_minute_of_answers(stream: Stream) -> None:
    """The process may have stood still in between."""
    numbers = stream.write("s1", 5)
    reader = Reader(stream).run(1.0)
    stream.faults["records"] = [Trimmed("TrimmedDataAccessException")] * 2
    reader.run(0.3)
    reader.now += 2 * TRIMMED_FOR_S
    numbers += stream.write("s1", 1)
    assert reader.run(10.0).read() == numbers
    assert reader.said(Gap) == []


@pytest.mark.parametrize(("age_s", "gaps"), [(HORIZON_S + 60.0, 1), (3600.0, 0)])
def test_rule_25_what_is_trimmed_at_the_horizon_itself_is_a_gap_if_the_next_record_is_that_old(
    stream: Stream, age_s: float, gaps: int
) -> None:
    """A new iterator begins at a new horizon, so it cannot confirm it."""
    numbers = stream.write("s1", 3, created=EPOCH - age_s)
    stream.faults["records"] = [Trimmed("TrimmedDataAccessException")]
    reader = Reader(stream).run(5.0)
    assert reader.read() == numbers
    assert len(reader.said(Gap)) == gaps


# Refusals that go on


@pytest.mark.parametrize("call", ["iterator", "records"])
@pytest.mark.parametrize("error", [Retry("LimitExceededException"), Expired("expired"), Vanished("not found")])
def test_rule_25_a_refusal_that_goes_on_is_said_after_a_minute_and_makes_no_hot_loop(
    stream: Stream, call: str, error: Exception
) -> None:
    """Whichever it is. The other shards go on, and it is over with the first answer."""
    stream.shards["s2"] = Shard()
    reader = Reader(stream).run(1.0)
    real = getattr(stream, call)

    def refusing(first: str, *rest: Any) -> Any:
        if first.startswith("s1"):
            stream.calls.append((call, "refused"))
            raise error
        return real(first, *rest)

    setattr(stream, call, refusing)
    stream.expire()
    reader.run(TROUBLE_AFTER_S - 5.0)
    assert reader.source.health().trouble == ""
    reader.run(2 * RETRY_TO_S)
    assert "s1" in reader.source.health().trouble
    assert stream.calls.count((call, "refused")) <= 10
    setattr(stream, call, real)
    numbers = stream.write("s2", 2) + stream.write("s1", 2)
    assert sorted(reader.run(RETRY_TO_S).read()) == sorted(numbers)
    assert reader.source.health().trouble == ""


def test_rule_25_listings_that_fail_while_the_shards_answer_are_said_after_a_minute(stream: Stream) -> None:
    """No new shard would be found: the worker was blind and well."""
    reader = Reader(stream).run(1.0)
    stream.faults["describe"] = [Retry("InternalServerError")] * 100
    reader.run(TROUBLE_AFTER_S - 5.0)
    assert reader.source.health().trouble == ""
    reader.run(30.0)
    assert reader.source.health().trouble == "the shards cannot be listed: InternalServerError"
    stream.faults.clear()
    assert reader.run(DISCOVER_S + 1.0).source.health().trouble == ""


def test_rule_24_pages_say_when_they_were_asked_for_in_the_services_time(stream: Stream) -> None:
    """The host's clock is ten minutes ahead."""
    stream.service_behind_s = 600.0
    reader = Reader(stream, "latest").run(30.0)
    assert all(
        -1.5 <= batch.asked_at - (EPOCH - 600.0 + n * 0.2) <= 0.5 for n, batch in enumerate(reader.said(ShardBatch))
    )
    (opened,) = reader.said(ShardOpened)
    assert EPOCH - 602.0 <= opened.since <= EPOCH - 600.0
