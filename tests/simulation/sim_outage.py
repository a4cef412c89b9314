"""Trouble with single shards: calls that fail for a while, pages that stay short; and what was read of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

import pytest
from sim_reader import StreamReader

from consumer.errors import Retry
from consumer.stream.client import IteratorType, Page


@dataclass(slots=True)
class Outage:
    """What is wrong with shards, by name. ``down``: from when to when every call for one fails, epoch seconds;
    ``most``: records that a page of one has at most.

    ``read``: records handed out; ``last``: the newest ``ts`` handed out; ``ahead_s``: by how much a shard that was
    asked for records was at most ahead of the one that was read the least.
    """

    down: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    most: Mapping[str, int] = field(default_factory=dict)
    shards: tuple[str, ...] = ()
    read: Counter[str] = field(default_factory=Counter)
    last: dict[str, float] = field(default_factory=dict)
    ahead_s: float = 0.0

    def strike(self, monkeypatch: pytest.MonkeyPatch) -> Outage:
        """From now on, and for every host."""
        iterator, records = StreamReader.iterator, StreamReader.records

        def sick_iterator(reader: StreamReader, shard: str, kind: IteratorType, sequence: str | None) -> str:
            self._refuse(reader, shard)
            return iterator(reader, shard, kind, sequence)

        def sick_records(reader: StreamReader, token: str, limit: int) -> Page:
            shard = token.rsplit("|", 3)[0]
            self._refuse(reader, shard)
            page = records(reader, token, min(limit, self.most.get(shard, limit)))
            self._note(shard, page)
            return page

        monkeypatch.setattr(StreamReader, "iterator", sick_iterator)
        monkeypatch.setattr(StreamReader, "records", sick_records)
        return self

    def _refuse(self, reader: StreamReader, shard: str) -> None:
        start, end = self.down.get(shard, (inf, inf))
        if start <= reader._stream.clock.now < end:
            raise Retry(f"InternalServerError: {shard}")

    def _note(self, shard: str, page: Page) -> None:
        if not page.records:
            return
        lowest = min((self.last.get(name, -inf) for name in self.shards), default=-inf)
        if shard in self.last and lowest > -inf:
            self.ahead_s = max(self.ahead_s, self.last[shard] - lowest)
        self.read[shard] += len(page.records)
        self.last[shard] = float(page.records[-1]["dynamodb"]["NewImage"]["ts"]["N"])
