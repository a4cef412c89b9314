"""The worker killed again and again, at any moment, while someone writes: what is left is what one undisturbed run
would have left."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from stream_results import Results, contradictions, eventually, told
from stream_writer import Writer

from consumer.worker.liveness import STALE_S
from demo.worker import Worker, WorkerError

KILLS = 25
SEED = int(os.environ.get("KILL_SEED", "1"))
WHOLE_S = 45.0
"""Long enough for a worker that starts to become the owner and to read what was written meanwhile."""


class Deployment:
    """Workers on the account's table, and what they leave. Each has a log and a pulse of its own."""

    def __init__(self, account: Any, results: Results, folder: Path) -> None:
        self.account = account
        self.results = results
        self._folder = folder
        self._started = 0

    def worker(self, *, take_over_s: int = 1) -> Worker:
        """One more, not started yet."""
        self._started += 1
        environment = {
            **self.account.environment,
            **self.results.environment,
            "START": "trim_horizon",
            "TAKE_OVER_S": str(take_over_s),
            "PULSE_FILE": str(self.pulse),
        }
        return Worker(environment, log=self.log)

    @property
    def log(self) -> Path:
        """All that the last worker said."""
        return self._folder / f"{self.results.name}-{self._started}.log"

    @property
    def pulse(self) -> Path:
        """The last worker's pulse."""
        return self.log.with_suffix(".pulse")

    @property
    def commit(self) -> int:
        """How many commits the lane has come to."""
        table = self.results.heads().get("table")
        return table.commit if table is not None else 0

    @property
    def owner(self) -> int:
        """The process id of the lane's owner, whose name holds it."""
        return int(self.results.heads()["table"].owner.split("-")[-2])

    def finish(self, written: int) -> None:
        """One worker reads to the end of the stream and is stopped in order."""
        with self.worker() as last:
            _wait_for(last, lambda: self.results.committed()["read"] >= written)
            assert last.stop() == 0, last.logs()

    def command(self, *words: str) -> tuple[int, str]:
        """Exit code and output of a command."""
        ended = self.account.run(*words, **self.results.environment, PULSE_FILE=str(self.pulse))
        return ended.returncode, ended.stdout + ended.stderr


@pytest.fixture
def deployment(account: Any, tmp_path: Path) -> Deployment:
    """The one that is disturbed."""
    return Deployment(account, Results.first(account.world), tmp_path)


def _said(log: Path, event: str) -> bool:
    return log.exists() and f'"event": "{event}"' in log.read_text()


def _wait_for(worker: Worker, question: Callable[[], Any]) -> None:
    """As `eventually`, as long as the worker lives."""
    deadline = time.monotonic() + WHOLE_S
    while not question():
        worker.check()
        assert time.monotonic() < deadline, worker.logs()
        time.sleep(0.05)


def _accounted_for(deployment: Deployment, writer: Writer, folder: Path) -> None:
    """Everything written is in the books, and archive and messages are those of an undisturbed worker."""
    results = deployment.results
    books = results.books()
    classes = ("scored", "late", "quarantined", "ignored")
    assert {name: books[name] for name in classes} == {name: writer.written[name] for name in classes}
    assert books["read"] == writer.records + books["duplicate"]
    assert books["lost"] == 0
    code, said = deployment.command("ledger")
    assert code == 0, said

    bodies = results.bodies()
    assert contradictions(bodies) == {}
    undisturbed = Deployment(deployment.account, Results.create(results.aws, "undisturbed"), folder)
    undisturbed.finish(writer.records)
    expected = undisturbed.results.archive()
    found = results.archive()
    assert sorted(found) == sorted(expected)
    assert [key for key in expected if found[key] != expected[key]] == []
    assert sum(map(len, expected.values())) > 0
    # It is later by now: what is said of the time after the last record is not compared.
    before, after = (_until(writer.ended, told(each)) for each in (undisturbed.results.bodies(), bodies))
    assert {device: [e["id"] for e in events] for device, events in after.items()} == {
        device: [e["id"] for e in events] for device, events in before.items()
    }
    assert after == before


