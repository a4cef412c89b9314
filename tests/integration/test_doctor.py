"""`battery-watch doctor` against the embedded AWS."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest


def findings(account: Any, *options: str, **environment: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit code and findings by subject."""
    ended = account.ask("doctor", "--json", *options, **environment)
    assert "Traceback" not in ended.stderr
    return ended.returncode, {f["subject"]: f for f in map(json.loads, ended.stdout.splitlines())}


def test_all_is_fine(account: Any) -> None:
    """On a table with good samples every check is fine and the exit code is 0."""
    account.charge(float(int(time.time()) - 2), 3)
    code, found = findings(account, "--publish")
    assert code == 0
    assert {f["state"] for f in found.values()} == {"fine"}
    assert [json.loads(json.dumps(m["Body"])) for m in account.messages()] == [
        "A test by `battery-watch doctor --publish`. Nothing is wrong."
    ]


def test_an_empty_stream_is_a_note(account: Any) -> None:
    """Nothing written yet is no fault, but is said."""
    code, found = findings(account)
    assert code == 0
    assert found["newest records"]["state"] == "note"


@pytest.mark.parametrize(
    ("write", "subject", "state", "said"),
    [
        (lambda now: (now * 1000, "2.5", "25"), "ts", "fault", "milliseconds"),
        (lambda now: (now - 3000, "2.5", "25"), "clock", "fault", "after their ts"),
        (lambda now: (now + 2, "250", "25"), "training range", "note", "100% of the newest lie outside"),
        (lambda now: (now, {"S": "2.5"}, "25"), "newest records", "fault", "'current' is of type S"),
    ],
)
def test_data_that_cannot_be_judged(account: Any, write: Any, subject: str, state: str, said: str) -> None:
    """The newest records show a wrong unit, a wrong clock, another kind of battery, or no numbers."""
    account.put(*write(int(time.time())))
    _, found = findings(account)
    assert found[subject]["state"] == state
    assert said in found[subject]["found"]


def test_several_faults_are_all_listed(account: Any) -> None:
    """One run names everything that must be put right."""
    code, found = findings(account, BATTERY_TABLE_NAME="absent", RESULTS_BUCKET_NAME="absent", MODEL_DIR="/nowhere")
    assert code == 1
    assert {s for s, f in found.items() if f["state"] == "fault"} == {"bundle", "table", "bucket"}
    assert all(f["advice"] for f in found.values() if f["state"] == "fault")


def test_bad_settings(account: Any) -> None:
    """Settings that cannot be read are listed, with exit code 2."""
    ended = account.run("doctor", TOPIC_ARN="battery", LINK_TTL_S="1")
    assert ended.returncode == 2
    assert "TOPIC_ARN" in ended.stderr
    assert "LINK_TTL_S" in ended.stderr
