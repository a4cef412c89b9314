"""Whatever a device is called, it is one line of text wherever people read it, and machines get the name as it is."""

from __future__ import annotations

import io
import json
import sys
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from explained import explained
from repository import ROOT
from rich.console import Console

from battery_watch.cli import cli
from battery_watch.commands.replay import _say
from battery_watch.events.printer import archive_text
from battery_watch.explain.comparison import Difference
from battery_watch.explain.recheck import Checked
from battery_watch.explain.request import Request
from battery_watch.explain.view import show
from battery_watch.replay.summary import DeviceFigures
from consumer.checks.doctor import _mutes
from consumer.offline.archive_reader import ArchiveLine
from consumer.offline.ledger_reader import LedgerRow
from consumer.offline.verify import Difference as Missing
from consumer.outgoing.storms import STORM_S, Storms
from consumer.state.classes import CLASSES
from consumer.table.scan import TableDescription
from reporting.anomaly.episode import Episode, State
from reporting.anomaly.episode_message import episode_message
from reporting.anomaly.episodes import Step
from reporting.anomaly.evidence import Evidence
from reporting.anomaly.publication import Publication
from reporting.anomaly.sample_message import sample_message
from reporting.charts.style import LONGEST_NAME, drawable
from reporting.contract.health_kinds import HEALTH_KINDS
from reporting.health.misfit import Misfit
from reporting.health.notice import Notice
from reporting.health.state import Fit
from reporting.message import Message
from scoring.detectors import Stage
from scoring.faults import FaultKind
from scoring.verdict import Severity
from window.samples import Kind

sys.path.insert(0, str(ROOT / "tests" / "unit" / "reporting" / "health"))

from health_rig import BUNDLE, Row, Watched, sample

T = 1_784_989_500.0
NOW = datetime(2026, 7, 25, 14, 25, 8, tzinfo=UTC)
PUBLICATION = Publication("urn:battery-watch:t", "b", NOW)
EXPLANATION = explained(sentences=("Hot.",))
NAMES = {
    "newline": "rack 7\nCRITICAL: other",
    "tab and return": "a\tb\r",
    "terminal": "\x1b[31mred\x1b]0;title\x07",
    "c1": "\x9b31m",
    "null": "a\x00b",
    "mark-up": "[bold]x[/]",
    "closing mark-up": "[/red]",
    "link": "[link=https://x]x[/link]",
    "emoji code": ":warning:",
    "html": "<b>x</b>",
    "right to left": "a\u202eb",
    "isolate": "a\u2066b\u2069",
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "zero width": "a\u200bb\ufeff",
    "nothing seen": "\n\u2028",
    "long": "n" * 255,
    "long and hostile": "\x1b\n" * 127,
}
LITERAL = ("mark-up", "closing mark-up", "link", "emoji code", "html")
"""These read as they are."""
every_name = pytest.mark.parametrize("name", NAMES.values(), ids=[*NAMES])


def safe(text: str, name: str) -> None:
    """No line has anything that a terminal obeys or nobody sees, and none is long because of the name."""
    for line in text.split("\n"):
        assert not {unicodedata.category(c) for c in line} & {"Cc", "Cf", "Cs", "Zl", "Zp"}, ascii(line)
        assert "n" * 81 not in line
    if name in {NAMES[each] for each in LITERAL}:
        assert name in text


def evidence(name: str) -> Evidence:
    readings = (T, 7.5, 41.0, 60.5, 53.25, -0.25, -0.5)
    return Evidence(name, *readings, Stage.RECONSTRUCTION, Severity.HIGH, EXPLANATION, "bw-x")


def anomalies(name: str) -> Iterator[Message]:
    """A message of each kind about anomalies."""
    yield sample_message(evidence(name), PUBLICATION, episode="e", revision=0)
    kind = FaultKind.OVER_CURRENT
    episode = Episode(name, T, T + 65, T + 20, int(T + 65), Severity.HIGH, State.OPEN, samples=12, steps=2, kind=kind)
    for step in ("opened", "escalated", "ongoing", "closed"):
        of = evidence(name) if step in ("opened", "escalated") else None
        yield episode_message(Step(step, T + 70, episode), PUBLICATION, evidence=of, model="bw-x")


