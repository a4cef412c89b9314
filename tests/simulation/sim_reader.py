"""The stream calls as one host makes them, with their faults."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import floor
from operator import attrgetter
from random import Random
from typing import Any, TypeVar

from sim_faults import STREAM, Faults
from sim_script import Shard
from sim_stream import LISTINGS, SimulatedStream

from consumer.errors import BatteryWatchError, ConfigurationError, Expired, Retry, Trimmed, Vanished
from consumer.stream import page_reader
from consumer.stream.client import DynamoDBStreams, IteratorType, Listing, Page
from consumer.stream.source import ShardNode
from window.idle import NEAR_S

ITERATOR_LIVES_S = 15 * 60.0
MOST_RECORDS, MOST_BYTES = 1000, 1_000_000
CATCHING_UP_S = 5.0
MOST_EMPTY_S = 40.0
"""Empty pages in front of a record go on for that long at most, however seldom they are asked for (hosts ask seldom in
a simulation, for its speed): pages over a minute are taken for the tip (rule 24)."""
SELDOM_S = 1.0
"""A host that asks so seldom has seconds between two pages: what came meanwhile is new to it for longer."""
MOST_FALSE_ENDS = 2
"""A shard that a listing shows closed is over after three ends in a row (rule 25)."""
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class StreamNode:
    """A stream of the table, as ListStreams names it."""

    arn: str
    label: str


@dataclass(frozen=True, slots=True)
class StreamListing:
    """A page of ListStreams; ``next_arn`` None on the last."""

    streams: tuple[StreamNode, ...]
    next_arn: str | None


@dataclass(frozen=True, slots=True)
class _Iterator:
    shard: str
    row: int
    empties: int
    issued: float

    @classmethod
    def of(cls, token: str) -> _Iterator:
        """From its token, which says all of it."""
        shard, row, empties, issued = token.rsplit("|", 3)
        return cls(shard, int(row), int(empties), float(issued))


class StreamReader:
    """`consumer.stream.client.Streams` for one host. ``dated``: its answers say the time, in whole seconds."""

    def __init__(self, stream: SimulatedStream, host: str, faults: Faults, *, dated: bool = False) -> None:
        self._stream = stream
        self._host = host
        self._faults = faults
        self._rng = Random(f"{stream.seed}/{host}")
        self._dated = dated
        self._missing: str | None = None
        self._empty = False
        self._false_ends: Counter[str] = Counter()

    @property
    def label(self) -> str:
        """Of the stream that is read."""
        return self._stream.label

    def labels(self) -> list[str]:
        """All pages of ListStreams."""
        found: list[str] = []
        after: str | None = None
        while True:
            page = self.streams(after)
            found += [node.label for node in page.streams]
            after = page.next_arn
            if after is None:
                break
        if self._stream.clock.now >= self._stream.table_deleted:
            raise Vanished("DescribeTable: there is no such table")
        return found

    def streams(self, after_arn: str | None) -> StreamListing:
        """ListStreams of the table, the newest first as it happens, in pages as small as those of shards."""
        return self._call("streams", lambda: self._streams(after_arn))

    def describe(self, after_shard: str | None) -> Listing:
        """DescribeStream: a page of the shard graph, as consistent as the weather has it."""
        self._refuse_sick("describe", LISTINGS)
        return self._call("describe", lambda: replace(self._describe(after_shard), served=self._date()))

    def iterator(self, shard: str, kind: IteratorType, sequence: str | None) -> str:
        """GetShardIterator."""
        self._refuse_sick("iterator", shard)
        return self._call("iterator", lambda: self._iterator(shard, kind, sequence))

    def records(self, iterator: str, limit: int) -> Page:
        """GetRecords."""
        shard = _Iterator.of(iterator).shard
        self._refuse_sick("records", shard)
        page = self._call("records", lambda: replace(self._records(iterator, limit), served=self._date()))
        self._false_ends[shard] = 0 if page.next_iterator is not None else self._false_ends[shard] + 1
        return page

    def _date(self) -> float | None:
        return float(floor(self._stream.clock.now)) if self._dated else None

    def _refuse_sick(self, call: str, shard: str) -> None:
        """Every call for a shard that is sick fails, or every listing (`Weather.sick`)."""
        now = self._stream.clock.now
        for name, start, end, fault in self._stream.weather.sick:
            if name == shard and start <= now < end:
                self._stream.calls[call] += 1
                self._faults.count(f"{fault}, {'one shard' if shard else 'listings'} for minutes")
                raise _error(call, fault)

    def _call(self, name: str, effect: Callable[[], Answer]) -> Answer:
        self._stream.calls[name] += 1
        return self._faults.call(STREAM, effect, partial(_error, name), self._untrue)

    def _untrue(self, fault: str, answer: Answer) -> Answer:
        """A page of an open shard that says it is the last one; never three in a row, which nobody could doubt."""
        if not isinstance(answer, Page) or answer.next_iterator is None or fault != "stream ends falsely":
            return answer
        believed = self._false_ends[_Iterator.of(answer.next_iterator).shard] >= MOST_FALSE_ENDS
        return answer if believed else replace(answer, next_iterator=None)

    def _streams(self, after_arn: str | None) -> StreamListing:
        there = [s for s in reversed(self._stream.siblings or [self._stream]) if s.exists]
        first = next((row + 1 for row, s in enumerate(there) if s.arn == after_arn), 0)
        page = there[first : first + self._stream.weather.page_shards]
        last = page[-1].arn if len(there) > first + len(page) else None
        return StreamListing(tuple(StreamNode(s.arn, s.label) for s in page), last)

    def _describe(self, after_shard: str | None) -> Listing:
        stream, weather, now = self._stream, self._stream.weather, self._stream.clock.now
        if not stream.exists:
            raise Vanished("ResourceNotFoundException: the stream does not exist")
        shards = stream.listed()
        if weather.listing_lag_s:
            shards = [s for s in shards if now >= s.opened + stream.lag_s(s, "opened")]
        if after_shard is None:
            self._empty = self._rng.random() < weather.empty_listings
            hole = bool(shards) and self._rng.random() < weather.holes
            self._missing = self._rng.choice(shards).name if hole else None
        rest = shards if after_shard is None else shards[bisect_right(shards, after_shard, key=attrgetter("name")) :]
        if self._missing is not None:
            rest = [s for s in rest if s.name != self._missing]
        if after_shard is not None and rest and self._empty and self._rng.random() < 0.5:
            self._empty = False
            return Listing((), after_shard)
        page = rest[: weather.page_shards]
        nodes = tuple(ShardNode(s.name, s.parent, now >= s.closed + stream.lag_s(s, "closed")) for s in page)
        if len(rest) > len(page):
            return Listing(nodes, page[-1].name)
        last = page[-1].name if page else after_shard
        return Listing(nodes, last if weather.endless_listing else None)

    def _iterator(self, name: str, kind: IteratorType, sequence: str | None) -> str:
        shard = self._stream.there(name)
        if kind == "LATEST":
            row = bisect_right(shard.visible, self._stream.clock.now)
        elif kind == "TRIM_HORIZON":
            row = self._stream.first_kept(shard)
        else:
            assert sequence, "AFTER_SEQUENCE_NUMBER without a sequence number is a ValidationException"
            row = bisect_right(shard.sequences, int(sequence))
            if row < max(1, self._stream.first_kept(shard)):
                raise Trimmed(f"TrimmedDataAccessException: {name} after {sequence}")
        return self._issue(name, row, 0)

    def _records(self, token: str, limit: int) -> Page:
        assert 1 <= limit <= MOST_RECORDS, f"a limit of {limit} is a ValidationException"
        stream, at = self._stream, _Iterator.of(token)
        if stream.clock.now - at.issued >= ITERATOR_LIVES_S:
            raise Expired("ExpiredIteratorException")
        shard = stream.there(at.shard)
        stream.note_reader(at.shard, self._host)
        if at.row < stream.first_kept(shard):
            raise Trimmed(f"TrimmedDataAccessException: {at.shard}")
        now, total = stream.clock.now, len(shard.records)
        ready = bisect_right(shard.visible, now)
        if at.row < ready and at.empties < self._empties(shard, at.row):
            return Page((), self._issue(at.shard, at.row, at.empties + 1))
        end = self._page_end(shard, at.row, min(ready, at.row + limit))
        records = shard.records[at.row : end]
        if end == total and now >= shard.closed:
            trailing = bool(records) and stream.drawn(at.shard, "trailing") < stream.weather.trailing
            if trailing:
                return Page(records, self._issue(at.shard, end, 0))
            stream.ended.add(at.shard)
            return Page(records, None)
        return Page(records, self._issue(at.shard, end, 0))

    def _page_end(self, shard: Shard, row: int, end: int) -> int:
        if end - row > 1 and self._stream.drawn(shard.name, row, "short") < self._stream.weather.short_pages:
            end = row + 1 + int(self._stream.drawn(shard.name, row, "length") * (end - row - 1))
        size = 0
        for at, record in enumerate(shard.records[row:end], row):
            size += record["dynamodb"]["SizeBytes"]
            if size > MOST_BYTES and at > row:
                return at
        return end

    def _empties(self, shard: Shard, row: int) -> int:
        """Empty pages in front of a record. A new record has none: at its tip a shard must tell the truth (rule 5)."""
        weather, now = self._stream.weather, self._stream.clock.now
        new_s = CATCHING_UP_S if page_reader.POLL_S < SELDOM_S else NEAR_S
        if not weather.empty_pages or now - shard.visible[row] < new_s:
            return 0
        drawn = self._stream.drawn(shard.name, row, "empty")
        run = min(weather.empty_run, max(2, int(MOST_EMPTY_S / page_reader.POLL_S)))
        most = 12 if weather.empty_closed and now >= shard.closed else run
        return 1 + int(drawn / weather.empty_pages * most) if drawn < weather.empty_pages else 0

    def _issue(self, shard: str, row: int, empties: int) -> str:
        return f"{shard}|{row}|{empties}|{self._stream.clock.now!r}"


class _BrokenClient:
    """A boto3 client behind a gateway that answers what the API does not promise, with status 200."""

    def __init__(self, fault: str) -> None:
        self._fault = fault

    def _answer(self, **request: object) -> Any:
        return json.loads("<html>") if self._fault == "stream answers no JSON" else {}

    list_streams = describe_stream = get_shard_iterator = get_records = _answer


def _broken(call: str, fault: str) -> Exception:
    """What the real client raises for such an answer: it is asked."""
    client = DynamoDBStreams(_BrokenClient(fault), "arn:aws:dynamodb:eu-central-1:1:table/t/stream/l")  # type: ignore[arg-type]
    ask: dict[str, Callable[[], object]] = {
        "streams": lambda: json.loads(""),
        "describe": lambda: client.describe(None),
        "iterator": lambda: client.iterator("shard", "TRIM_HORIZON", None),
        "records": lambda: client.records("iterator", 1),
    }
    try:
        ask[call]()
    except (BatteryWatchError, ValueError) as error:
        return error if isinstance(error, BatteryWatchError) else Retry(f"ListStreams: {error!r}")
    raise AssertionError(f"the client took {fault} for an answer to {call}")


def _error(call: str, fault: str) -> Exception:
    if fault in ("stream answers no JSON", "stream answer lacks a key"):
        return _broken(call, fault)
    if fault == "stream says trimmed" and call == "records":
        return Trimmed("TrimmedDataAccessException")
    if fault == "stream says not found":
        return Vanished("ResourceNotFoundException")
    if fault == "stream says expired" and call == "records":
        return Expired("ExpiredIteratorException")
    if fault == "stream access denied":
        return ConfigurationError("AccessDeniedException")
    return Retry(fault)
