"""The stream calls over a script, on a virtual clock: what DynamoDB Streams may do, it does here, from a seed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar
from zlib import crc32

from sim_faults import STREAM, Clock, Faults
from sim_script import Script, Shard

from consumer.errors import ConfigurationError, Expired, Retry, Trimmed, Vanished
from consumer.source import ShardNode
from consumer.streams import IteratorType, Listing, Page

ITERATOR_LIVES_S = 15 * 60.0
KEPT_S = 24 * 3600.0
MOST_RECORDS, MOST_BYTES = 1000, 1_000_000
MOST_READERS, READING_S = 2, 5.0
CATCHING_UP_S = 5.0
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Weather:
    """How inconvenient the stream is within its contract. Chances are per record, shard or listing.

    ``empty_pages``: of empty pages in front of a record that is not new; at most ``empty_run`` in a row in an open
    shard (three over a second prove its tip, rule 5), any number in a closed one where ``empty_closed``.
    ``short_pages``: of a page that ends before its limit. ``trailing``: of a closed shard whose end is told only by a
    further, empty page. ``listing_lag_s``: how long new shards, and the closing of old ones, stay unlisted at most.
    ``empty_listings``: of a listing in which a page is empty and repeats the id it was asked with.
    ``endless_listing``: the last page never says that it is the last. ``holes``: of a listing that lacks one shard.
    ``page_shards``: shards in a listing page.
    """

    empty_pages: float = 0.0
    empty_run: int = 2
    empty_closed: bool = False
    short_pages: float = 0.0
    trailing: float = 0.0
    listing_lag_s: float = 0.0
    empty_listings: float = 0.0
    endless_listing: bool = False
    holes: float = 0.0
    page_shards: int = 100


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


@dataclass(slots=True)
class SimulatedStream:
    """One stream. `reader` gives a host its way to it. ``deleted``: from when on neither stream nor shard is there."""

    script: Script
    clock: Clock
    weather: Weather = field(default_factory=Weather)
    seed: int = 0
    deleted: float = float("inf")
    calls: Counter[str] = field(default_factory=Counter)
    ended: set[str] = field(default_factory=set)
    _read_by: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The stream's label: its time of creation."""
        return self.script.label

    @property
    def arn(self) -> str:
        """The stream's name, with its label."""
        return f"arn:aws:dynamodb:eu-central-1:123456789012:table/{self.script.table}/stream/{self.label}"

    def reader(self, host: str, faults: Faults) -> StreamReader:
        """The calls as a host makes them."""
        return StreamReader(self, host, faults)

    def listed(self) -> list[Shard]:
        """Every shard that there is now, in order of name."""
        now = self.clock.now
        return sorted((s for s in self.script.shards if s.opened <= now and not self._gone(s)), key=lambda s: s.name)

    def first_kept(self, shard: Shard) -> int:
        """Row of the shard's oldest record that is not trimmed."""
        return bisect_left(shard.written, self.clock.now - KEPT_S)

    def there(self, name: str) -> Shard:
        """A shard by name. Raises `Vanished`."""
        shard = self.script.by_name.get(name)
        if shard is None or shard.opened > self.clock.now or self._gone(shard) or self.clock.now >= self.deleted:
            raise Vanished(f"ResourceNotFoundException: shard {name} does not exist")
        return shard

    def note_reader(self, shard: str, host: str) -> None:
        """At most two processes read a shard at a time; a third is throttled, and everyone with it."""
        readers = self._read_by.setdefault(shard, {})
        readers[host] = self.clock.now
        reading = [name for name, at in readers.items() if self.clock.now - at < READING_S]
        assert len(reading) <= MOST_READERS, f"shard {shard} has {len(reading)} readers: {reading}"

    def left(self, host: str) -> None:
        """A process is gone: it reads nothing any more."""
        for readers in self._read_by.values():
            readers.pop(host, None)

    def drawn(self, *what: object) -> float:
        """A number in [0, 1) that belongs to a thing, whoever asks for it and how often."""
        return crc32(repr((self.seed, what)).encode()) / 2**32

    def _gone(self, shard: Shard) -> bool:
        return shard.closed < self.clock.now - KEPT_S


class StreamReader:
    """`consumer.streams.Streams` for one host."""

    def __init__(self, stream: SimulatedStream, host: str, faults: Faults) -> None:
        self._stream = stream
        self._host = host
        self._faults = faults
        self._rng = Random(f"{stream.seed}/{host}")
        self._missing: str | None = None
        self._empty = False

    @property
    def label(self) -> str:
        """Of the stream that is read."""
        return self._stream.label

    def labels(self) -> list[str]:
        """ListStreams."""
        return self._call("list", lambda: [self._stream.label])

    def describe(self, after_shard: str | None) -> Listing:
        """DescribeStream: a page of the shard graph, as consistent as the weather has it."""
        return self._call("describe", lambda: self._describe(after_shard))

    def iterator(self, shard: str, kind: IteratorType, sequence: str | None) -> str:
        """GetShardIterator."""
        return self._call("iterator", lambda: self._iterator(shard, kind, sequence))

    def records(self, iterator: str, limit: int) -> Page:
        """GetRecords."""
        return self._call("records", lambda: self._records(iterator, limit))

    def _call(self, name: str, effect: Callable[[], Answer]) -> Answer:
        self._stream.calls[name] += 1
        return self._faults.call(STREAM, effect, _error)

    def _describe(self, after_shard: str | None) -> Listing:
        stream, weather, now = self._stream, self._stream.weather, self._stream.clock.now
        if now >= stream.deleted:
            raise Vanished("ResourceNotFoundException: the stream does not exist")
        shards = [s for s in stream.listed() if now >= s.opened + self._lag_s(s, "opened")]
        if after_shard is None:
            self._empty = self._rng.random() < weather.empty_listings
            hole = bool(shards) and self._rng.random() < weather.holes
            self._missing = self._rng.choice(shards).name if hole else None
        rest = [s for s in shards if s.name != self._missing and (after_shard is None or s.name > after_shard)]
        if after_shard is not None and rest and self._empty and self._rng.random() < 0.5:
            self._empty = False
            return Listing((), after_shard)
        page = rest[: weather.page_shards]
        nodes = tuple(ShardNode(s.name, s.parent, now >= s.closed + self._lag_s(s, "closed")) for s in page)
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
        for at in range(row, end):
            size += shard.records[at]["dynamodb"]["SizeBytes"]
            if size > MOST_BYTES and at > row:
                return at
        return end

    def _empties(self, shard: Shard, row: int) -> int:
        """Empty pages in front of a record. A new record has none: at its tip a shard must tell the truth (rule 5)."""
        weather, now = self._stream.weather, self._stream.clock.now
        if not weather.empty_pages or now - shard.visible[row] < CATCHING_UP_S:
            return 0
        drawn = self._stream.drawn(shard.name, row, "empty")
        most = 12 if weather.empty_closed and now >= shard.closed else weather.empty_run
        return 1 + int(drawn / weather.empty_pages * most) if drawn < weather.empty_pages else 0

    def _lag_s(self, shard: Shard, what: str) -> float:
        most_s = self._stream.weather.listing_lag_s
        return self._stream.drawn(shard.name, what) * most_s if most_s else 0.0

    def _issue(self, shard: str, row: int, empties: int) -> str:
        return f"{shard}|{row}|{empties}|{self._stream.clock.now!r}"


def _error(fault: str) -> Exception:
    if fault == "stream access denied":
        return ConfigurationError("AccessDeniedException")
    return Retry(fault)
