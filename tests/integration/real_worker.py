"""Workers of one deployment that come and go, and whether what they leave is what one undisturbed worker leaves."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from stream_results import Results, contradictions, eventually, told
from stream_writer import Writer

from demo.worker import Worker

WHOLE_S = 90.0
"""Long enough for a worker that starts to become the owner and to read what was written meanwhile."""
REST_S = 300.0
"""Long enough to read all that is left, on a machine that has other work."""


class Deployment:
    """Workers on the account's table, and what they leave. Each has a log and a pulse of its own."""

    def __init__(self, account: Any, results: Results, folder: Path) -> None:
        self.account = account
        self.results = results
        self._folder = folder
        self._started = 0

    def worker(self, *, take_over_s: int = 1, **more: str) -> Worker:
        """One more, not started yet. ``more``: further variables of its environment."""
        self._started += 1
        environment = {
            **self.account.environment,
            **self.results.environment,
            "START": "trim_horizon",
            "TAKE_OVER_S": str(take_over_s),
            "PULSE_FILE": str(self.pulse),
            **more,
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

    @property
    def read(self) -> int:
        """How many records of the stream the heads count, none of them twice."""
        committed = self.results.committed()
        return committed["read"] - committed["duplicate"]

    def finish(self, written: int) -> None:
        """One worker reads to the end of the stream and is stopped in order."""
        with self.worker() as last:
            wait_for(last, lambda: self.read >= written, within_s=REST_S)
            assert last.stop() == 0, last.logs()

    def command(self, *words: str) -> tuple[int, str]:
        """Exit code and output of a command."""
        ended = self.account.run(*words, **self.results.environment, PULSE_FILE=str(self.pulse))
        return ended.returncode, ended.stdout + ended.stderr


def said_in(log: Path, event: str) -> bool:
    """Is that event in a worker's log?"""
    return log.exists() and f'"event": "{event}"' in log.read_text()


def wait_for(worker: Worker, question: Callable[[], Any], within_s: float = WHOLE_S) -> None:
    """As `eventually`, as long as the worker lives."""
    deadline = time.monotonic() + within_s
    while not question():
        worker.check()
        assert time.monotonic() < deadline, worker.logs()
        time.sleep(0.05)


def kill_in_turn(deployment: Deployment, kills: int, rng: Random, between: Callable[[int], object] = int) -> None:
    """So many workers in a row end by SIGKILL, in turn: as they start, as they have just become the owner, and once
    they have come further than the last one, so that the whole comes on. ``between``: done before the n-th."""
    groups = []
    commits = [0]
    for row in range(kills):
        between(row)
        with deployment.worker() as worker:
            groups.append(worker.pid)
            if row % 3 == 0:
                time.sleep(rng.uniform(0.0, 1.8))
            elif row % 3 == 1:
                wait_for(worker, lambda: said_in(deployment.log, "owner"))
                time.sleep(rng.uniform(0.0, 0.3))
            else:
                wait_for(worker, lambda: deployment.commit > commits[-1])
                time.sleep(rng.uniform(0.0, 1.0))
            worker.check()
            worker.kill()
            assert worker.stop() == -signal.SIGKILL
        commits.append(deployment.commit)
    assert commits == sorted(commits)
    for group in groups:
        eventually(lambda group=group: not _alive(group))  # type: ignore[misc]


def accounted_for(deployment: Deployment, writer: Writer, folder: Path) -> None:
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


def _alive(group: int) -> bool:
    """Is there still a process that a worker started, the one that draws charts among them?"""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _until(end: float, events: dict[str, list[Any]]) -> dict[str, list[Any]]:
    limit = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(end + 1))
    return {device: [e for e in each if e["time"] < limit] for device, each in events.items()}
