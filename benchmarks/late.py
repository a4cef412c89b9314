"""What a late upload costs: 6,000 samples of five devices in order through one shard, and scattered over four."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection

import numpy as np

from benchmarks.charges import BEGIN, names, reading
from benchmarks.child import Child
from benchmarks.figures import Found, Measured
from consumer.lane.lane import Lane
from consumer.outgoing.outbox import Reporting
from consumer.settings import SHIPPED_BUNDLE
from consumer.state.head import Head
from consumer.stream.records import NameTables
from consumer.stream.source import ShardBatch, ShardNode, ShardOpened, Topology
from reporting.contract.events import ChartLink
from scoring.bundle import load
from scoring.scorer import Scorer
from window.samples import Names, Samples

NAMES = ("late_upload_4shards_ratio", "late_upload_4writers_ratio")
DEVICES, SECONDS, BEFORE_S, UPLOAD_S, PAGE = 5, 1200, 400, 20.0, 1000
ROUNDS, SEED = 3, 7
NO_ANOMALY = 1e-9
PROOF_S = 64
"""What nothing is known of is proven idle by empty pages over a minute (rule 24)."""


def measure(wanted: set[str], say: Callable[[str], None]) -> Found:
    """The processor time of each way, divided by that of one shard and one writer."""
    say(f"an upload of {DEVICES * SECONDS:,} samples through one shard and through four")
    with Child(run) as child:
        one, shards, writers = child.heard()
    found = {
        NAMES[0]: Measured(shards / one, f"{shards:.2f} s, one shard {one:.2f} s"),
        NAMES[1]: Measured(writers / one, f"{writers:.2f} s, one shard {one:.2f} s"),
    }
    return {name: each for name, each in found.items() if name in wanted}


def run(pipe: Connection) -> None:
    """The best of some rounds each, since other processes only add to it."""
    ways = ((1, 1), (4, 1), (4, 4))
    pipe.send([min(upload(*way) for _ in range(ROUNDS)) for way in ways])


def upload(shards: int, writers: int) -> float:
    """Processor time of the lane, seconds. ``writers``: so many write at the same time, each every so-manieth second
    of the charge, and none waits for another: their samples arrive up to a few hundredths of a second apart."""
    rng = np.random.default_rng(SEED)
    codes = NameTables(Names(), Names())
    bundle = load(SHIPPED_BUNDLE)
    never = datetime(2100, 1, 1, tzinfo=UTC)
    link = lambda key: ChartLink(bucket="b", key=key, url="https://chart", expires=never)  # noqa: E731
    head = Head(lane="table", owner="bench", bundle=bundle.id)
    lane = Lane(Scorer(bundle), head, Reporting("urn:bench", "bench", "b", "charts", link), codes)
    there, now = [f"s{n}" for n in range(shards)], float(BEGIN + BEFORE_S + SECONDS + 100)
    for shard in there:
        lane.take(ShardOpened(shard, 0, None), now)
    lane.take(Topology(tuple(ShardNode(shard, None, False) for shard in there)), now)
    row = np.arange(DEVICES * (BEFORE_S + SECONDS))
    second, device = row // DEVICES, row % DEVICES
    values = np.array([reading(int(s), int(d), NO_ANOMALY) for s, d in zip(second, device, strict=True)])
    code = np.array([codes.devices.code(name) for name in names(DEVICES)], np.int32)[device]
    live = second < BEFORE_S
    uploaded = now - 50.0 + (row - DEVICES * BEFORE_S) / (DEVICES * SECONDS) * UPLOAD_S
    written = np.where(live, BEGIN + second, uploaded + (writers > 1) * rng.uniform(0.0, 0.05, len(row)))
    of = np.where(live, 0, rng.integers(0, shards, len(row)))

    def deliver(rows: np.ndarray, number: int) -> None:
        for at in range(0, len(rows), PAGE):
            page = rows[at : at + PAGE]
            samples = Samples.of(
                (BEGIN + second[page]).astype(float),
                values[page, 0],
                values[page, 1],
                created=np.floor(written[page]),
                device=code[page],
                shard=codes.shards.code(there[number]),
            )
            sequence = (np.argsort(np.argsort(written, kind="stable"))[page] + 1).astype(str).astype(object)
            lane.take(ShardBatch(there[number], 0, samples, sequence, {}, now, full=False), now)

    def work(until: float) -> float:
        for before_s in range(PROOF_S, -1, -1):
            for shard in there:
                asked_at = until - before_s
                lane.take(ShardBatch(shard, 0, Samples.empty(), np.empty(0, object), {}, asked_at, full=False), now)
        began = time.process_time()
        while True:
            lane.step(now)
            commit = lane.cut(now)
            lane.charts.drain()
            if lane.idle and (commit is None or not commit.messages):
                return time.process_time() - began

    deliver(np.flatnonzero(live), 0)
    work(float(BEGIN + BEFORE_S + 10))
    for number in range(shards):
        mine = np.flatnonzero(~live & (of == number))
        deliver(mine[np.argsort(written[mine], kind="stable")], number)
    return work(now)
