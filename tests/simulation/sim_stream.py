"""The stream calls over a script, on a virtual clock: what DynamoDB Streams may do, it does here, from a seed."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TypeVar
from zlib import crc32

from sim_faults import Clock
from sim_script import Script, Shard

from consumer.errors import Vanished

ITERATOR_LIVES_S = 15 * 60.0
KEPT_S = 24 * 3600.0
MOST_RECORDS, MOST_BYTES = 1000, 1_000_000
MOST_READERS, READING_S = 2, 5.0
LISTINGS = ""
"""What DescribeStream is about, in the place of a shard's name."""
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
    ``page_shards``: shards in a listing page. ``kept_s``: how long records are kept.
    ``empty_run`` of more than two is within the API's word too (it may take any number of calls to reach a portion with
    records), and more than rule 5 stands. ``sick``: (shard, from, to, fault) where every call for one shard fails;
    for `LISTINGS` instead of a shard, every listing.
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
    kept_s: float = KEPT_S
    sick: tuple[tuple[str, float, float, str], ...] = ()


@dataclass(slots=True)
class SimulatedStream:
    """One stream. `sim_reader.StreamReader` is a host's way to it. ``created``: from when on it is there. ``deleted``:
    from when on neither stream nor shard is; ``table_deleted``: nor the table. ``siblings``: all streams of the table,
    this one too, the oldest first. ``shard_deleted``: when a single shard is deleted, by its name."""

    script: Script
    clock: Clock
    weather: Weather = field(default_factory=Weather)
    seed: int = 0
    created: float = float("-inf")
    deleted: float = float("inf")
    table_deleted: float = float("inf")
    siblings: list[SimulatedStream] = field(default_factory=list)
    shard_deleted: dict[str, float] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    ended: set[str] = field(default_factory=set)
    _ordered: list[Shard] = field(default_factory=list)
    _asked: tuple[float, int] = (float("-inf"), 0)
    _there: list[Shard] = field(default_factory=list)
    _lags: dict[tuple[str, str], float] = field(default_factory=dict)
    _read_by: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The stream's label: its time of creation."""
        return self.script.label

    @property
    def arn(self) -> str:
        """The stream's name, with its label."""
        return f"arn:aws:dynamodb:eu-central-1:123456789012:table/{self.script.table}/stream/{self.label}"

    @property
    def exists(self) -> bool:
        """True while it is listed, and can be read."""
        return self.created <= self.clock.now < self.deleted

    def listed(self) -> list[Shard]:
        """Every shard that there is now, in order of name."""
        now = self.clock.now
        if not self._ordered:
            self._ordered = sorted(self.script.shards, key=lambda shard: shard.name)
        asked = now, len(self.shard_deleted)
        if asked != self._asked:  # a listing of many pages asks again and again
            self._there = [shard for shard in self._ordered if shard.opened <= now and not self.gone(shard)]
            self._asked = asked
        return self._there

    def first_kept(self, shard: Shard) -> int:
        """Row of the shard's oldest record that is not trimmed."""
        return bisect_left(shard.written, self.clock.now - self.weather.kept_s)

    def there(self, name: str) -> Shard:
        """A shard by name. Raises `Vanished`."""
        shard = self.script.by_name.get(name)
        if shard is None or shard.opened > self.clock.now or self.gone(shard) or not self.exists:
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

    def lag_s(self, shard: Shard, what: str) -> float:
        """How long after it happened a listing shows that a shard was opened or closed."""
        if not self.weather.listing_lag_s:
            return 0.0
        lag = self._lags.get((shard.name, what))
        if lag is None:
            lag = self._lags[shard.name, what] = self.drawn(shard.name, what) * self.weather.listing_lag_s
        return lag

    def drawn(self, *what: object) -> float:
        """A number in [0, 1) that belongs to a thing, whoever asks for it and how often."""
        return crc32(repr((self.seed, what)).encode()) / 2**32

    def gone(self, shard: Shard) -> bool:
        """True once all of a closed shard has been trimmed, or someone has deleted it."""
        now = self.clock.now
        deleted = self.shard_deleted and now >= self.shard_deleted.get(shard.name, float("inf"))
        return bool(deleted) or shard.closed < now - self.weather.kept_s
