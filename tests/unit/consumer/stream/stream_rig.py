"""A stream in memory, and a direct source over it that is stepped by hand on a clock of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import floor
from typing import Any

from consumer.errors import Expired, Trimmed, Vanished
from consumer.stream.client import Listing, Page
from consumer.stream.direct import DirectSource
from consumer.stream.discovery import StartPoint
from consumer.stream.records import Decoder
from consumer.stream.source import (
    Event,
    Position,
    ShardBatch,
    ShardEnded,
    ShardNode,
    ShardOpened,
)
from window.samples import Names

EPOCH = 1_784_989_500.0
"""The wall clock when the monotonic one stands at 0."""


@dataclass
class Shard:
    """A shard of the stream's twin: its records by number, oldest first."""

    parent: str | None = None
    records: list[dict[str, Any]] = field(default_factory=list)
    closed: bool = False
    trimmed: int = 0
    """Records before this place are gone."""


@dataclass
class Stream:
    """DynamoDB's stream as far as a reader can tell. ``faults`` are raised by the coming calls of that name."""

    shards: dict[str, Shard] = field(default_factory=dict)
    page: int = 100
    calls: list[tuple[str, Any]] = field(default_factory=list)
    faults: dict[str, list[Exception]] = field(default_factory=dict)
    expired: set[str] = field(default_factory=set)
    label: str = "2026-01-02"
    other_labels: list[str] = field(default_factory=list)
    named: bool = True
    """The table names the stream that is read."""
    hidden: set[str] = field(default_factory=set)
    """Shards that a listing forgets to name: it is consistent only eventually."""
    table_gone: bool = False
    service_behind_s: float | None = None
    """The service's clock against the host's; None if its answers do not say the time."""
    clock: Callable[[], float] = lambda: EPOCH
    _iterators: int = 0
    _numbers: int = 0

    def write(self, shard: str, count: int = 1, *, created: float = EPOCH) -> list[str]:
        """Records at the tip of a shard; returns their numbers."""
        numbers = []
        for _ in range(count):
            self._numbers += 1
            item = {"ts": {"N": repr(created)}, "current": {"N": "2.5"}, "temperature": {"N": "25"}}
            change = {
                "SequenceNumber": str(self._numbers),
                "ApproximateCreationDateTime": created,
                "NewImage": item,
                "SizeBytes": 60,
            }
            self.shards[shard].records.append({"eventName": "INSERT", "dynamodb": change})
            numbers.append(str(self._numbers))
        return numbers

    def roll_over(self, shard: str, *children: str) -> None:
        """The shard is closed and these take its place."""
        self.shards[shard].closed = True
        for child in children:
            self.shards[child] = Shard(parent=shard)

    def expire(self) -> None:
        """Fifteen minutes have passed for every iterator there is."""
        self.expired = {str(n) for n in range(self._iterators + 1)}

    def labels(self) -> list[str]:
        self._call("labels", None)
        if self.table_gone:
            raise Vanished("no table")
        return [*self.other_labels, *([self.label] if self.named else [])]

    def describe(self, after_shard: str | None) -> Listing:
        self._call("describe", after_shard)
        names = [name for name in self.shards if name not in self.hidden]
        begin = names.index(after_shard) + 1 if after_shard else 0
        nodes = tuple(
            ShardNode(n, self.shards[n].parent, self.shards[n].closed) for n in names[begin : begin + self.page]
        )
        more = begin + self.page < len(names)
        return Listing(nodes, nodes[-1].shard if more else None, self._served())

    def iterator(self, shard: str, kind: str, sequence: str | None) -> str:
        self._call("iterator", (shard, kind, sequence))
        assert (kind == "AFTER_SEQUENCE_NUMBER") == (sequence is not None)
        if shard not in self.shards:
            raise Vanished(f"no shard {shard}")
        there = self.shards[shard]
        numbers = [record["dynamodb"]["SequenceNumber"] for record in there.records]
        place = {"TRIM_HORIZON": there.trimmed, "LATEST": len(numbers)}.get(kind, 0)
        if sequence is not None:
            place = numbers.index(sequence) + 1
            if place < there.trimmed:
                raise Trimmed("older than the stream keeps")
        return self._new(shard, place)

    def records(self, iterator: str, limit: int) -> Page:
        self._call("records", (iterator.split("@")[0], limit))
        assert 1 <= limit <= 1000
        shard, place, number = iterator.split("@")
        if number in self.expired:
            raise Expired("fifteen minutes")
        if shard not in self.shards:
            raise Vanished(f"no shard {shard}")
        there = self.shards[shard]
        if int(place) < there.trimmed:
            raise Trimmed("older than the stream keeps")
        found = there.records[int(place) : int(place) + limit]
        end = int(place) + len(found)
        following = None if there.closed and end == len(there.records) else self._new(shard, end)
        return Page(found, following, self._served())

    def _served(self) -> float | None:
        return None if self.service_behind_s is None else float(floor(self.clock() - self.service_behind_s))

    def _new(self, shard: str, place: int) -> str:
        self._iterators += 1
        return f"{shard}@{place}@{self._iterators}"

    def _call(self, name: str, of: Any) -> None:
        self.calls.append((name, of))
        if self.faults.get(name):
            raise self.faults[name].pop(0)


class Reader:
    """A source that is stepped by hand, and all that it said. New shards get credit at once. ``jumped_s``: how far the
    host's clock has jumped."""

    def __init__(
        self,
        stream: Stream,
        start: Any = "trim_horizon",
        positions: dict[str, Position] | None = None,
        credit: int = 10_000,
    ) -> None:
        decoder = Decoder(table="t", device_key="device", devices=Names(), shards=Names())
        self.now = self.jumped_s = 0.0
        self.credit = credit
        self.events: list[Event] = []
        stream.clock = lambda: EPOCH + self.now
        self.source = DirectSource(
            stream,
            decoder,
            StartPoint(positions or {}, start),
            clock=lambda: EPOCH + self.now + self.jumped_s,
            monotonic=lambda: self.now,
            threads=0,
        )

    def run(self, seconds: float) -> Reader:
        """Step as the threads would, until so much time has passed."""
        end = self.now + seconds
        for _ in range(100_000):
            wake = self.source.step(self.now)
            for event in self.source.poll(0):
                self.events.append(event)
                if isinstance(event, ShardOpened) and self.credit:
                    self.source.credit(event.shard, event.epoch, self.credit)
            if wake > self.now:
                if wake > end:
                    self.now = end
                    return self
                self.now = wake
        raise AssertionError("the source does not come to rest")

    def read(self, shard: str | None = None) -> list[str]:
        """The numbers of the records delivered, in order."""
        batches = [e for e in self.events if isinstance(e, ShardBatch) and shard in (None, e.shard)]
        return [str(number) for batch in batches for number in batch.sequence]

    def said(self, *kinds: type) -> list[Any]:
        return [e for e in self.events if isinstance(e, kinds)]

    def positions(self) -> dict[str, Position]:
        """What a head would hold after all that was said."""
        at: dict[str, Position] = {}
        for e in self.events:
            if isinstance(e, ShardOpened):
                at.setdefault(e.shard, Position(None, e.since))
            elif isinstance(e, ShardBatch) and len(e.sequence):
                at[e.shard] = replace(at[e.shard], sequence=str(e.sequence[-1]))
            elif isinstance(e, ShardEnded):
                at[e.shard] = replace(at[e.shard], ended=True)
        return at
