"""The worker as a process, against the embedded AWS."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from demo.worker import Worker
from demo.world import ARCHIVE, CHARTS, LEDGER

QUARANTINE = "battery-quarantine/"
BAD = {
    "missing attribute": ({"current": None}, "'current' is missing"),
    "string for a number": ({"temperature": {"S": "25.0"}}, "'temperature' is of type S, not a number"),
    "a string that says NaN": ({"current": {"S": "NaN"}}, "'current' is of type S"),
    "3.4e38": ({"current": "3.4e38"}, "current 3.4e+38 A is outside the plausible"),
    "38 digits": ({"current": "12345678901234567890123456789012345678"}, "outside the plausible"),
    "empty but for its key": ({"current": None, "temperature": None}, "is missing"),
}


def books(account: Any) -> dict[str, int]:
    """The counts of all days and devices, from the ledger objects."""
    total: dict[str, int] = {}
    for _, body in account.world.objects(LEDGER):
        for counts in json.loads(body)["devices"].values():
            for name, count in counts.items():
                total[name] = total.get(name, 0) + count
    return total


def archive(account: Any) -> dict[str, bytes]:
    """Key and bytes of every archive object."""
    return dict(account.world.objects(ARCHIVE))


def lines(account: Any) -> list[dict[str, Any]]:
    """Every line of the archive."""
    return [json.loads(line) for body in archive(account).values() for line in body.splitlines()]


def test_a_fault_becomes_message_archive_line_and_chart(account: Any, worker: Worker, eventually: Any) -> None:
    """A sample far outside normal charging opens an episode, which is told on the topic with that sample's readings and
    both scores; the sample is archived, and there is a chart."""
    start = float(int(time.time()) - 120)
    account.charge(start, 100, faults={60: 61.5})
    found = eventually(account.messages)
    event = json.loads(found[0]["Body"])
    assert event["specversion"] == "1.0"
    assert event["subject"] == "device4"
    assert (event["type"], event["data"]["opened"], event["data"]["step"]) == ("anomaly.opened", start + 60, 1)
    evidence = event["data"]["evidence"]
    assert evidence["ts"] == start + 60
    assert evidence["actual"] == {"current_a": pytest.approx(2.5, abs=0.01), "temperature_c": 61.5}
    assert abs(evidence["expected"]["temperature_c"]) < 1e6
    assert sum(evidence["contributions"].values()) == pytest.approx(1.0)
    scores = evidence["scores"]
    assert scores["reconstruction_error"]["exceeded"] or scores["forest"]["exceeded"]
    assert "61.5 °C" in event["data"]["summary"]
    eventually(lambda: books(account).get("scored") == 100)
    attributes = {name: value["StringValue"] for name, value in found[0]["MessageAttributes"].items()}
    assert {"type", "severity", "filterseverity", "device", "state", "schema", "kind"} == set(attributes)
    assert (attributes["device"], attributes["state"]) == ("device4", "opened")

    assert worker.stop() == 0
    first = lines(account)[0]
    assert first["ts"] == start + 60
    assert event["data"]["archive"]["key"] in archive(account)
    charts = account.world.keys(CHARTS)
    assert event["data"]["chart"]["key"] in charts
    for _, body in account.world.objects(CHARTS):
        assert body.startswith(b"\x89PNG")
    assert books(account)["scored"] == 100


def test_a_bad_record_is_quarantined_and_the_next_sample_scored(account: Any, worker: Worker, eventually: Any) -> None:
    """A record that is no sample is quarantined with its reason, readable, and holds up nothing."""
    start = float(int(time.time()) - 60)
    reasons = {}
    for n, (overrides, reason) in enumerate(BAD.values()):
        account.put(start + 2 * n)
        account.put(start + 2 * n + 1, **overrides)
        reasons[start + 2 * n + 1] = reason
    account.put(start + 2 * len(BAD))
    eventually(lambda: books(account).get("read") == 2 * len(BAD) + 1)
    assert worker.stop() == 0
    set_aside = [json.loads(body) for _, body in account.world.objects(QUARANTINE)]
    found = {float(each["record"]["dynamodb"]["Keys"]["ts"]["N"]): each["reason"] for each in set_aside}
    assert found.keys() == reasons.keys()
    assert all(reason in found[ts] for ts, reason in reasons.items()), found
    counts = books(account)
    assert (counts["scored"], counts["quarantined"]) == (len(BAD) + 1, len(BAD))


def test_a_killed_worker_goes_on_where_it_stood(account: Any, eventually: Any) -> None:
    """After SIGKILL in the middle of a fault nothing is lost: counts, archive and messages are those of one run, with
    one beginning of each episode."""
    account.environment["PUBLISH"] = "both"
    start = float(int(time.time()) - 600)
    faults = dict.fromkeys((150, 152, 154, 156, 158, 250, 252, 254), 61.5)
    with Worker(account.environment) as first:
        first.wait_until_watching()
        account.charge(start, 155, faults=faults)
        told = eventually(account.messages)
        first.kill()
    charge_on = {second - 155: value for second, value in faults.items() if second >= 155}
    account.charge(start + 155, 245, faults=charge_on)
    with Worker({**account.environment, "TAKE_OVER_S": "1"}) as second:
        second.wait_until_watching()
        eventually(lambda: any(line["ts"] == start + 254 for line in lines(account)))
        eventually(lambda: books(account).get("read") == 400)
        assert second.stop() == 0
    told += account.messages()
    counts = books(account)
    assert (counts["read"], counts["scored"], counts["lost"]) == (400, 400, 0)
    archived = {line["ts"] for line in lines(account)}
    assert {start + second for second in faults} <= archived
    # At least once: a message may come twice, then with the same id and the same words.
    by_id = {}
    for message in told:
        event = json.loads(message["Body"])
        assert by_id.setdefault(event["id"], event) == event
    assert {event["data"]["ts"] for event in by_id.values() if event["type"] == "anomaly.sample"} == archived
    steps = [event["data"] for event in by_id.values() if event["type"] != "anomaly.sample"]
    assert [(step["state"], step["step"]) for step in steps if step["step"] == 1] == [("opened", 1)]
    assert [step["step"] for step in steps] == [*range(1, len(steps) + 1)]


def test_sigterm_commits_and_exits_at_once(account: Any, worker: Worker, eventually: Any) -> None:
    """SIGTERM ends the worker with exit code 0 within 10 s, and everything read by then is in the books, with a last
    chart."""
    account.charge(float(int(time.time()) - 300), 200, faults={100: 61.5})
    charts = eventually(lambda: account.world.keys(CHARTS))
    asked = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - asked < 10
    counts = books(account)
    assert counts["read"] == counts["scored"] > 0
    assert len(account.world.keys(CHARTS)) > len(charts)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"AWS_DEFAULT_REGION": None, "AWS_REGION": None}, "AWS_DEFAULT_REGION: is not set"),
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "credentials: none found"),
        ({"BATTERY_TABLE_NAME": "absent"}, "table 'absent' in us-east-1: does not exist"),
        ({"RESULTS_BUCKET_NAME": "absent"}, "bucket 'absent': does not exist"),
        ({"TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:absent"}, "does not exist"),
        ({"TOPIC_ARN": "battery"}, "is not an SNS topic"),
        ({"MODEL_DIR": "/nowhere"}, "bundle"),
    ],
)
def test_what_must_be_put_right_first_is_said(account: Any, change: dict[str, str | None], said: str) -> None:
    """A worker that cannot start says in one message what to do, exits with 2, and shows no traceback."""
    ended = account.run("run", **change)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        ({"StreamEnabled": False}, "has no stream"),
        ({"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}, "no new image"),
    ],
)
def test_a_table_without_a_usable_stream_is_refused(account: Any, stream: dict[str, Any], said: str) -> None:
    """Without new images in a stream there is nothing to score: the message holds the command that turns it on."""
    account.world.aws.dynamodb.create_table(
        TableName="other",
        KeySchema=[{"AttributeName": "ts", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "ts", "AttributeType": "N"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification=stream,
    )
    ended = account.run("run", BATTERY_TABLE_NAME="other")
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "aws dynamodb update-table --table-name other" in ended.stderr
