"""A table keyed by device: each lineage of shards is a lane. The embedded AWS has one shard, which never ends."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from stream_results import Results, contradictions, eventually, told

from demo.worker import Worker
from demo.world import Clients

TABLE = "fleet"
DEVICES = ("bay-1", "bay-2")
HOT_C = 61.5
SHARD = "shardId-00000000000000000000-00000000"


class Fleet:
    """Two devices that write to one table, each its own charge and its own faults."""

    def __init__(self, account: Any, folder: Path, *, sort: str | None) -> None:
        keys: Any = [{"AttributeName": "device", "KeyType": "HASH"}]
        types: Any = [{"AttributeName": "device", "AttributeType": "S"}]
        if sort:
            keys.append({"AttributeName": sort, "KeyType": "RANGE"})
            types.append({"AttributeName": sort, "AttributeType": "N"})
        self._aws: Clients = account.world.aws
        self._aws.dynamodb.create_table(
            TableName=TABLE,
            KeySchema=keys,
            AttributeDefinitions=types,
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        self.results = Results.first(account.world)
        self.environment = {
            **account.environment,
            **self.results.environment,
            "BATTERY_TABLE_NAME": TABLE,
            "TAKE_OVER_S": "1",
            "PULSE_FILE": str(folder / "pulse"),
        }
        # The first window reaches back to what the table has: without a sort key only to the newest sample. Verdicts
        # lean on the 35 samples before.
        self.faults = {"bay-1": {70, 71, 110}, "bay-2": {22 if sort else 60, 90, 160}}
        self.start = int(time.time()) - 600
        self.written = 0

    def charge(self, seconds: range) -> None:
        """Both devices, a sample a second."""
        for second in seconds:
            for number, device in enumerate(DEVICES):
                ripple = ((second + 5 * number) * 7919 % 13 - 6) / 200
                temperature_c = HOT_C if second in self.faults[device] else 25 + ripple
                item = {"current": 2.5 + ripple / 8, "temperature": temperature_c, "ts": self.start + second}
                numbers = {name: {"N": f"{value:.4f}".rstrip("0").rstrip(".")} for name, value in item.items()}
                self._aws.dynamodb.put_item(TableName=TABLE, Item={"device": {"S": device}, **numbers})
                self.written += 1

    def undisturbed(self) -> Results:
        """What a worker leaves that reads the stream from its beginning, with results of its own."""
        results = Results.create(self._aws, "undisturbed")
        with Worker({**self.environment, **results.environment, "START": "trim_horizon"}) as worker:
            eventually(lambda: results.committed()["scored"] == self.written)
            assert worker.stop() == 0, worker.logs()
        return results


@pytest.fixture(params=["ts", pytest.param(None, marks=pytest.mark.long)], ids=["device and ts", "device alone"])
def fleet(request: pytest.FixtureRequest, account: Any, tmp_path: Path) -> Fleet:
    """A table of either kind."""
    return Fleet(account, tmp_path, sort=request.param)


def test_each_device_goes_its_own_way_over_a_crash_and_a_restart(fleet: Fleet) -> None:
    """The first window comes from the table; two devices are scored in one lane, each archived under its own name; a
    killed worker's successor, and the one after it, go on where it stood."""
    fleet.charge(range(20))
    with Worker(fleet.environment) as killed:
        killed.wait_until_watching()
        fleet.charge(range(20, 80))
        eventually(lambda: fleet.results.committed()["scored"] == 2 * 60)
        killed.kill()
    fleet.charge(range(80, 120))
    with Worker(fleet.environment) as second:
        second.wait_until_watching()
        fleet.charge(range(120, 140))
        eventually(lambda: fleet.results.committed()["scored"] == 2 * 120)
        assert second.stop() == 0, second.logs()
    fleet.charge(range(140, 180))
    with Worker(fleet.environment) as third:
        eventually(lambda: fleet.results.committed()["scored"] == 2 * 160)
        assert third.stop() == 0, third.logs()

    books = fleet.results.books()
    assert (books["read"], books["scored"]) == (2 * 160, 2 * 160)
    assert set(fleet.results.heads()) == {"table", SHARD}
    archive = fleet.results.archive()
    for device in DEVICES:
        lines = [
            json.loads(line) for key, body in archive.items() if f"={device}/" in key for line in body.splitlines()
        ]
        assert {line["device"] for line in lines} == {device}
        hot = {line["ts"] - fleet.start for line in lines if line["actual"]["temperature_c"] == HOT_C}
        assert hot == fleet.faults[device]
    bodies = fleet.results.bodies()
    assert contradictions(bodies) == {}
    undisturbed = fleet.undisturbed()
    assert archive == undisturbed.archive()
    assert told(bodies) == told(undisturbed.bodies())


def test_its_watermark_is_known_and_it_waits_for_no_shard_it_does_not_read(fleet: Fleet, account: Any) -> None:
    """The lane that says who owns the table has no shards: it does not pass for one that has fallen behind."""
    fleet.charge(range(5))
    with Worker(fleet.environment) as worker:
        worker.wait_until_watching()
        fleet.charge(range(5, 10))
        eventually(lambda: "s behind" in account.run("healthcheck", PULSE_FILE=fleet.environment["PULSE_FILE"]).stdout)
        assert worker.stop() == 0, worker.logs()
