"""The worker on a table with four shards, whose stream says what is not so: nothing is lost."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from faults import (
    CUT,
    EMPTY_PAGE,
    EXPIRED,
    INTERNAL,
    LIMITED,
    LOST_ANSWER,
    NO_JSON,
    NOT_FOUND,
    THROTTLED,
    TRIMMED,
    UNAVAILABLE,
    Delayed,
    Lacking,
    Once,
)
from proxy import Fault
from real_worker import Deployment, wait_for
from stream_results import Results, contradictions
from witness import assert_nothing_is_missing

from demo.world import BATCH

BACKLOG, LIVE = 120, 10
"""Seconds of the charge: written before the worker starts, and between two false answers."""
HOT_EVERY = 23
FALSE: dict[str, list[tuple[str, Fault, int]]] = {
    "what there is does not exist": [
        ("GetRecords", NOT_FOUND, 1),
        ("GetShardIterator", NOT_FOUND, 1),
        ("DescribeStream", NOT_FOUND, 1),
    ],
    "iterators expire as soon as they are taken": [("GetRecords", EXPIRED, 3)],
    "no records for a while": [("GetRecords", EMPTY_PAGE, 12)],
    "too many calls": [("GetRecords", LIMITED, 5), ("GetRecords", THROTTLED, 5), ("DescribeStream", THROTTLED, 5)],
    "errors": [("GetRecords", INTERNAL, 5), ("GetRecords", UNAVAILABLE, 5), ("GetShardIterator", INTERNAL, 5)],
    "no JSON": [("GetRecords", NO_JSON, 2), ("DescribeStream", NO_JSON, 1), ("GetShardIterator", NO_JSON, 1)],
    "a bad line": [("GetRecords", CUT, 5), ("GetRecords", LOST_ANSWER, 5), ("GetRecords", Delayed(2.0), 4)],
    "what there is was trimmed": [("GetRecords", TRIMMED, 1)],
    "what is never said of that call": [("DescribeStream", EXPIRED, 1), ("DescribeStream", TRIMMED, 1)],
}
"""Operation, what is answered, and how often in a row: the SDK itself repeats some of them four times."""


class Charge:
    """A sample a second that is written faster than that; every `HOT_EVERY`-th is far too hot."""

    def __init__(self, account: Any) -> None:
        self._account = account
        self.start = int(time.time()) - 20 * 60
        self.written = 0

    def go_on(self, seconds: int) -> None:
        """Write so many samples, in batches."""
        items = [self._item(second) for second in range(self.written, self.written + seconds)]
        for first in range(0, len(items), BATCH):
            self._account.world.put_batch(items[first : first + BATCH])
        self.written += seconds

    def _item(self, second: int) -> dict[str, Any]:
        ripple = (second * 7919 % 13 - 6) / 200
        temperature_c = 61.5 if second % HOT_EVERY == HOT_EVERY - 1 else 25 + ripple
        numbers = {"current": f"{2.5 + ripple / 8:.4f}", "temperature": f"{temperature_c:.3f}"}
        return {name: {"N": text} for name, text in {"ts": str(self.start + second), **numbers}.items()}


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param(each, id=name, marks=[pytest.mark.long] if n % 3 else [])
        for n, (name, each) in enumerate(FALSE.items())
    ],
)
def test_a_false_answer_in_mid_stream_loses_nothing(
    four_shards: Any, tmp_path: Path, answers: Sequence[tuple[str, Fault, int]]
) -> None:
    """The stream gives false answers while a backlog is read, and again while more is written, a shard rolls over and
    another splits. Every item of the table is scored all the same, and archived and told where it is far too hot."""
    account, stream, proxy = four_shards.account, four_shards.stream, four_shards.proxy
    deployment = Deployment(account, Results.first(account.world), tmp_path)
    charge = Charge(account)
    charge.go_on(BACKLOG)
    operation, fault, times = answers[0]
    proxy.faults = Once(operation, fault, healthy=6 if operation == "GetRecords" else 0, times=times)
    with deployment.worker() as worker:
        worker.wait_until_watching()
        wait_for(worker, lambda: proxy.faults.done)
        for operation, fault, times in answers:
            proxy.faults = Once(operation, fault, times=times)
            charge.go_on(LIVE // 2)
            if operation != "GetRecords":
                stream.roll(stream.open[0])  # what makes the worker list the shards, and take an iterator
            charge.go_on(LIVE // 2)
            wait_for(worker, lambda: proxy.faults.done)
        stream.split(stream.open[1])
        charge.go_on(LIVE)
        wait_for(worker, lambda: deployment.read >= charge.written)
        assert worker.stop() == 0, worker.logs()
    bodies = deployment.results.bodies()
    assert contradictions(bodies) == {}
    assert_nothing_is_missing(deployment.results, bodies)


def test_records_that_the_stream_never_had_are_named_by_the_table(four_shards: Any, tmp_path: Path) -> None:
    """The ledger balances, as it counts what was read. The table knows better: `ledger --verify` names the samples that
    were not scored, and nothing else; with 1 as its exit code."""
    account, proxy = four_shards.account, four_shards.proxy
    deployment = Deployment(account, Results.first(account.world), tmp_path)
    charge = Charge(account)
    minute = (charge.start // 60 + 2) * 60
    lost = {minute + 7, minute + 70, minute + 71}
    charge.go_on(270)
    proxy.faults = lambda call: Lacking(frozenset(lost)) if call.operation == "GetRecords" else None
    with deployment.worker() as worker:
        wait_for(worker, lambda: deployment.read >= charge.written - len(lost))
        assert worker.stop() == 0, worker.logs()
    assert deployment.command("ledger")[0] == 0
    code, said = deployment.command("ledger", "--verify", "--since", "30m", "--json")
    found = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert code == 1, said
    assert {ts for each in found for ts in each["missing"]} == lost
    assert [(each["in_table"], each["scored"]) for each in found] == [(60, 59), (60, 58)]
    code, said = deployment.command("ledger", "--verify", "--since", "30m")
    assert code == 1
    assert f"60 in the table, 59 scored, missing: ts {minute + 7}" in said
    assert "at least 3 were not scored" in said


def test_after_a_false_answer_and_a_kill_the_table_finds_nothing_missing(four_shards: Any, tmp_path: Path) -> None:
    """What a killed worker had counted, and what its successor counts, are the table's samples."""
    account, proxy = four_shards.account, four_shards.proxy
    deployment = Deployment(account, Results.first(account.world), tmp_path)
    charge = Charge(account)
    charge.go_on(BACKLOG)
    proxy.faults = Once("GetRecords", NOT_FOUND, healthy=6)
    with deployment.worker() as worker:
        wait_for(worker, lambda: deployment.read >= BACKLOG / 2)
        worker.kill()
    charge.go_on(BACKLOG)
    deployment.finish(charge.written)
    code, said = deployment.command("ledger", "--verify", "--since", "30m")
    assert code == 0, said
    assert "all were scored" in said


def test_a_table_of_last_samples_is_no_witness(account: Any) -> None:
    """It says so, and that something else must be put right first."""
    account.world.aws.dynamodb.create_table(
        TableName="last",
        KeySchema=[{"AttributeName": "device", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "device", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    ended = account.run("ledger", "--verify", BATTERY_TABLE_NAME="last")
    assert ended.returncode == 2
    assert "keeps only the last sample of each device" in ended.stderr
