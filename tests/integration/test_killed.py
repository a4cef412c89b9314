"""The worker killed again and again, at any moment, while someone writes: what is left is what one undisturbed run
would have left."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from real_worker import Deployment, accounted_for, kill_in_turn, said_in, wait_for
from stream_results import Results, eventually
from stream_writer import Writer

from consumer.worker.liveness import STALE_S
from demo.worker import Worker, WorkerError

SOME, MANY = 6, 25
SEED = int(os.environ.get("KILL_SEED", "1"))


@pytest.fixture
def deployment(account: Any, tmp_path: Path) -> Deployment:
    """The one that is disturbed."""
    return Deployment(account, Results.first(account.world), tmp_path)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kills", [SOME, pytest.param(MANY, marks=pytest.mark.long)])
def test_killed_at_any_moment_nothing_is_lost_and_nothing_published_otherwise(
    deployment: Deployment, tmp_path: Path, kills: int
) -> None:
    """So many workers end by SIGKILL in a row: as they start, as they recover, as they work. Books, archive and
    messages are those of one that ran undisturbed."""
    print(f"KILL_SEED={SEED}")  # noqa: T201 - shown where the test fails
    with Writer(deployment.account, SEED) as writer:
        kill_in_turn(deployment, kills, Random(SEED))
    deployment.finish(writer.records)
    accounted_for(deployment, writer, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_of_two_started_at_once_one_owns_and_the_other_takes_over(deployment: Deployment, tmp_path: Path) -> None:
    """The stand-by is ready when the owner is killed, and goes on where that one stood."""
    with Writer(deployment.account, SEED) as writer:
        one, one_log = deployment.worker(take_over_s=4), deployment.log
        other, other_log = deployment.worker(take_over_s=4), deployment.log
        with one, other:
            eventually(lambda: deployment.results.committed()["read"] > 100)
            owner = deployment.owner
            assert owner in (one.pid, other.pid)
            owning, heir, heir_log = (one, other, other_log) if owner == one.pid else (other, one, one_log)
            wait_for(heir, lambda: said_in(heir_log, "standing by"))
            assert not said_in(heir_log, "owner")
            owning.kill()
            reached = deployment.results.committed()["read"]
            wait_for(heir, lambda: deployment.results.committed()["read"] > reached + 100)
            assert deployment.owner == heir.pid
            assert heir.stop() == 0, heir.logs()
    deployment.finish(writer.records)
    accounted_for(deployment, writer, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_an_owner_that_stood_still_for_too_long_ends_when_it_wakes(deployment: Deployment, tmp_path: Path) -> None:
    """A frozen machine is no crash: another worker has the lane by then, and two that write would contradict each
    other. It says so and exits with 75."""
    with Writer(deployment.account, SEED) as writer, deployment.worker() as frozen:
        eventually(lambda: deployment.results.committed()["read"] > 100)
        os.kill(frozen.pid, signal.SIGSTOP)
        with deployment.worker() as heir:
            reached = deployment.results.committed()["read"]
            wait_for(heir, lambda: deployment.results.committed()["read"] > reached + 100)
            os.kill(frozen.pid, signal.SIGCONT)
            assert _ended_by_itself(frozen) == 75
            assert heir.stop() == 0, heir.logs()
    deployment.finish(writer.records)
    accounted_for(deployment, writer, tmp_path)


def test_the_health_check_tells_the_dead_from_the_waiting(deployment: Deployment) -> None:
    """What a killed worker left behind passes for well only until its last sign of life is old; one that stands by is
    well; one that stopped in order has left nothing behind."""
    with deployment.worker() as killed:
        wait_for(killed, lambda: _well(deployment, "watching"))
        killed.kill()
        assert _well(deployment, "watching")
        pulse = json.loads(deployment.pulse.read_text())
        deployment.pulse.write_text(json.dumps({**pulse, "at": pulse["at"] - STALE_S}))
        code, said = deployment.command("healthcheck")
        assert (code, "has not turned" in said) == (1, True)
    with deployment.worker(take_over_s=600) as waiting:
        wait_for(waiting, lambda: _well(deployment, "standing by"))
        assert waiting.stop() == 0
        code, said = deployment.command("healthcheck")
        assert (code, "no worker runs here" in said) == (1, True)


def _well(deployment: Deployment, state: str) -> bool:
    code, said = deployment.command("healthcheck")
    return code == 0 and said.startswith(state)


def _ended_by_itself(worker: Worker) -> int:
    """Wait for it; its exit code."""

    def ended() -> str:
        try:
            worker.check()
        except WorkerError as error:
            return str(error)
        return ""

    eventually(ended)
    return worker.stop()