def notices(name: str) -> list[Notice]:
    """What the detectors say of a device that has everything: each opening and, where there is one, its end."""
    rows: list[Row] = [sample(1000.0 + n, 2.5, device=name) for n in range(90)]  # stuck
    rows += [sample(1100.0, 2.6, device=name), sample(1101.0, kind=Kind.MALFORMED, device=name)]
    rows += [sample(1102.0, ts=10.0, kind=Kind.LATE, device=name)]
    rows += [sample(1200.0 + n, 2.0 + n, ts=4800.0 + n, kind=Kind.FUTURE, device=name) for n in range(20)]
    rows += [sample(1300.0 + n, 2.0 + n, device=name) for n in range(5)]
    watched = Watched()
    for row in rows:
        watched.until(row[0]).feed(row)
    watched.until(1600.0).feed(sample(1600.0, 9.0, device=name)).until(1e6)
    said = Misfit(0, BUNDLE, Fit("bw-wide", 0.0, 30, 20)).said(name)
    return [*watched.said, Notice("health.misfit", name, 1000.0, "opened", said)]


def gathered(name: str) -> Notice:
    """The one notice about many devices."""
    storms = Storms(lane="table")
    for n, device in enumerate(("first", name, "other")):
        storms.take(Notice("health.silence", device, T + n, "opened", "Nothing."), T + n)
    (many,) = storms.fire(T + STORM_S)
    return many


@every_name
def test_a_message_about_an_anomaly_has_the_lines_that_it_always_has(name: str) -> None:
    """For people; for machines the name is as it is."""
    for told, usual in zip(anomalies(name), anomalies("bay"), strict=True):
        assert told.text.count("\n") == usual.text.count("\n")
        safe(told.text, name)
        event = json.loads(told.body)
        assert {told.device, event["subject"], event["partitionkey"], event["data"]["device"]} == {name}


@every_name
def test_a_notice_is_a_sentence_whatever_its_device_is_called(name: str) -> None:
    """Of every detector, when it opens and when it ends, and of many devices together."""
    found = [*notices(name), gathered(name)]
    assert {each.type for each in found} == {kind for kind, of in HEALTH_KINDS.items() if of.many} - {
        "health.undelivered",
        "health.overwritten",
    }
    assert {each.type for each in found if each.state == "closed"} == {
        "health.silence",
        "health.stuck",
        "health.clock_skew",
    }
    for notice in found:
        told = notice.message(source="s", table="t", recorded=NOW)
        event = json.loads(told.body)
        safe(event["data"]["summary"], name)
        safe(told.text, name)
        assert "\n" not in event["data"]["summary"]
        assert told.text.count("\n") == 1 + (notice.command is not None)
        if notice.device is not None:
            assert {told.device, event["data"]["device"]} == {name}
        else:
            assert name in event["data"]["devices"]["first"]


def test_a_sentence_of_an_older_version_and_a_reason_from_outside_are_one_line_too() -> None:
    """A head may hold a notice that waits; a sink says why it refuses in its own words."""
    told = Notice("health.silence", "d", T, "opened", "No sample from a\nb\x1b[2J.", command="run\nit")
    text = told.message(source="s", table="t", recorded=NOW).text
    assert text.split("\n")[1:] == ["No sample from a b?[2J.", "Run: run it"]


@every_name
def test_a_chart_has_a_title_of_one_line(name: str) -> None:
    """And a line below the verdict may be empty."""
    safe(drawable(name), name)
    assert len(drawable(name)) <= LONGEST_NAME
    assert "\n" not in drawable(name)
    assert drawable("") == ""


