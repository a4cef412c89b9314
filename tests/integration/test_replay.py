"""Replay and training from a table and from an export, over real sockets."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from repository import ROOT

from demo.worker import Worker
from demo.world import BUCKET, TABLE

PLACE = ("position", "archive", "chart")


def said(event: dict[str, Any]) -> dict[str, Any]:
    """Without where the record lay, and when it was written down."""
    rest = {name: value for name, value in event.items() if name not in ("sequence", "recordedtime", "data")}
    return {**rest, "data": {name: value for name, value in event["data"].items() if name not in PLACE}}


def replay(account: Any, out: Path, *arguments: str, **environment: str | None) -> tuple[list[Any], list[Any]]:
    """Replays; its messages without positions, and its rows."""
    done = account.ask("replay", "--out", str(out), *arguments, **environment)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in (out / "events.ndjson").read_text().splitlines()]
    return [said(event) for event in events], pq.read_table(out / "scores.parquet").to_pylist()


def test_a_table_is_replayed_as_it_was_watched(account: Any, eventually: Callable[..., Any], tmp_path: Path) -> None:
    """The same messages about samples with the same ids as the worker's, also of an interval: its windows are filled
    from before. The settings of the worker are not needed. When an episode is told to be over goes by when its records
    were written, which was at once here."""
    start = float(int(time.time()) - 120)
    account.environment["PUBLISH"] = "samples"
    with Worker(account.environment) as worker:
        worker.wait_until_watching()
        account.charge(start, 110, faults={10: 61.5, 90: 61.5})
        told: list[Any] = []
        eventually(lambda: told.extend(account.messages()) or {start + 10, start + 90} <= times(told))
        assert worker.stop() == 0
    told += account.messages()
    watched = [said(json.loads(message["Body"])) for message in told]

    nothing = {"RESULTS_BUCKET_NAME": None, "TOPIC_ARN": None, "BATTERY_TABLE_NAME": None}
    events, rows = replay(account, tmp_path / "all", "--table", TABLE, "--since", "1h", **nothing)
    assert sorted(events, key=str) == sorted(watched, key=str)
    assert [row["ts"] for row in rows] == [start + n for n in range(110)]

    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start + 55))
    later, part = replay(account, tmp_path / "part", "--table", TABLE, "--since", since)
    assert _alone(later) == _alone([event for event in events if event["data"]["ts"] >= start + 55])
    assert [{**row, "episode": None} for row in part] == [{**row, "episode": None} for row in rows[55:]]


def _alone(events: list[Any]) -> list[Any]:
    """Without their episode: one that began before the interval begins with it."""
    return [{**event, "data": {**event["data"], "episode": None}} for event in events]


def times(messages: list[Any]) -> set[float]:
    """Of what messages are about."""
    return {json.loads(message["Body"])["data"].get("ts", 0.0) for message in messages}


def test_the_command_of_a_late_notice_scores_what_was_late(
    account: Any, worker: Worker, eventually: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Word for word as the notice has it, in any folder."""
    start = float(int(time.time()) - 7200)
    account.charge(start, 30, faults={20: 61.5})
    time.sleep(1.0)  # what is created in one second has one stamp (rule 23), and a later one ends the run
    account.put(float(int(time.time())))
    found: list[Any] = []
    eventually(lambda: found.extend(m for m in account.messages() if "health.late" in m["Body"]) or found)
    program, *arguments = json.loads(found[0]["Body"])["data"]["command"].split()
    assert (program, arguments[0]) == ("battery-watch", "replay")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    account.environment["PYTHONPATH"] = str(ROOT)
    done = account.ask(*arguments)
    assert done.returncode == 0, done.stderr
    rows = pq.read_table(tmp_path / "replay-out" / "scores.parquet").to_pylist()
    assert [row["ts"] for row in rows if row["temperature"] == 61.5 and row["anomaly"]] == [start + 20]
    assert (tmp_path / "replay-out" / "charts" / f"{TABLE}.png").exists()


def test_an_export_is_replayed_as_its_table_is(account: Any, tmp_path: Path) -> None:
    """The same messages and rows, from files in the bucket."""
    start = float(int(time.time()) - 600)
    account.charge(start, 60, faults={30: 61.5})
    items = account.world.aws.dynamodb.scan(TableName=TABLE)["Items"]
    folder = "exports/AWSDynamoDB/01784989500000-1a2b3c4d"
    body = gzip.compress("".join(json.dumps({"Item": item}) + "\n" for item in items).encode())
    listed = {
        "itemCount": len(items),
        "md5Checksum": base64.b64encode(hashlib.md5(body).digest()).decode(),
        "dataFileS3Key": f"{folder}/data/abc.json.gz",
    }
    arn = account.world.aws.dynamodb.describe_table(TableName=TABLE)["Table"]["TableArn"]
    for name, content in {
        "data/abc.json.gz": body,
        "manifest-files.json": json.dumps(listed).encode() + b"\n",
        "manifest-summary.json": json.dumps({"tableArn": arn, "outputFormat": "DYNAMODB_JSON"}).encode(),
    }.items():
        account.world.aws.s3.put_object(Bucket=BUCKET, Key=f"{folder}/{name}", Body=content)
    events, rows = replay(account, tmp_path / "export", "--export", f"s3://{BUCKET}/exports")
    assert events
    assert (events, rows) == replay(account, tmp_path / "table", "--table", TABLE)


def test_what_cannot_be_read_is_said(account: Any) -> None:
    """Exit code 2 and one message, for replay and training alike; also that there is too little to train on."""
    for arguments, words in (
        (["replay", "--table", "nowhere"], "table 'nowhere': does not exist"),
        (["replay", "--table", TABLE], f"{TABLE}: there are no samples in it"),
        (["replay", "--export", "s3://nowhere/x"], "s3://nowhere/x"),
        (["replay", "--export", f"s3://{BUCKET}/x"], "holds no export"),
        (["train", "--table", TABLE, "--out", "never"], f"{TABLE}: there are no samples in it"),
    ):
        done = account.ask(*arguments)
        assert done.returncode == 2, done.stderr
        assert words in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
    account.charge(float(int(time.time()) - 300), 200)
    done = account.ask("train", "--table", TABLE, "--out", "never")
    assert done.returncode == 2
    assert "1 of the 1 sessions" in " ".join(done.stderr.split())
