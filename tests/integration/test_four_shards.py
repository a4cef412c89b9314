"""The worker on a table whose stream has four shards that roll over and split, on bad days."""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
from faults import (
    CUT,
    EXPIRED,
    INTERNAL,
    LOST_ANSWER,
    NO_JSON,
    NOT_FOUND,
    S3_INTERNAL,
    SLOW_DOWN,
    SNS_INTERNAL,
    SNS_THROTTLED,
    THROTTLED,
    Delayed,
    Seeded,
)
from proxy import nothing
from real_worker import Deployment, accounted_for, kill_in_turn, wait_for
from stream_results import Results
from stream_writer import Writer
from witness import in_table

from demo.world import BATCH

KILLS = 25
SEED = int(os.environ.get("KILL_SEED", "1"))
RATES = {"streams": 0.08, "s3": 0.1, "sns": 0.1}
KINDS = {
    "streams": [NOT_FOUND, EXPIRED, THROTTLED, INTERNAL, NO_JSON, CUT, LOST_ANSWER, Delayed(0.5)],
    "s3": [SLOW_DOWN, S3_INTERNAL, CUT, LOST_ANSWER, Delayed(0.5)],
    "sns": [SNS_THROTTLED, SNS_INTERNAL, CUT, LOST_ANSWER, Delayed(0.5)],
}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_killed_at_any_moment_on_a_bad_day_nothing_is_lost(four_shards: Any, tmp_path: Path) -> None:
    """25 workers in a row end by SIGKILL while every service fails now and then, and shards roll over and split. Books,
    archive and messages are those of one that ran undisturbed on a good day."""
    print(f"KILL_SEED={SEED}")  # noqa: T201 - shown where the test fails
    stream, proxy, rng = four_shards.stream, four_shards.proxy, Random(SEED)
    deployment = Deployment(four_shards.account, Results.first(four_shards.account.world), tmp_path)

    def change_shards(row: int) -> None:
        if row % 5 == 4:
            shard = rng.choice(stream.open)
            stream.split(shard) if len(stream.open) < 6 else stream.roll(shard)

    proxy.faults = Seeded(SEED, RATES, KINDS)
    with Writer(deployment.account, SEED, pause_s=0.1) as writer:
        kill_in_turn(deployment, KILLS, rng, change_shards)
    deployment.finish(writer.records)
    assert {fault.name for kinds in KINDS.values() for fault in kinds} <= proxy.injected.keys()
    proxy.faults = nothing
    accounted_for(deployment, writer, tmp_path)


def write_backlog(four_shards: Any, samples: int, *, period_s: float, at_once: bool) -> None:
    """A quiet charge that nobody has read yet, created as it happened or all of it now."""
    start = time.time() - samples * period_s - 5
    if not at_once:
        four_shards.stream.created = lambda change: int(float(change["Keys"]["ts"]["N"])) + 1
    items = []
    for n in range(samples):
        ripple = (n * 7919 % 13 - 6) / 200
        numbers = {"ts": start + n * period_s, "current": 2.5 + ripple / 8, "temperature": 25 + ripple}
        items.append({name: {"N": f"{value:.3f}"} for name, value in numbers.items()})
    for first in range(0, samples, BATCH):
        four_shards.account.world.put_batch(items[first : first + BATCH])


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("samples", "period_s", "at_once"),
    [
        pytest.param(50_000, 1.0, False, id="50,000 records of 14 hours"),
        pytest.param(6_000, 0.2, True, id="6,000 samples of 20 minutes, uploaded at once"),
    ],
)
def test_a_stop_in_the_middle_of_a_backlog(
    four_shards: Any, tmp_path: Path, samples: int, period_s: float, at_once: bool
) -> None:
    """SIGTERM while a backlog is read: the worker exits within 10 s, what its last commit says is durable, and the next
    one reads the rest. Every sample is scored once."""
    write_backlog(four_shards, samples, period_s=period_s, at_once=at_once)
    deployment = Deployment(four_shards.account, Results.first(four_shards.account.world), tmp_path)
    with deployment.worker(take_over_s=15) as worker:
        if at_once:
            worker.wait_until_watching()  # it has all of it, and is through within seconds
        else:
            wait_for(worker, lambda: deployment.read >= samples / 10, within_s=300.0)
        asked = time.monotonic()
        assert worker.stop() == 0, worker.logs()
        took_s = time.monotonic() - asked
    stopped_at = deployment.read
    head = deployment.results.heads()["table"]
    print(f"exit after {took_s:.1f} s at {stopped_at} of {samples}")  # noqa: T201 - shown where the test fails
    assert took_s < 10.0
    assert head.released
    assert at_once or stopped_at < samples
    assert deployment.results.books()["scored"] == stopped_at
    with deployment.worker(take_over_s=15) as worker:
        worker.wait_until_watching()
        wait_for(worker, lambda: deployment.read >= samples, within_s=600.0)
        assert worker.stop() == 0, worker.logs()
    books = deployment.results.books()
    assert (books["scored"], books["late"], books["lost"]) == (len(in_table(deployment.results)), 0, 0)
