"""A charge that its device keeps and uploads again and again, through several shards, fed to a lane by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from math import floor
from random import Random
from typing import Any

import numpy as np

from consumer.lane.lane import Lane
from consumer.outgoing.outbox import Reporting
from consumer.state.head import Head
from consumer.stream.records import Decoder, NameTables
from consumer.stream.source import ShardBatch, ShardNode, ShardOpened, Topology
from reporting.contract.events import ChartLink
from scoring.bundle import Bundle
from scoring.scorer import Scorer
from window.samples import Names

BEGIN = 1_784_989_500
"""Epoch seconds."""
POLL_S = 20
"""How much is written between two looks at the stream."""
WRITE_S, PER_WRITE_S = 0.001, 0.003
"""How long a write takes at least, and on average beyond that."""
Reading = tuple[float, float, float]
"""``ts``, amperes, degrees Celsius."""
Records = dict[str, list[dict[str, Any]]]
"""By shard, in sequence."""


@dataclass(frozen=True, slots=True)
class Upload:
    """``every_s``: how much the device keeps before it uploads. ``writers`` take the samples from one queue.
    ``apart_s``: how far the clocks of the shards' nodes may differ from the true time."""

    every_s: int
    shards: int = 1
    writers: int = 1
    apart_s: float = 0.0


def charge(seed: int, seconds: int = 3600, *, faults: bool = False) -> list[Reading]:
    """A charge at 1 Hz, at constant current and then falling. ``faults``: a sensor that reads 30 K too much for 15 s,
    and 60 % too much current for 40 s."""
    rng = np.random.default_rng(seed)
    amps, warm = 2.0 + rng.uniform(-0.5, 1.5), 22.0 + rng.uniform(-2.0, 4.0)
    readings = []
    for second in range(seconds):
        current = amps if second < 0.7 * seconds else amps * float(np.exp((0.7 * seconds - second) / 900))
        warm += 0.0012 * current - 0.0004 * (warm - 22.0)
        odd_a = 1.6 if faults and 2000 <= second < 2040 else 1.0
        odd_c = 30.0 if faults and 900 <= second < 915 else 0.0
        noise = rng.normal(0.0, 1.0, 2)
        readings.append((BEGIN + second, current * odd_a + 0.004 * noise[0], warm + odd_c + 0.02 * noise[1]))
    return readings


def written(readings: Sequence[Reading], upload: Upload, seed: int) -> Records:
    """The records that the uploads leave in the shards."""
    # Each of its own: how long a write takes does not depend on how many shards there are.
    rng, clocks = Random(seed), Random(seed)
    shards = [f"shardId-{number:03d}" for number in range(upload.shards)]
    clock = {shard: clocks.uniform(-upload.apart_s, upload.apart_s) for shard in shards}
    writes: list[tuple[float, Reading]] = []
    for start in range(0, len(readings), upload.every_s):
        kept = readings[start : start + upload.every_s]
        free = [kept[-1][0] + 0.05] * upload.writers
        for reading in kept:
            writer = free.index(min(free))
            free[writer] += WRITE_S + rng.expovariate(1.0 / PER_WRITE_S)
            writes.append((free[writer], reading))
    records: Records = {shard: [] for shard in shards}
    last = dict.fromkeys(shards, 0)
    for number, (at, (ts, amps, celsius)) in enumerate(sorted(writes)):
        shard = rng.choice(shards)
        last[shard] = max(last[shard], floor(at + clock[shard]))
        values = {"ts": ts, "current": amps, "temperature": celsius}
        change = {
            "SequenceNumber": str(10**20 + number),
            "ApproximateCreationDateTime": last[shard],
            "NewImage": {name: {"N": repr(float(value))} for name, value in values.items()},
        }
        records[shard].append({"eventName": "INSERT", "dynamodb": change})
    return records


@dataclass(frozen=True, slots=True)
class Told:
    """What came of an upload. ``messages``: the order, the type and what they say, without positions and links;
    ``at``: when each was committed, epoch seconds."""

    messages: list[tuple[Any, ...]]
    at: list[float]
    archive: dict[str, bytes]
    forced: int

    @property
    def anomalies(self) -> list[tuple[Any, ...]]:
        """The messages about anomalies."""
        return [message for message in self.messages if message[0].startswith("anomaly.")]

    @property
    def openings(self) -> int:
        """How many anomalies were opened."""
        return sum(message[0] == "anomaly.opened" for message in self.messages)


def read(records: Records, bundle: Bundle, seed: int, *, poll_s: int = POLL_S) -> Told:
    """Read the shards as they are written, in pages of any size and in any order of the shards."""
    rng = Random(seed)
    names = NameTables(Names(), Names())
    decoder = Decoder(table="device4", device_key="device", devices=names.devices, shards=names.shards)
    to = Reporting("urn:battery-watch:device4", "device4", "results", "reports", _link, publish="episodes")
    lane = Lane(Scorer(bundle), Head(lane="table", owner="me", bundle=bundle.id), to, names)
    for shard in records:
        lane.take(ShardOpened(shard, 0, None), BEGIN)
    lane.take(Topology(tuple(ShardNode(shard, None, False) for shard in records)), BEGIN)
    told = Told([], [], {}, 0)
    place = dict.fromkeys(records, 0)
    end = max(each[-1]["dynamodb"]["ApproximateCreationDateTime"] for each in records.values() if each) + 200

    def page(shard: str, rows: list[dict[str, Any]], asked_at: float, *, full: bool) -> None:
        decoded = decoder.page(shard, rows)
        batch = ShardBatch(shard, 0, decoded.samples, decoded.sequence, decoded.rejects, asked_at, full)
        lane.take(batch, asked_at)

    for now in range(BEGIN, end, poll_s):
        shards = [*records]
        rng.shuffle(shards)
        for shard in shards:
            while rows := _readable(records[shard], place[shard], now, rng.randint(1, 1000)):
                page(shard, rows, now, full=True)
                place[shard] += len(rows)
                if rng.random() < 0.2:
                    _settle(lane, now, told)
        for shard in shards:
            for asked_at in (now - 1.0, now - 0.5, now):
                page(shard, [], asked_at, full=False)
        _settle(lane, now, told)
    assert lane.idle
    return Told(told.messages, told.at, told.archive, lane.tally()["forced"])


def _readable(records: list[dict[str, Any]], place: int, now: float, most: int) -> list[dict[str, Any]]:
    rows = records[place : place + most]
    return [row for row in rows if row["dynamodb"]["ApproximateCreationDateTime"] < now]


def _settle(lane: Lane, now: float, told: Told) -> None:
    for _ in count():
        lane.step(now)
        commit = lane.cut(now)
        if commit is not None:
            told.archive.update((item.key, item.body) for item in commit.minutes)
            told.messages.extend(_said(message.body) for message in commit.messages)
            told.at.extend(now for _ in commit.messages)
        if commit is None or not commit.messages:
            return


def _said(body: str) -> tuple[Any, ...]:
    event = json.loads(body)
    data = event["data"]
    return event["type"], data.get("severity"), data.get("kind"), data.get("opened"), data.get("since")


def _link(key: str) -> ChartLink:
    return ChartLink(bucket="results", key=key, url=f"https://{key}", expires=datetime(2026, 7, 26, tzinfo=UTC))
