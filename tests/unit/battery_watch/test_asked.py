"""Which event is meant: an id, or a message in any wrapping."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from battery_watch.asked import asked
from battery_watch.cli import cli
from reporting.evidence import Evidence
from reporting.message import Message
from reporting.notice import Notice
from scoring.explanation import Explanation
from scoring.verdict import Severity, Stage

NOW = datetime(2026, 7, 25, 14, 25, tzinfo=UTC)


@pytest.fixture
def message() -> Message:
    """Of a sample."""
    told = Explanation({"current": 1.0}, 2.0, 25.0, "rare", "Too much.")
    evidence = Evidence("d", 60.5, 9.0, 25.0, 9.0, 5.0, -0.4, -0.5, Stage.RECONSTRUCTION, Severity.HIGH, told, "bw-x")
    return evidence.message(
        source="urn:battery-watch:t", bucket="b", episode="e", position=None, chart=None, revision=0, recorded=NOW
    )


def test_an_id_is_an_id() -> None:
    """As it stands in a message."""
    assert asked("0123456789abcdef" * 2).id == "0123456789abcdef" * 2
    assert asked("0123456789abcdef" * 2).event is None


@pytest.mark.parametrize("wrapping", ["", "Message", "Body", "body", "body Message"])
def test_a_message_is_taken_out_of_its_wrapping(message: Message, tmp_path: Path, wrapping: str) -> None:
    """As published, in a notification of SNS, a message of SQS, a record of Lambda, or one in the other."""
    text = message.body
    for name in reversed(wrapping.split()):
        text = json.dumps({"Type": "Notification", name: text})
    (tmp_path / "m.json").write_text(text)
    found = asked(str(tmp_path / "m.json"))
    assert found.id == message.id
    assert found.event is not None
    assert (found.event.data.device, found.event.data.ts) == ("d", 60.5)


def test_an_e_mail_names_the_id(message: Message, tmp_path: Path) -> None:
    """It carries no numbers to compare with, but the command with the id; wrapped or not."""
    for text in (f"Dear all,\n{message.text}\n--", json.dumps({"Message": message.text})):
        (tmp_path / "mail").write_text(text)
        found = asked(str(tmp_path / "mail"))
        assert (found.id, found.event) == (message.id, None)


def notice() -> str:
    told = Notice("health.silence", "d", 60.0, "opened", "Nothing has come of d.")
    return told.message(source="urn:battery-watch:t", table="t", recorded=NOW).body


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", "holds no message"),
        ('{"Records": []}', "holds no event of this version"),
        ('{"specversion": "1.0"}', "holds no event of this version"),
        ("[1]", "holds no event of this version"),
        (notice(), "It says all there is: Nothing has come of d."),
    ],
)
def test_what_is_no_anomaly_is_said(tmp_path: Path, text: str, said: str) -> None:
    """With what is wrong about it."""
    (tmp_path / "m").write_text(text)
    with pytest.raises(click.UsageError) as raised:
        asked(str(tmp_path / "m"))
    assert said in str(raised.value)


def test_options_that_do_not_go_together(message: Message, tmp_path: Path) -> None:
    """Exit code 2: a message says where its sample is; and an interval has a beginning."""
    (tmp_path / "m").write_text(message.body)
    for arguments, said in (
        ([str(tmp_path / "m"), "--since", "1h"], "go with an id"),
        (["0" * 32, "--since", "1h", "--until", "2h"], "--until must be later"),
        (["nothing"], "nor a file"),
    ):
        done = CliRunner().invoke(cli, ["explain", *arguments])
        assert done.exit_code == 2
        assert said in " ".join(done.output.split())
