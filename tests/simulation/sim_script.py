"""A stream as it will have been: the shard graph and every record in it, fixed before anything reads it.

The same script is read by the disturbed run and by the undisturbed one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import floor, inf
from random import Random
from typing import Any

import orjson

FIRST_SEQUENCE = 10**20
"""Sequence numbers have 21 digits."""
ROLL_EVERY_S = 4 * 3600.0
MOST_PROPAGATION_S = 0.3


@dataclass(frozen=True, slots=True)
class Write:
    """One change of the table. ``written``: when, epoch seconds; ``expected``: its class in the ledger, as whoever made
    it up knows; ``route``: what its shard is chosen by, a name to hash or a place in [0, 1)."""

    written: float
    change: str
    keys: Mapping[str, Any]
    image: Mapping[str, Any] | None
    expected: str
    route: str | float


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard and all that will ever be in it. ``low`` and ``high``: its range of hashes, in [0, 1).

    ``visible``: when each record can be read, epoch seconds, never falling.
    """

    name: str
    parent: str | None
    opened: float
    closed: float
    low: float
    high: float
    records: tuple[Mapping[str, Any], ...] = ()
    sequences: tuple[int, ...] = ()
    written: tuple[float, ...] = ()
    visible: tuple[float, ...] = ()

    @property
    def last_sequence(self) -> str | None:
        """Of its last record."""
        return str(self.sequences[-1]) if self.sequences else None


@dataclass(frozen=True, slots=True)
class Nodes:
    """How the machines behind shards differ, each shard for itself, whatever else is drawn.

    ``clock_s``: creation times are off by that much at most, seconds, the same for all of a shard. ``slow``: chance of
    a shard where a record can be read only up to ``slow_s`` after it was written. ``undated``: chance of a record that
    lacks its creation time, which the API does not promise.
    """

    clock_s: float = 0.0
    slow: float = 0.0
    slow_s: float = 10.0
    undated: float = 0.0


PLAIN = Nodes()


@dataclass(frozen=True, slots=True)
class Script:
    """The whole stream. ``label`` names it; a re-created stream has another."""

    shards: tuple[Shard, ...]
    writes: tuple[Write, ...]
    table: str = "device4"
    label: str = "2026-01-01T00:00:00.000"
    by_name: Mapping[str, Shard] = field(default_factory=dict)
    nodes: Nodes = PLAIN

    @property
    def ends(self) -> float:
        """When the last record can be read."""
        return max((shard.visible[-1] for shard in self.shards if shard.visible), default=0.0)

    @property
    def ahead(self) -> bool:
        """Does any record bear a time of more than a second after it was written?"""
        times = ((write.written, (write.image or write.keys).get("ts", {}).get("N", "0")) for write in self.writes)
        return any(float(ts) > written + 1.0 for written, ts in times)

    @property
    def expected(self) -> dict[str, int]:
        """Records by class."""
        counts: dict[str, int] = {}
        for write in self.writes:
            counts[write.expected] = counts.get(write.expected, 0) + 1
        return counts


def graph(
    rng: Random,
    *,
    shards: int,
    begin: float,
    end: float,
    roll_every_s: float = ROLL_EVERY_S,
    splits: int = 0,
    orphans: bool = True,
) -> list[Shard]:
    """Shards without records: ``shards`` at the start, each closed and continued by a child about every
    ``roll_every_s`` seconds, and ``splits`` of them continued by two. ``orphans``: the first ones name parents that the
    stream no longer lists, as those of any stream older than a day do."""
    bounds = [n / shards for n in range(shards + 1)]
    open_now = [
        _shard(rng, begin - rng.uniform(10.0, 3600.0), low, high, _name(rng, begin - 90_000.0) if orphans else None)
        for low, high in pairwise(bounds)
    ]
    splitting = sorted(rng.uniform(begin, end) for _ in range(splits))
    due = [(begin + rng.uniform(0.05, 1.0) * roll_every_s, shard) for shard in open_now]
    done: list[Shard] = []
    while due:
        at, shard = min(due, key=lambda d: d[0])
        due.remove((at, shard))
        split = bool(splitting) and splitting[0] <= at
        if split:
            at = max(splitting.pop(0), shard.opened + 0.01)
        if at >= end:
            done.append(shard)
            continue
        done.append(replace(shard, closed=at))
        middle = rng.uniform(0.3, 0.7) * (shard.high - shard.low) + shard.low
        ranges = [(shard.low, middle), (middle, shard.high)] if split else [(shard.low, shard.high)]
        for low, high in ranges:
            child = _shard(rng, at, low, high, shard.name)
            due.append((at + rng.uniform(0.7, 1.3) * roll_every_s, child))
    return done


