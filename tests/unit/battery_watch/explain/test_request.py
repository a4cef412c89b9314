"""Which event is meant: an id, or a message in any wrapping."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from explained import SENTENCE, explained

from battery_watch.cli import cli
from battery_watch.explain.request import parse_request
from reporting.anomaly.episode import Episode
from reporting.anomaly.episode_message import episode_message
from reporting.anomaly.episodes import Step
from reporting.anomaly.evidence import Evidence
from reporting.anomaly.publication import Publication
from reporting.anomaly.sample_message import sample_message
from reporting.health.notice import Notice
from reporting.message import Message
from scoring.detectors import Stage
from scoring.faults import FaultKind
from scoring.severity import Severity

NOW = datetime(2026, 7, 25, 14, 25, tzinfo=UTC)
TO = Publication("urn:battery-watch:t", "b", NOW)


TOLD = explained()
LINE = Evidence("d", 60.5, 9.0, 25.0, 9.0, 5.0, -0.4, -0.5, Stage.RECONSTRUCTION, Severity.HIGH, TOLD, "bw-x")


@pytest.fixture
def message() -> Message:
    """Of a sample."""
    return sample_message(LINE, TO, episode="e", revision=0)


def test_an_id_is_an_id() -> None:
    """As it stands in a message."""
    assert parse_request("0123456789abcdef" * 2).id == "0123456789abcdef" * 2
    assert parse_request("0123456789abcdef" * 2).sent is None


@pytest.mark.parametrize("wrapping", ["", "Message", "Body", "body", "body Message"])
def test_a_message_is_taken_out_of_its_wrapping(message: Message, tmp_path: Path, wrapping: str) -> None:
    """As published, in a notification of SNS, a message of SQS, a record of Lambda, or one in the other."""
    text = message.body
    for name in reversed(wrapping.split()):
        text = json.dumps({"Type": "Notification", name: text})
    (tmp_path / "m.json").write_text(text)
    found = parse_request(str(tmp_path / "m.json"))
    assert found.id == message.id
    assert found.sent is not None
    assert (found.sent.device, found.sent.ts, found.sent.summary) == ("d", 60.5, SENTENCE)
    assert found.sent.content["summary"] == SENTENCE


def test_an_e_mail_names_the_id(message: Message, tmp_path: Path) -> None:
    """It carries no numbers to compare with, but the command with the id; wrapped or not."""
    for text in (f"Dear all,\n{message.text}\n--", json.dumps({"Message": message.text})):
        (tmp_path / "mail").write_text(text)
        found = parse_request(str(tmp_path / "mail"))
        assert (found.id, found.sent) == (message.id, None)


@pytest.mark.parametrize("with_sample", [True, False])
def test_of_an_episode_it_is_the_sample_that_its_message_shows(
    message: Message, tmp_path: Path, with_sample: bool
) -> None:
    """The id is that of the sample's own message, also in the text; what the message says in words is of the episode.
    Where time caused it there are no numbers to compare with, but the id."""
    of = Episode("d", 60.5, 80.0, 60.5, 80, Severity.HIGH, samples=3, steps=2, kind=FaultKind.OVER_CURRENT)
    step = Step("ongoing", 90.0, of)
    sent = episode_message(step, TO, evidence=LINE if with_sample else None, model="bw-x")
    (tmp_path / "m").write_text(sent.body)
    (tmp_path / "mail").write_text(sent.text)
    found = parse_request(str(tmp_path / "m"))
    assert found.id == parse_request(str(tmp_path / "mail")).id == message.id
    if not with_sample:
        assert found.sent is None
        return
    assert found.sent is not None
    assert (found.sent.ts, found.sent.model, found.sent.summary[:12]) == (60.5, "bw-x", "Over-current")
    assert found.sent.content == {name: value for name, value in json.loads(LINE.line()).items() if name != "datetime"}


def notice() -> str:
    sent = Notice("health.silence", "d", 60.0, "opened", "Nothing has come of d.")
    return sent.message(source="urn:battery-watch:t", table="t", recorded=NOW).body


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
        parse_request(str(tmp_path / "m"))
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
