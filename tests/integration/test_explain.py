"""`battery-watch explain` after the real worker, against the embedded AWS."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from battery_watch.cli import cli
from demo.worker import Worker
from demo.world import BUCKET, TABLE

FAULT_S, LATER_S = 30, 80  # so far apart that neither is among the samples that the other is compared with


@pytest.fixture
def told(account: Any, eventually: Callable[..., Any]) -> dict[float, dict[str, Any]]:
    """A charge with two faults, watched to its end: the messages by the second of the charge they are about, and under
    -1 that of the episode's opening."""
    start = float(int(time.time()) - 100)
    account.environment["PUBLISH"] = "both"
    found: dict[float, dict[str, Any]] = {}

    def heard() -> bool:
        for event in (json.loads(message["Body"]) for message in account.messages()):
            if event["type"] == "anomaly.sample":
                found[event["data"]["ts"] - start] = event
            elif event["type"] == "anomaly.opened":
                found.setdefault(-1, event)
        return {FAULT_S, LATER_S, -1} <= set(found)

    with Worker(account.environment) as worker:
        worker.wait_until_watching()
        account.charge(start, 90, faults={FAULT_S: 61.5, LATER_S: 58.0})
        eventually(heard)
        assert worker.stop() == 0
    return found


@pytest.fixture
def explain(account: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command in this process, with the worker's environment."""
    for name, value in account.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("consumer.logs.configure", lambda *_: None)  # it would be the logging of all later tests

    def run(*arguments: str, **environment: str | None) -> Result:
        return CliRunner(env=environment).invoke(cli, ["explain", *arguments], catch_exceptions=False)

    return run


def fields(differences: list[dict[str, Any]]) -> set[str]:
    return {each["field"] for each in differences}


def test_an_event_is_explained_and_a_changed_table_is_noticed(
    account: Any, told: dict[float, dict[str, Any]], explain: Callable[..., Result], tmp_path: Path
) -> None:
    """By its id all numbers agree to the bit with the archive, by its message with both. Once the table is another,
    they do not, and it is said what differs and why; also where the sample is gone. Where MODEL_DIR has another bundle
    the bucket's is taken, and without that it is said what to do."""
    event, later = told[FAULT_S], told[LATER_S]
    ts = event["data"]["ts"]
    done = explain(event["id"], "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["agreement"], found["why"], found["differs_from_archive"]) == ("bits", [], [])
    assert (found["device"], found["ts"], found["summary"]) == (TABLE, ts, event["data"]["summary"])
    assert found["archive"] == {**event["data"]["archive"], "found": True}
    assert found["now"]["scores"] == event["data"]["scores"]
    assert found["chart"]["key"].startswith(f"battery-reports/{TABLE}/")

    episode = tmp_path / "episode.json"
    episode.write_text(json.dumps(told[-1]))
    done = explain(str(episode), "--json")
    assert done.exit_code == 0, done.output
    of_episode = json.loads(done.stdout)
    assert of_episode["event"] == event["id"]
    assert (of_episode["ts"], of_episode["differs_from_message"], of_episode["differs_from_archive"]) == (ts, [], [])

    message = tmp_path / "message.json"
    message.write_text(json.dumps(event))
    shown = account.run("explain", str(message), MODEL_DIR=str(tmp_path))
    assert shown.returncode == 0, shown.stderr
    for words in (
        event["data"]["summary"][:60],
        f"s3://{BUCKET}/{event['data']['archive']['key']}",
        event["data"]["rarity"],
        "{:.3f} to {:.3f} A".format(*event["data"]["expected_band"]["current_a"]),
        "█",
        "Scored again, all numbers agree to the bit with the message and the archive.",
    ):
        assert words in shown.stdout

    done = explain(str(message), RESULTS_BUCKET_NAME="other")
    assert done.exit_code == 2
    assert f"archived in bucket '{BUCKET}', and RESULTS_BUCKET_NAME is 'other'" in done.stderr

    account.put(ts - 1, 2.5, 26.5)
    done = explain(str(message), "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert "scores.reconstruction_error.value" in fields(found["differs_from_message"])
    assert not any(name.startswith("actual.") for name in fields(found["differs_from_message"]))
    assert found["why"][0].startswith("the sample is as it was, so one before it is not")

    account.put(ts, event["data"]["actual"]["current_a"], 61.0)
    done = explain(event["id"])
    assert done.exit_code == 1
    for words in ("do not agree with the archive", "actual.temperature_c", "was written again with other readings"):
        assert words in " ".join(done.stdout.split())

    again = explain(later["id"])
    assert again.exit_code == 0, again.output
    account.world.aws.dynamodb.delete_item(TableName=TABLE, Key={"ts": {"N": str(int(later["data"]["ts"]))}})
    done = explain(later["id"])
    assert done.exit_code == 1
    for words in ("58.00 °C", "Not scored again.", "the table has no such sample now"):
        assert words in " ".join(done.stdout.split())

    key = f"state/default/bundles/{event['data']['model']}.zip"
    account.world.aws.s3.delete_object(Bucket=BUCKET, Key=key)
    done = explain(event["id"], MODEL_DIR="/")
    assert done.exit_code == 2
    for words in (event["data"]["model"], key, "Set MODEL_DIR to that bundle"):
        assert words in done.stderr


def test_what_leads_nowhere_is_said(explain: Callable[..., Result]) -> None:
    """With what was looked at and what to do: 1 where nothing was found, 2 where something must be put right."""
    for arguments, environment, code, words in (
        (["--since", "3d", "--device", "d"], {}, 1, "Searched: 1 device, samples of"),
        ([], {}, 1, "Try --since 3d, or give the message itself"),
        (["--table", "nowhere"], {}, 2, "table 'nowhere': does not exist"),
        ([], {"TOPIC_ARN": None}, 2, "TOPIC_ARN: is not set"),
        ([], {"RESULTS_BUCKET_NAME": "nowhere"}, 2, "bucket 'nowhere': does not exist"),
    ):
        done = explain("0" * 32, *arguments, **environment)
        assert (done.exit_code, "Traceback" in done.stderr) == (code, False)
        assert words in " ".join(done.stderr.split())
