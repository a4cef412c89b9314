"""A table and a bucket, compared as a whole, by the class and by the command."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from battery_watch.commands import ledger
from consumer.errors import ConfigurationError
from consumer.offline.verify import Difference, Verifier
from consumer.state.scored_minutes import digest
from reporting.keys import scored_minutes_key

T = 1_784_937_600  # 2026-07-25T00:00:00Z
KEYS = [{"AttributeName": "device", "KeyType": "HASH"}, {"AttributeName": "ts", "KeyType": "RANGE"}]
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "RESULTS_BUCKET_NAME": "results",
    "TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:t",
    "BATTERY_TABLE_NAME": "bays",
}
INTERVAL = ["--since", "2026-07-25T00:00Z", "--until", "2026-07-25T02:00Z"]


class World:
    """What the two clients see."""

    def __init__(self, bucket: Any) -> None:
        self.bucket = bucket
        self.items: list[dict[str, Any]] = []
        self.keys = KEYS

    def write(self, device: str, *seconds: float, temperature: str = "25") -> None:
        """To the table."""
        numbers = {"current": {"N": "2.5"}, "temperature": {"N": temperature}}
        self.items += [{"device": {"S": device}, "ts": {"N": str(T + each)}, **numbers} for each in seconds]

    def count(self, device: str, *seconds: float, lane: str = "table", revision: tuple[int, int] = (1, 1)) -> None:
        """To the bucket, as a lane does that has scored these, all of one minute."""
        minute, ts = int(seconds[0] // 60), np.array([T + each for each in seconds], float)
        row = {f"{minute // 60:02d}:{minute % 60:02d}": [len(ts), f"{digest(ts):016x}"]}
        body = {"hour": f"2026-07-25T{minute // 60:02d}:00Z", "lane": lane, "devices": {device: row}}
        key = scored_minutes_key(T + minute // 60 * 3600, lane, revision)
        self.store(key, json.dumps(body).encode())

    def store(self, key: str, body: bytes) -> None:
        """An object as it is."""
        self.bucket.put_object(Bucket="results", Key=key, Body=body, ContentType="application/json")

    def describe_table(self, *, TableName: str) -> dict[str, Any]:  # noqa: N803
        return {"Table": {"ItemCount": len(self.items), "KeySchema": self.keys}}

    def scan(self, **asked: Any) -> dict[str, Any]:
        own = self.items[asked["Segment"] :: asked["TotalSegments"]]
        low, high = (float(asked["ExpressionAttributeValues"][name]["N"]) for name in (":a", ":b"))
        found = [item for item in own if low <= float(item["ts"]["N"]) <= high]
        return {"Items": found, "ScannedCount": len(own)}

    @property
    def session(self) -> Any:
        """As boto3's."""
        return SimpleNamespace(client=lambda name, **_: self.bucket if name == "s3" else self)

    def verify(self, since: float = 0.0, until: float = 7200.0) -> Any:
        """The interval, in seconds from `T`."""
        verifier = Verifier(self.session, "results", table="bays", device_key="device")
        return verifier.verify(T + since, T + until, lambda *_: None, lambda *_: None)


@pytest.fixture
def world(s3: Any) -> World:
    """The first minute was counted: what lies before it was never the worker's."""
    world = World(s3)
    world.write("a", 5)
    world.count("a", 5, revision=(1, 1))
    return world


def test_what_was_scored_is_found_by_device_lane_owner_and_hour(world: World) -> None:
    """The last row of an owner counts; lanes and owners add up."""
    world.write("a", 61, 62, 3605)
    world.write("b", 61, 63)
    world.count("a", 61, revision=(1, 2))
    world.count("a", 61, 62, revision=(1, 3))
    world.count("a", 3605, revision=(1, 4))
    world.count("b", 61, lane="shard-1", revision=(1, 9))
    world.count("b", 63, lane="shard-2", revision=(4, 1))
    found = world.verify()
    assert (found.minutes, found.samples, found.differences, found.removed, found.missing) == (3, 5, (), 0, 0)