def script(
    rng: Random,
    writes: Sequence[Write],
    shards: Sequence[Shard],
    *,
    created_resolution_s: float = 1.0,
    label: str = "2026-01-01T00:00:00.000",
    nodes: Nodes = PLAIN,
) -> Script:
    """Put every write into the shard that is open for it when it is written."""
    into: dict[str, list[tuple[Write, int]]] = {shard.name: [] for shard in shards}
    sequence = FIRST_SEQUENCE + rng.randrange(10**19)
    ordered = sorted(writes, key=lambda write: write.written)
    for write in ordered:
        sequence += rng.randrange(1, 10**6)
        place = write.route if isinstance(write.route, float) else _hashed(write.route)
        (shard,) = (s for s in shards if s.low <= place < s.high and s.opened <= write.written < s.closed)
        into[shard.name].append((write, sequence))
    filled = tuple(_filled(rng, shard, into[shard.name], created_resolution_s, nodes) for shard in shards)
    return Script(filled, tuple(ordered), label=label, by_name={shard.name: shard for shard in filled}, nodes=nodes)


def single(rng: Random, writes: Sequence[Write], *, begin: float) -> Script:
    """The same writes in one shard that never closes."""
    return script(rng, writes, [_shard(rng, begin - 60.0, 0.0, 1.0, None)])


def _hashed(route: str) -> float:
    return int.from_bytes(hashlib.md5(route.encode()).digest()[:6], "big") / 2**48


def _filled(rng: Random, shard: Shard, writes: list[tuple[Write, int]], resolution_s: float, nodes: Nodes) -> Shard:
    node = Random(f"node {shard.name}")
    off_s, slow = node.uniform(-nodes.clock_s, nodes.clock_s), node.random() < nodes.slow
    visible: list[float] = []
    records = []
    for write, sequence in writes:
        delay_s = rng.uniform(0.0, MOST_PROPAGATION_S)
        if slow:
            delay_s = node.uniform(0.0, nodes.slow_s)
        visible.append(max(write.written + delay_s, visible[-1] if visible else 0.0))
        records.append(_record(write, sequence, resolution_s, off_s))
        if nodes.undated and node.random() < nodes.undated:
            del records[-1]["dynamodb"]["ApproximateCreationDateTime"]
    return replace(
        shard,
        records=tuple(records),
        sequences=tuple(sequence for _, sequence in writes),
        written=tuple(write.written for write, _ in writes),
        visible=tuple(visible),
    )


def _record(write: Write, sequence: int, resolution_s: float, off_s: float) -> dict[str, Any]:
    """As GetRecords has it in JSON, from a node whose clock is off by so much."""
    created = floor((write.written + off_s) / resolution_s) * resolution_s
    change: dict[str, Any] = {
        "ApproximateCreationDateTime": int(created) if resolution_s == 1.0 else created,
        "Keys": write.keys,
        "SequenceNumber": str(sequence),
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    if write.image is not None:
        change["NewImage"] = write.image
    change["SizeBytes"] = len(orjson.dumps(change))
    return {
        "eventID": hashlib.md5(str(sequence).encode()).hexdigest(),
        "eventName": write.change,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-central-1",
        "dynamodb": change,
    }


def _shard(rng: Random, opened: float, low: float, high: float, parent: str | None) -> Shard:
    return Shard(_name(rng, opened), parent, opened, inf, low, high)


def _name(rng: Random, opened: float) -> str:
    """DynamoDB's names begin with the time in milliseconds, so a child sorts after its parent."""
    return f"shardId-{int(opened * 1000):020d}-{rng.getrandbits(32):08x}"
