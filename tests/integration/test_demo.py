from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
from independent import independently_valid

from demo import archive
from demo.charger import Charger
from demo.emulator import PROGRAM_VARIABLE, Emulator, EmulatorError
from demo.listener import Listener
from demo.script import write
from demo.worker import Worker, WorkerError
from demo.world import ARCHIVE, BUCKET, CHARTS, LEDGER, TABLE, World, clients


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def world(emulator: Emulator) -> World:
    return World.create(clients(emulator.environment()))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_emulator_listens_on_the_loopback_alone_and_leaves_nothing_behind() -> None:
    """Its process and whatever it wrote go with it."""
    with Emulator() as emulator:
        pid, folder = emulator.pid, emulator.folder
        assert emulator.url.startswith("http://127.0.0.1:")
        assert alive(pid)
        assert folder.is_dir()
    assert not alive(pid)
    assert not folder.exists()


def test_two_emulators_know_nothing_of_each_other(emulator: Emulator, world: World) -> None:
    """Tests may run at the same time."""
    with Emulator(auth=True) as other:
        assert other.url != emulator.url
        assert clients(other.environment()).dynamodb.list_tables()["TableNames"] == []


def test_a_missing_emulator_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One sentence, no traceback of a failed start."""
    monkeypatch.setenv(PROGRAM_VARIABLE, str(tmp_path / "nothing"))
    with pytest.raises(EmulatorError, match="make setup"), Emulator():
        pass


def test_an_emulator_that_does_not_start_shows_its_last_lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What it wrote is the best hint there is."""
    broken = tmp_path / "ministack"
    broken.write_text("#!/bin/sh\necho no such luck\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv(PROGRAM_VARIABLE, str(broken))
    with pytest.raises(EmulatorError, match="no such luck"), Emulator():
        pass


def test_items_reach_the_stream_with_both_images(emulator: Emulator, world: World) -> None:
    """The table is the one that the worker asks for: keyed by time, stream of new and old images."""
    table = world.aws.dynamodb.describe_table(TableName=TABLE)["Table"]
    assert table["KeySchema"] == [{"AttributeName": "ts", "KeyType": "HASH"}]
    assert table["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    charger = Charger(1, write(1, 60))
    world.put_batch([charger.measure(s).item(1_700_000_000) for s in range(-25, 0)])
    world.put(charger.measure(0).item(1_700_000_000))
    assert world.aws.dynamodb.scan(TableName=TABLE)["Count"] == 26


def test_a_message_to_the_topic_is_heard_and_a_broken_one_counted(world: World) -> None:
    """What is not in the shape of the contract is kept apart."""
    with Listener(world) as listener:
        world.aws.sns.publish(
            TopicArn=world.topic_arn,
            MessageStructure="json",
            Message=json.dumps({"default": "words", "sqs": '{"specversion": "0.3"}'}),
        )
        deadline = time.monotonic() + 10.0
        while not listener.unreadable and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(listener.unreadable) == 1
        assert listener.take() == []


def test_what_the_bucket_holds_is_counted_linked_and_copied(world: World, tmp_path: Path) -> None:
    """Ledgers are summed over all days and devices; charts come in order of time; a link needs no credentials."""
    accounts = {"read": 3, "scored": 2, "late": 1}

    def line(ts: int) -> str:
        return json.dumps({"device": "a", "ts": ts, "severity": "low", "model": "m", "kinds": ["heating"]})

    for key, body in (
        (f"{LEDGER}2026-01-01/lane.json", json.dumps({"devices": {"a": accounts, "b": accounts}})),
        (f"{LEDGER}2026-01-02/lane.json", json.dumps({"devices": {"a": accounts}})),
        (f"{ARCHIVE}device=a/dt=2026-01-01/hour=00/0001.ndjson", f"{line(2)}\n{line(1)}\n"),
        (f"{CHARTS}b/20260101T000000Z.png", "first"),
        (f"{CHARTS}a/20260101T000500Z.png", "second"),
    ):
        world.aws.s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode())
    assert archive.ledger(world) == {"read": 9, "scored": 6, "late": 3}
    assert archive.anomalies(world) == [archive.Anomaly("a", ts, "low", "m", ("heating",)) for ts in (1, 2)]
    assert [key.rsplit("/", 1)[1] for key in archive.charts(world)] == ["20260101T000000Z.png", "20260101T000500Z.png"]
    with build_opener(ProxyHandler({})).open(world.link(f"{CHARTS}a/20260101T000500Z.png"), timeout=10) as answer:
        assert answer.read() == b"second"
    archive.copy(world, tmp_path)
    assert (tmp_path / CHARTS / "b" / "20260101T000000Z.png").read_bytes() == b"first"


def test_a_worker_that_cannot_start_is_reported_with_its_words() -> None:
    """No bucket named: exit code 2 and the worker's own message, at once."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with Worker(environment) as worker, pytest.raises(WorkerError, match="RESULTS_BUCKET_NAME"):
        worker.wait_until_watching()


def start_demo(folder: Path, *flags: str) -> subprocess.Popen[str]:
    scratch = folder / "scratch"
    scratch.mkdir()
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "battery_watch", "demo", "--keep", str(folder / "kept"), *flags],
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def descendants(pid: int) -> set[int]:
    """The processes that ``pid`` and its children started, by what ps says on Linux and macOS."""
    lines = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in lines.splitlines()]
    found: set[int] = set()
    while more := {child for child, parent in pairs if parent in found | {pid}} - found:
        found |= more
    return found


def gone(pids: set[int]) -> bool:
    """True once none is there; a worker's own children notice its end a moment after it."""
    deadline = time.monotonic() + 5.0
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(alive, pids))


