"""`mute`, `unmute` and `mutes`, over a bucket in memory."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from battery_watch.cli import cli


@pytest.fixture
def run(s3: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command against the bucket."""
    for name, value in {
        "RESULTS_BUCKET_NAME": "b",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:battery",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("consumer.aws.session", lambda region: SimpleNamespace(client=lambda *_, **__: s3))

    def command(*arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments)

    return command


def muted(run: Any, *more: str, device: str = "d") -> str:
    """Mute; the mute's id."""
    result = run("mute", "--device", device, "--until", "2h", "--reason", "new fan", *more)
    assert result.exit_code == 0, result.output
    return str(re.search(r"battery-watch unmute (\w+)", result.output)[1])  # type: ignore[index]


def stored(s3: Any) -> list[Any]:
    return [json.loads(found.body) for found in s3.objects.values()]


def test_a_mute_is_written_and_its_undoing_printed(run: Any, s3: Any) -> None:
    """What was done, until when, and the exact command that undoes it, which does."""
    name = muted(run, "--by", "ann")
    (mute,) = stored(s3)
    since, until = (datetime.fromisoformat(mute[field]) for field in ("since", "until"))
    assert (until - since).total_seconds() == 7200
    assert abs((datetime.now(UTC) - since).total_seconds()) < 60
    assert (mute["device"], mute["reason"], mute["by"], mute["health"]) == ("d", "new fan", "ann", False)
    ended = run("unmute", name)
    assert (ended.exit_code, stored(s3)) == (0, [])
    assert "Unmuted d (new fan; it would have lasted until" in ended.output


def test_every_device_can_be_muted_and_notices_too(run: Any, s3: Any) -> None:
    """It is said who and what."""
    result = run("mute", "--every-device", "--until", "30m", "--reason", "drill", "--health")
    assert "Muted every device until" in result.output
    assert "health notices" in result.output
    (mute,) = stored(s3)
    assert (mute["device"], mute["health"]) == (None, True)
    assert "@" in mute["by"] or mute["by"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--device", "d", "--reason", "r"], "Missing option '--until'"),
        (["--device", "d", "--until", "2h"], "Missing option '--reason'"),
        (["--until", "2h", "--reason", "r"], "name one: --device D, or --every-device"),
        (["--device", "", "--until", "2h", "--reason", "r"], "name one"),
        (["--device", "d", "--every-device", "--until", "2h", "--reason", "r"], "name one"),
        (["--device", "d", "--until", "soon", "--reason", "r"], "'soon' is no time"),
        (["--device", "d", "--until", "2026-11-22T15:00", "--reason", "r"], "has no time zone"),
        (["--device", "d", "--until", "2020-11-22T15:00Z", "--reason", "r"], "has passed"),
        (["--device", "d", "--until", "0m", "--reason", "r"], "has passed"),
        (["--device", "d", "--until", "7d1m", "--reason", "r"], "more than 7 days: add --force"),
        (["--device", "d", "--until", "367d", "--reason", "r", "--force"], "every mute must end"),
        (["--device", "d", "--until", "2h", "--reason", " "], "is one line"),
        (["--device", "d", "--until", "2h", "--reason", "a\nb"], "is one line"),
        (["--device", "d", "--until", "2h", "--reason", "r" * 201], "is one line"),
        (["--device", "d", "--until", "2h", "--reason", "r", "--by", ""], "is one line"),
    ],
)
def test_wrong_input_is_told_and_nothing_is_muted(run: Any, s3: Any, arguments: list[str], said: str) -> None:
    """With exit code 2."""
    result = run("mute", *arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert stored(s3) == []


@pytest.mark.parametrize(("until", "options"), [("7d", []), ("366d", ["--force"])])
def test_how_long_a_mute_may_last(run: Any, s3: Any, until: str, options: list[str]) -> None:
    """A week, or with --force a year."""
    assert run("mute", "--device", "d", "--until", until, "--reason", "r", *options).exit_code == 0
    assert len(stored(s3)) == 1


def test_mutes_are_listed(run: Any) -> None:
    """For people and for programs; without any, that is said."""
    assert "No mutes" in run("mutes").output
    name = muted(run, "--by", "ann", device="rack/7")
    shown = run("mutes")
    assert shown.exit_code == 0
    for said in (name, "rack/7", "new fan", "ann", "anomalies"):
        assert said in shown.output
    (line,) = run("mutes", "--json").output.splitlines()
    told = json.loads(line)
    assert (told["mute"], told["device"], told["in_force"]) == (name, "rack/7", True)


def test_markup_in_a_reason_is_only_text(run: Any) -> None:
    """It is shown as it was written."""
    run("mute", "--device", "d", "--until", "2h", "--reason", "[red]fan[/red]")
    assert "[red]fan[/red]" in run("mutes").output


def test_those_that_ended_are_listed_on_demand(run: Any, s3: Any) -> None:
    """And what ended does not count as in force."""
    body = json.dumps(
        {"device": "d", "since": "2026-01-01T00:00Z", "until": "2026-01-01T01:00Z", "reason": "r", "by": "a"}
    ).encode()
    # As one that ended an hour ago would sort: the bucket does not know what its object says.
    s3.put_object(Bucket="b", Key="battery-mutes/99990101T000000Z/d-old.json", Body=body, ContentType="text/plain")
    assert "No mutes" in run("mutes").output
    assert "ended" in run("mutes", "--ended").output


def test_an_object_that_is_no_mute_is_told_and_can_be_removed(run: Any, s3: Any) -> None:
    """Exit code 1: somebody thinks that it mutes."""
    s3.put_object(Bucket="b", Key="battery-mutes/99990101T000000Z/d-x.json", Body=b"{}", ContentType="text/plain")
    shown = run("mutes")
    assert shown.exit_code == 1
    assert "is no mute, and mutes nothing: device Field required" in shown.output
    assert run("unmute", "x").exit_code == 0
    assert s3.objects == {}


def test_all_mutes_of_a_device_are_taken_back(run: Any, s3: Any) -> None:
    """Not those of other devices; one of every device that still covers it is named."""
    muted(run)
    muted(run)
    muted(run, device="other")
    run("mute", "--every-device", "--until", "30m", "--reason", "drill")
    ended = run("unmute", "--device", "d")
    assert ended.exit_code == 0
    assert ended.output.count("Unmuted d") == 2
    assert "d is still muted by" in ended.output
    assert {mute["device"] for mute in stored(s3)} == {None, "other"}


def test_a_mute_that_is_not_there_is_told(run: Any) -> None:
    """Exit code 1; those that are there are ended all the same."""
    name = muted(run)
    result = run("unmute", name, "nothing")
    assert result.exit_code == 1
    assert "there is no mute nothing" in result.output
    assert "Unmuted d" in result.output
    assert run("unmute", "--device", "d").exit_code == 1


@pytest.mark.parametrize("arguments", [[], ["x", "--device", "d"]])
def test_unmute_wants_to_know_what(run: Any, arguments: list[str]) -> None:
    """One or the other."""
    result = run("unmute", *arguments)
    assert result.exit_code == 2
    assert "name mutes as" in result.output


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        (["mute", "--device", "d", "--until", "2h", "--reason", "r"], "put_object"),
        (["unmute", "x"], "get_paginator"),
        (["mutes"], "get_paginator"),
    ],
)
def test_a_bucket_that_refuses_is_told(
    run: Any, s3: Any, monkeypatch: pytest.MonkeyPatch, arguments: list[str], call: str
) -> None:
    """In one message, with exit code 2."""

    def forbidden(*_: Any, **__: Any) -> Any:
        raise s3.error(call, 403, "AccessDenied")

    monkeypatch.setattr(s3, call, forbidden)
    result = run(*arguments)
    assert result.exit_code == 2
    assert "AccessDenied" in result.output


@pytest.mark.parametrize("name", ["mute", "unmute", "mutes"])
def test_help_has_examples_and_settings_are_told(run: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """And what the exit codes mean."""
    text = run(name, "--help").output
    assert "Examples:" in text
    assert "Exit codes:" in text
    monkeypatch.delenv("RESULTS_BUCKET_NAME")
    arguments = {"mute": ["--device", "d", "--until", "2h", "--reason", "r"], "unmute": ["x"], "mutes": []}[name]
    result = run(name, *arguments)
    assert result.exit_code == 2
    assert "RESULTS_BUCKET_NAME: is not set" in result.output
