"""`state save` and `state restore`, over a bucket in memory."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from battery_watch.cli import cli
from consumer.state.head import Head
from consumer.state.snapshot import Snapshot
from consumer.state.store import S3StateStore

LABEL = "2026-01-02T00:00:00.000"
PREFIX = f"state/default/device4/{LABEL}"
SECRET = "wJalrXUtnFEMI/K7MDENG"


@pytest.fixture
def table() -> dict[str, Any]:
    """The table as DescribeTable has it."""
    return {
        "TableName": "device4",
        "KeySchema": [{"KeyType": "HASH", "AttributeName": "ts"}],
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        "LatestStreamArn": f"arn:aws:dynamodb:eu-central-1:1:table/device4/stream/{LABEL}",
        "LatestStreamLabel": LABEL,
    }


@pytest.fixture
def run(s3: Any, table: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command against the bucket."""
    for name, value in {
        "RESULTS_BUCKET_NAME": "b",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:battery",
        "TAKE_OVER_S": "1",
    }.items():
        monkeypatch.setenv(name, value)
    clients = {"s3": s3, "dynamodb": SimpleNamespace(describe_table=lambda **_: {"Table": table})}
    monkeypatch.setattr("consumer.aws.session", lambda region: SimpleNamespace(client=lambda name, **_: clients[name]))

    def command(*arguments: str, typed: str = "") -> Result:
        return CliRunner().invoke(cli, ["state", *arguments], input=typed)

    return command


def put(s3: Any, commit: int, *, released: bool = True) -> None:
    """The lane at a commit, with windows of it."""
    store = S3StateStore(s3, "b", f"{PREFIX}/table")
    store.read()
    store.write(Head(lane="table", owner="you", bundle="bw-1", epoch=5, commit=commit, released=released))
    store.write_windows(Snapshot(commit, {}, {}, {}).encode(), (5, commit))


def commit(s3: Any) -> int:
    return Head.decode(s3.objects[f"{PREFIX}/table/head"].body).commit


def said(result: Result) -> str:
    """On one line: terminals differ in width."""
    return " ".join(result.output.split())


@pytest.fixture
def folder(run: Any, s3: Any, tmp_path: Path) -> str:
    """A backup of commit 160; the bucket is at commit 300 since."""
    put(s3, 160)
    assert run("save", "--out", str(tmp_path / "f")).exit_code == 0
    put(s3, 300)
    return str(tmp_path / "f")


def test_what_was_saved_is_said_and_holds_no_credentials(run: Any, s3: Any, tmp_path: Path) -> None:
    """A line a lane, and how to put it back."""
    put(s3, 160, released=False)
    result = run("save", "--out", str(tmp_path / "f"))
    assert result.exit_code == 0
    assert "table: commit 160, windows of commit 160, 0 devices" in result.output
    assert f"Saved 1 lane of default/device4/{LABEL}" in said(result)
    assert f"battery-watch state restore {tmp_path / 'f'}" in said(result)
    assert sorted(file.name for file in (tmp_path / "f").iterdir()) == [
        "manifest.json",
        "table.head.json",
        "table.windows.npz",
    ]
    assert not any(SECRET.encode() in file.read_bytes() for file in (tmp_path / "f").iterdir())


def test_a_folder_with_something_in_it_is_never_written_to(run: Any, s3: Any, tmp_path: Path) -> None:
    """Before anything is read."""
    (tmp_path / "mine").write_text("x")
    result = run("save", "--out", str(tmp_path))
    assert (result.exit_code, s3.calls) == (2, [])
    assert "is there already" in said(result)


def test_a_table_without_a_stream_or_a_state_is_no_backup(run: Any, table: dict[str, Any], tmp_path: Path) -> None:
    """Exit code 2, and why."""
    result = run("save", "--out", str(tmp_path / "f"))
    assert (result.exit_code, "no worker has run" in said(result)) == (2, True)
    del table["LatestStreamArn"]
    result = run("save", "--out", str(tmp_path / "f"))
    assert (result.exit_code, "has no stream" in said(result)) == (2, True)
    assert not (tmp_path / "f").exists()


def test_where_s3_does_not_answer_it_can_be_tried_again(
    run: Any, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1."""
    put(s3, 160)

    def down(**_: Any) -> Any:
        raise s3.error("HeadObject", 503, "SlowDown")

    monkeypatch.setattr(s3, "head_object", down)
    assert run("save", "--out", str(tmp_path / "f")).exit_code == 1


def test_it_asks_before_it_replaces(run: Any, s3: Any, folder: str) -> None:
    """No, nothing at all, and yes."""
    for typed in ("n\n", ""):
        result = run("restore", folder, typed=typed)
        assert (result.exit_code, commit(s3)) == (1, 300)
    assert f"goes to s3://b/{PREFIX}/" in said(result)
    result = run("restore", folder, typed="y\n")
    assert (result.exit_code, commit(s3)) == (0, 160), result.output


def test_what_was_restored_and_what_comes_next_is_said(run: Any, s3: Any, folder: str) -> None:
    """A table that was released is restored at once."""
    result = run("restore", folder, "--yes")
    assert (result.exit_code, commit(s3)) == (0, 160), result.output
    assert "watching" not in result.output
    assert "table: commit 160, epoch 6" in result.output
    assert "read again from the stream" in said(result)
    assert "sent again, with the same ids" in said(result)


def test_it_says_that_it_waits(run: Any, s3: Any, folder: str) -> None:
    """For a worker that was killed: `TAKE_OVER_S`."""
    put(s3, 301, released=False)
    result = run("restore", folder, "--yes")
    assert (result.exit_code, commit(s3)) == (0, 160), result.output
    assert "did not release the table: watching it for 1 s more" in said(result)


@pytest.mark.parametrize("what", ["table", "namespace", "stream"])
def test_a_backup_of_another_place_goes_back_only_where_it_is_named(
    what: str, run: Any, s3: Any, table: dict[str, Any], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal says how; a name that is not the backup's is refused too."""
    if what == "stream":
        table["LatestStreamLabel"] = "2026-03-03T00:00:00.000"
    else:
        monkeypatch.setenv({"table": "BATTERY_TABLE_NAME", "namespace": "NAMESPACE"}[what], "other")
    before = dict(s3.objects)
    refused = run("restore", folder, "--yes")
    assert (refused.exit_code, s3.objects) == (2, before)
    (named,) = re.findall(r"add --place (\S+)", said(refused))
    wrong = run("restore", folder, "--yes", "--place", "default/other/x")
    assert (wrong.exit_code, s3.objects) == (2, before)
    result = run("restore", folder, "--yes", "--place", named)
    assert (result.exit_code, commit(s3)) == (0, 160), result.output


def test_a_folder_that_is_no_backup_is_refused(run: Any, tmp_path: Path) -> None:
    """Before anything is asked."""
    result = run("restore", str(tmp_path))
    assert (result.exit_code, "no whole backup" in said(result)) == (2, True)


@pytest.mark.parametrize("name", ["save", "restore"])
def test_the_help_shows_examples_and_exit_codes(name: str) -> None:
    """For somebody who has never used it."""
    shown = CliRunner().invoke(cli, ["state", name, "--help"]).output
    assert "Examples:" in shown
    assert "Exit codes:" in shown