def _until(end: float, events: dict[str, list[Any]]) -> dict[str, list[Any]]:
    limit = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(end + 1))
    return {device: [e for e in each if e["time"] < limit] for device, each in events.items()}


@pytest.mark.timeout(300)
def test_killed_at_any_moment_nothing_is_lost_and_nothing_published_otherwise(
    deployment: Deployment, tmp_path: Path
) -> None:
    """25 workers in a row end by SIGKILL: as they start, as they recover, as they work. Books, archive and messages
    are those of one that ran undisturbed."""
    print(f"KILL_SEED={SEED}")  # noqa: T201 - shown where the test fails
    rng = Random(SEED)
    groups = []
    commits = [0]
    with Writer(deployment.account, SEED) as writer:
        for row in range(KILLS):
            with deployment.worker() as worker:
                groups.append(worker.pid)
                # In turn: as it starts, as it has just become the owner, and once it has come further than the last
                # one, so that the whole comes on.
                if row % 3 == 0:
                    time.sleep(rng.uniform(0.0, 1.8))
                elif row % 3 == 1:
                    _wait_for(worker, lambda: _said(deployment.log, "owner"))
                    time.sleep(rng.uniform(0.0, 0.3))
                else:
                    _wait_for(worker, lambda: deployment.commit > commits[-1])
                    time.sleep(rng.uniform(0.0, 1.0))
                worker.check()
                worker.kill()
                assert worker.stop() == -signal.SIGKILL
            commits.append(deployment.commit)
    assert commits == sorted(commits)
    deployment.finish(writer.records)
    _accounted_for(deployment, writer, tmp_path)
    for group in groups:
        eventually(lambda group=group: not _alive(group))  # type: ignore[misc]


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
            _wait_for(heir, lambda: _said(heir_log, "standing by"))
            assert not _said(heir_log, "owner")
            owning.kill()
            reached = deployment.results.committed()["read"]
            _wait_for(heir, lambda: deployment.results.committed()["read"] > reached + 100)
            assert deployment.owner == heir.pid
            assert heir.stop() == 0, heir.logs()
    deployment.finish(writer.records)
    _accounted_for(deployment, writer, tmp_path)


@pytest.mark.timeout(300)
def test_an_owner_that_stood_still_for_too_long_ends_when_it_wakes(deployment: Deployment, tmp_path: Path) -> None:
    """A frozen machine is no crash: another worker has the lane by then, and two that write would contradict each
    other. It says so and exits with 75."""
    with Writer(deployment.account, SEED) as writer, deployment.worker() as frozen:
        eventually(lambda: deployment.results.committed()["read"] > 100)
        os.kill(frozen.pid, signal.SIGSTOP)
        with deployment.worker() as heir:
            reached = deployment.results.committed()["read"]
            _wait_for(heir, lambda: deployment.results.committed()["read"] > reached + 100)
            os.kill(frozen.pid, signal.SIGCONT)
            assert _ended_by_itself(frozen) == 75
            assert heir.stop() == 0, heir.logs()
    deployment.finish(writer.records)
    _accounted_for(deployment, writer, tmp_path)


def test_the_health_check_tells_the_dead_from_the_waiting(deployment: Deployment) -> None:
    """What a killed worker left behind passes for well only until its last sign of life is old; one that stands by is
    well; one that stopped in order has left nothing behind."""
    with deployment.worker() as killed:
        _wait_for(killed, lambda: _well(deployment, "watching"))
        killed.kill()
        assert _well(deployment, "watching")
        pulse = json.loads(deployment.pulse.read_text())
        deployment.pulse.write_text(json.dumps({**pulse, "at": pulse["at"] - STALE_S}))
        code, said = deployment.command("healthcheck")
        assert (code, "has not turned" in said) == (1, True)
    with deployment.worker(take_over_s=600) as waiting:
        _wait_for(waiting, lambda: _well(deployment, "standing by"))
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


def _alive(group: int) -> bool:
    """Is there still a process that a worker started, the one that draws charts among them?"""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
