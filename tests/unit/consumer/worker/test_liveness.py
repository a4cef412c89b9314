"""The file that the loop writes and the health check reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consumer.worker.liveness import STALE_S, WRITE_EVERY_S, LivenessFile, default_path
from consumer.worker.status import Status


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file lies."""
    return tmp_path / "worker.pulse"


def test_a_worker_that_turns_is_well(path: Path) -> None:
    """And says how far it is behind."""
    LivenessFile(path, lambda: 1000.0).observe(Status(1000.0, "watching", 2.25))
    assert LivenessFile(path, lambda: 1000.0 + STALE_S).check() == (True, "watching, 2.2 s behind")
    LivenessFile(path, lambda: 1000.0).observe(Status(1000.0, "standing by"))
    assert LivenessFile(path, lambda: 1001.0).check() == (True, "standing by")


def test_a_loop_that_stands_still_is_not_well(path: Path) -> None:
    """Running but dead (a public failure): presence is not progress."""
    LivenessFile(path, lambda: 1000.0).observe(Status(1000.0, "watching", 2.0))
    assert LivenessFile(path, lambda: 1000.0 + STALE_S + 1).check() == (
        False,
        "the worker's loop has not turned for 46 s",
    )


def test_a_fault_is_told(path: Path) -> None:
    """Whatever the state."""
    LivenessFile(path, lambda: 1000.0).observe(Status(1000.0, "watching", 2.0, "waiting for a shard"))
    assert LivenessFile(path, lambda: 1001.0).check() == (False, "waiting for a shard")


def test_rule_34_unwell_is_said_and_kills_nobody(path: Path) -> None:
    """A container is killed for a failed check. With ``ready`` it fails."""
    LivenessFile(path, lambda: 1000.0).observe(Status(1000.0, "watching", 2.0, unwell="topic: down"))
    said = "watching, 2.0 s behind; unwell: topic: down"
    assert LivenessFile(path, lambda: 1001.0).check() == (True, said)
    assert LivenessFile(path, lambda: 1001.0).check(ready=True) == (False, said)
    LivenessFile(path, lambda: 1010.0).observe(Status(1010.0, "watching", 2.0))
    assert LivenessFile(path, lambda: 1011.0).check(ready=True) == (True, "watching, 2.0 s behind")


def test_no_file_or_a_broken_one_is_told(path: Path) -> None:
    """Not raised."""
    well, said = LivenessFile(path, lambda: 0.0).check()
    assert not well
    assert "no worker runs here" in said
    for content in ("", "{", "[]", '{"at": 1}', '{"at": 1, "state": "x", "more": 2}'):
        path.write_text(content)
        well, said = LivenessFile(path, lambda: 0.0).check()
        assert not well
        assert "cannot be read" in said


def test_it_is_written_now_and_then(path: Path) -> None:
    """The loop turns ten times a second."""
    now = [1000.0]
    file = LivenessFile(path, lambda: now[0])
    file.observe(Status(1000.0, "standing by"))
    now[0] += WRITE_EVERY_S - 0.1
    file.observe(Status(1000.0, "recovering"))
    assert json.loads(path.read_text())["state"] == "standing by"
    now[0] += 0.1
    file.observe(Status(1000.0, "watching"))
    assert json.loads(path.read_text())["state"] == "watching"
    assert list(path.parent.iterdir()) == [path]


def test_a_worker_that_has_stopped_leaves_nothing(path: Path) -> None:
    """Twice is no fault."""
    file = LivenessFile(path)
    file.observe(Status(1000.0, "watching"))
    file.close()
    file.close()
    assert not path.exists()


@pytest.mark.parametrize("jump_s", [600.0, -600.0])
def test_rule_27_the_age_is_of_a_clock_that_both_processes_share(path: Path, jump_s: float) -> None:
    """The wall clock may be set between the worker's writing and the health check's reading; and a file from before the
    machine was started says nothing about now."""
    LivenessFile(path, lambda: 50.0).observe(Status(1_700_000_000.0 + jump_s, "watching"))
    assert LivenessFile(path, lambda: 55.0).check() == (True, "watching")
    assert LivenessFile(path, lambda: 3.0).check() == (False, "no worker has run here since the machine was started")
    LivenessFile(path).observe(Status(1_700_000_000.0, "watching"))
    assert LivenessFile(path).check() == (True, "watching")


def test_deployments_have_files_of_their_own() -> None:
    """By name space and table."""
    assert len({default_path(n, t) for n in ("a", "b") for t in ("c", "d")}) == 4