def test_the_whole_demo_passes(tmp_path: Path) -> None:
    """The main job, end to end, over a kill of the worker: every record accounted for, nothing lost or told in two
    versions, every fault told as what it is in three messages at most, nothing else called one, in time."""
    with start_demo(tmp_path, "--seconds", "30", "--json") as demo:
        out, err = demo.communicate(timeout=110)
    figures = json.loads(out.splitlines()[-1])
    assert demo.returncode == 0, err
    # Thirty seconds are too short for the recovery, so the charge went on until it was over.
    assert figures["written"] == figures["scored"] > 1230
    assert figures["lost"] == figures["unaccounted"] == figures["conflicting"] == 0
    assert figures["kills"] == 1
    assert figures["recovery_s"] > 5.0
    assert figures["waited"]["messages"] >= 1
    assert figures["duplicate"] == figures["quarantined"] == figures["late"] == 0
    assert figures["faults_injected"] == 6
    assert figures["faults_missed"] == 0
    assert figures["false_alarms"] == figures["false_episodes"] == 0
    assert figures["behind"] <= 0.05
    assert 2 <= figures["most_messages"] <= 3
    assert figures["episodes"]["opened"] == 6
    assert figures["episodes"]["closed"] >= 4
    assert figures["charts"] >= 1
    assert 0.0 < figures["time_in_alarm"] < 0.2
    assert 0.0 < figures["latency_ms"]["p50"] < figures["recovery_s"] * 1000.0
    (folder,) = (tmp_path / "kept").iterdir()
    told = (folder / "messages.ndjson").read_text().splitlines()
    assert len(told) >= figures["messages"]
    for body in told:
        independently_valid(body)
    assert (folder / "recovery.png").read_bytes().startswith(b"\x89PNG")
    pictures = list(folder.glob("battery-reports/device4/*.png"))
    assert len(pictures) == figures["charts"]
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)
    assert (
        sum(len(p.read_text().splitlines()) for p in folder.glob("battery-events/**/*.ndjson")) == figures["anomalies"]
    )


@pytest.mark.parametrize(
    "until",
    [
        "An embedded AWS",
        "live:",
        pytest.param("killed with SIGKILL", marks=pytest.mark.long),
        pytest.param("stands by", marks=pytest.mark.long),
    ],
)
def test_ctrl_c_at_any_time_leaves_neither_process_nor_temporary_folder(tmp_path: Path, until: str) -> None:
    """Exit code 130, no traceback, neither worker nor embedded AWS; nor while no worker is there."""
    with start_demo(tmp_path, "--seconds", "30", "--json") as demo:
        assert demo.stderr is not None
        for line in demo.stderr:
            if until in line:
                break
        started = descendants(demo.pid)
        demo.send_signal(signal.SIGINT)
        # A second one, as an impatient user sends, must not cut the cleaning up short.
        demo.send_signal(signal.SIGINT)
        out, err = demo.communicate(timeout=30)
    assert demo.returncode == 130
    assert "Traceback" not in err
    assert out == ""
    assert started
    assert gone(started)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_reader_that_leaves_ends_the_demo_quietly(tmp_path: Path) -> None:
    """As in ``demo | head``: no word, no process, no temporary folder; the exit code is that of SIGPIPE."""
    with start_demo(tmp_path, "--seconds", "30") as demo:
        assert demo.stdout is not None
        assert "An embedded AWS" in demo.stdout.readline()
        started = descendants(demo.pid)
        demo.stdout.close()
        assert demo.stderr is not None
        assert demo.stderr.read() == ""
        assert demo.wait(timeout=30) == 141
    assert started
    assert gone(started)
    assert list((tmp_path / "scratch").iterdir()) == []