@pytest.fixture
def run(s3: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command against a bucket in memory."""
    for key, value in {
        "RESULTS_BUCKET_NAME": "b",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:battery",
    }.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr("consumer.aws.session", lambda region: SimpleNamespace(client=lambda *_, **__: s3))
    return lambda *arguments: CliRunner().invoke(cli, arguments)


def store_mute(s3: Any, name: str) -> None:
    since, why = datetime.now(UTC) - timedelta(hours=1), f"why {name}"[:60]
    times = {"since": since.isoformat(), "until": (since + timedelta(hours=2)).isoformat()}
    body = {"device": name, **times, "reason": why, "by": why}
    key = "battery-mutes/21000101T000000Z/d-1a2b3c4d.json"
    s3.put_object(Bucket="b", Key=key, Body=json.dumps(body).encode(), ContentType="application/json")


@every_name
def test_mutes_are_told_in_one_line(run: Callable[..., Result], s3: Any, name: str) -> None:
    """When one begins, when it is asked for, when it ends, and when there is none. `--json` has the name itself."""
    begun = run("mute", "--device", name, "--until", "2h", "--reason", "r", "--by", "ann")
    none = run("unmute", "--device", f"{name} ")
    s3.objects.clear()
    store_mute(s3, name)
    listed, as_json = run("mutes"), run("mutes", "--json")
    ended = run("unmute", "1a2b3c4d")
    assert [each.exit_code for each in (begun, none, listed, as_json, ended)] == [0, 1, 0, 0, 0]
    for told, lines in ((begun, 3), (none, 1), (ended, 1)):
        safe(told.output, name)
        assert told.output.count("\n") == lines
    safe(listed.output, "")  # a long cell is folded
    assert json.loads(as_json.output)["device"] == name


@every_name
def test_doctor_tells_a_mute_in_one_line(
    run: Callable[..., Result], s3: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It is the first place to look if nothing is published."""
    store_mute(s3, name)
    aws: Any = SimpleNamespace(client=lambda *_, **__: s3)
    finding = _mutes(aws, SimpleNamespace(bucket="b"))  # type: ignore[arg-type]
    safe(finding.found, name)
    assert "\n" not in finding.found
    monkeypatch.setattr("consumer.checks.doctor.diagnose", lambda *_, **__: [finding])
    safe(run("doctor").output, "")


@every_name
def test_the_ledger_has_a_name_in_its_cell(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Also where samples are missing. `--json` has the name itself."""
    rows = [LedgerRow("2026-11-22", "table", name, dict.fromkeys(CLASSES, 0) | {"read": 7_654, "scored": 7_654})]
    monkeypatch.setattr("consumer.offline.ledger_reader.read_ledger", lambda *_: rows)
    printed = run("ledger").output
    safe(printed, name if len(name) < 32 else "")
    assert sum("7,654" in line for line in printed.splitlines()) == 1
    assert json.loads(run("ledger", "--json").output)["device"] == name
    missing: Any = SimpleNamespace(
        differences=[Missing(name, int(T), 3, 2, (T,))], samples=3, missing=1, removed=0, since=T, until=T + 60
    )
    verifier = SimpleNamespace(verify=lambda *_: missing)
    monkeypatch.setattr("consumer.offline.verify.Verifier", lambda *_, **__: verifier)
    result = CliRunner().invoke(cli, ["ledger", "--verify"])
    safe(result.stdout, name)
    assert result.stdout.count("\n") == 1


@every_name
def test_events_of_topic_and_archive_are_printed_and_not_obeyed(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """`tail` says whom it listens for, too."""
    safe(archive_text(json.loads(evidence(name).line())).plain, name)
    assert "\n" not in archive_text(json.loads(evidence(name).line())).plain
    bodies = [[each.body for each in anomalies(name)]]
    queue = SimpleNamespace(
        open=lambda: None, receive=lambda: bodies.pop(), remove=lambda: [], name="battery-watch-tail-0"
    )
    monkeypatch.setattr("battery_watch.events.temporary_queue.TemporaryQueue", lambda *_: queue)
    told = run("tail", "--device", name, "--count", "5")
    assert told.exit_code == 0
    safe(told.output, name)
    assert told.stderr.count("\n") == 2
    assert told.stdout.count("\n") == 10


def test_an_event_with_half_a_character_is_printed(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON can hold a lone surrogate, and no terminal can write one."""
    event = json.loads(next(anomalies("bay")).body)
    event["subject"] = event["data"]["summary"] = "a\ud800b"
    bodies = [[json.dumps(event)]]
    queue = SimpleNamespace(open=lambda: None, receive=lambda: bodies.pop(), remove=lambda: [], name="q")
    monkeypatch.setattr("battery_watch.events.temporary_queue.TemporaryQueue", lambda *_: queue)
    told = run("tail", "--count", "1")
    assert told.exit_code == 0
    assert told.stdout.count("a?b") == 2


@every_name
def test_explain_heads_its_answer_with_one_line(name: str) -> None:
    """And shows in its tables what differs, whatever it is."""
    of = evidence(name)
    found = Checked(
        request=Request("0" * 32),
        table=TableDescription("t", 1, ("ts",)),
        bucket="b",
        device=name,
        ts=T,
        model="bw-x",
        key="k",
        line=ArchiveLine("k", of.line()),
        chart=None,
        now=of,
        present=True,
        of_message=None,
        of_archive=[Difference("device", name, "bay")],
    )
    for checked in (found, replace(found, now=None, of_archive=None)):
        out = io.StringIO()
        show(checked, Console(file=out, width=200))
        safe(out.getvalue(), name)
        assert out.getvalue().split("\n")[0].endswith("at 2026-07-25 14:25:00.000 UTC")


@every_name
def test_replay_has_a_name_in_its_cell(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In the table of its figures."""
    _say([], [], [DeviceFigures(name, 7_654, 7_654, 0, 1, 1.0, 0, 0, 0, 0.0)], "bw-x", ROOT)
    printed = capsys.readouterr().out
    safe(printed, name)
    assert "7,654" in printed


def test_an_ordinary_name_is_left_as_it_is() -> None:
    """Brackets and all, in every message."""
    assert all("bay [7]" in told.text for told in anomalies("bay [7]"))
    assert all("bay [7]" in each.summary for each in notices("bay [7]"))