def test_what_was_not_scored_is_named(world: World) -> None:
    """By device and minute; records that are no samples are in the quarantine."""
    world.write("a", 61, 62, 130)
    world.write("a", 63, temperature="4000")
    world.count("a", 61, revision=(1, 2))
    found = world.verify()
    assert found.differences == (
        Difference("a", T + 60, 2, 1, (T + 62.0,)),
        Difference("a", T + 120, 1, 0, (T + 130.0,)),
    )
    assert found.missing == 2


def test_only_whole_minutes_of_the_interval_are_compared(world: World) -> None:
    """And none before the first that was ever counted."""
    world.write("a", 6, 61, 121, 181)
    assert [each.minute - T for each in world.verify(since=0, until=179).differences] == [60]
    assert [each.minute - T for each in world.verify(since=125, until=240).differences] == [120, 180]


def test_a_table_that_has_lost_items_since_is_told_apart(world: World) -> None:
    """They may have expired."""
    world.write("a", 61)
    world.count("a", 61, 62, revision=(1, 2))
    found = world.verify()
    assert (found.differences, found.removed) == ((), 1)


def test_a_table_of_last_samples_and_a_bucket_without_counts_cannot_be_compared(world: World) -> None:
    """Each says why."""
    world.keys = KEYS[:1]
    with pytest.raises(ConfigurationError, match="keeps only the last sample of each device"):
        world.verify()
    world.keys = KEYS
    world.bucket.objects.clear()
    with pytest.raises(ConfigurationError, match="nothing under s3://results/battery-minutes/"):
        world.verify()


def test_a_damaged_object_is_named(world: World) -> None:
    """It is no count."""
    world.store(scored_minutes_key(T, "table", (1, 2)), b"{}")
    with pytest.raises(ConfigurationError, match=r"0000000002.json is damaged"):
        world.verify()


def test_the_command_prints_what_is_missing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """For people and for programs, with 1 as its exit code; with 0 when nothing is."""
    monkeypatch.setattr("consumer.aws.session", lambda region: world.session)
    ask = CliRunner().invoke
    world.write("a", 61, 62.5)
    world.count("a", 61, 62.5, revision=(1, 2))
    fine = ask(ledger.command, ["--verify", *INTERVAL], env=ENVIRONMENT)
    assert (fine.exit_code, fine.stdout) == (0, "")
    assert "2 samples of the table from 2026-07-25 00:01 to 2026-07-25 02:00 UTC: all were scored." in fine.stderr
    world.write("a", 63.25)
    world.write("b", *range(120, 130))
    world.count("b", 120, revision=(1, 3))
    said = ask(ledger.command, ["--verify", *INTERVAL], env=ENVIRONMENT)
    assert said.exit_code == 1
    assert said.stdout.splitlines() == [
        "2026-07-25 00:01 UTC  a  3 in the table, 2 scored, missing: ts 1784937663.25",
        "2026-07-25 00:02 UTC  b  10 in the table, 1 scored, missing: 9",
    ]
    assert "at least 10 were not scored" in said.stderr
    lines = ask(ledger.command, ["--verify", "--json", *INTERVAL], env=ENVIRONMENT).stdout.splitlines()
    assert json.loads(lines[0]) == {
        "device": "a",
        "minute": "2026-07-25T00:01Z",
        "in_table": 3,
        "scored": 2,
        "missing": [T + 63.25],
    }


@pytest.mark.parametrize(
    "words", [["--verify", "--day", "2026-07-25"], ["--since", "2h"], ["--verify", "--since", "1m", "--until", "2h"]]
)
def test_options_that_do_not_go_together_are_refused(words: list[str]) -> None:
    """An interval is for --verify, a day is not, and its end lies after its beginning."""
    assert CliRunner().invoke(ledger.command, words).exit_code == 2
