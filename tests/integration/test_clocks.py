"""Machines whose wall clocks are wrong or jump, while their monotonic clocks go on.

The process gets its wrong `time.time` from within (`wrong_clock`). libfaketime 0.9.10, which can leave the monotonic
clock alone, makes `time.sleep` of Python 3.11 fail with EINVAL then.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from real_worker import Deployment, said_in, wait_for
from stream_results import Results

FOLDER = Path(__file__).parent / "wrong_clock"
JUMP_S, AHEAD_S = 600, 16
TAKE_OVER_S = 4
JUMPED = "the clock of this machine has jumped"


class WrongClock:
    """The wall clock of a process that is started with ``environment``; `set` changes it while the process runs."""

    def __init__(self, file: Path, ahead_s: float = 0.0) -> None:
        self._file = file
        self.set(ahead_s)

    @property
    def environment(self) -> dict[str, str]:
        """What the process needs to have it."""
        path = os.pathsep.join(filter(None, [str(FOLDER), os.environ.get("PYTHONPATH")]))
        return {"PYTHONPATH": path, "WRONG_CLOCK_FILE": str(self._file)}

    def set(self, ahead_s: float) -> None:
        """It is so far ahead of the true time from now on."""
        part = self._file.with_suffix(".part")
        part.write_text(str(ahead_s))
        part.replace(self._file)


def test_a_wall_clock_that_jumps_ahead_and_back_stops_no_commit(account: Any, tmp_path: Path) -> None:
    """By ten minutes, for some seconds. Before, meanwhile and after it what is written is committed. Each jump is told;
    the worker's own time, which the head has, takes no part in it (rule 27)."""
    deployment = Deployment(account, Results.first(account.world), tmp_path)
    clock = WrongClock(tmp_path / "clock")
    written = 0

    def jumps() -> int:
        return deployment.log.read_text().count(JUMPED)

    def write_and_wait(worker: Any) -> None:
        nonlocal written
        account.put(float(int(time.time())) + written / 100)
        written += 1
        wait_for(worker, lambda: deployment.results.committed()["scored"] >= written, within_s=25.0)
        assert abs(deployment.results.heads()["table"].heartbeat - time.time()) < JUMP_S / 10

    with deployment.worker(take_over_s=TAKE_OVER_S, **clock.environment) as worker:
        worker.wait_until_watching()
        write_and_wait(worker)
        assert jumps() == 0
        clock.set(JUMP_S)
        wait_for(worker, lambda: jumps() == 1)
        write_and_wait(worker)
        clock.set(0)
        wait_for(worker, lambda: jumps() == 2)
        before = deployment.commit
        write_and_wait(worker)
        assert deployment.commit > before
        assert deployment.command("healthcheck")[0] == 0
        assert worker.stop() == 0, worker.logs()
    assert deployment.results.books()["scored"] == written
    told = [event for event in map(json.loads, deployment.results.bodies()) if event["type"] == "health.host_clock"]
    assert [round(event["data"]["offset_s"], -1) for event in told] == [JUMP_S, -JUMP_S]


def test_a_stand_by_whose_clock_is_ahead_takes_no_living_lane(account: Any, tmp_path: Path) -> None:
    """By more than an owner may be silent: its heartbeats look old, and it is alive."""
    deployment = Deployment(account, Results.first(account.world), tmp_path)
    clock = WrongClock(tmp_path / "clock", AHEAD_S)
    assert AHEAD_S > 2 * TAKE_OVER_S
    with deployment.worker(take_over_s=TAKE_OVER_S) as owner:
        owner.wait_until_watching()
        log = deployment.log
        with deployment.worker(take_over_s=TAKE_OVER_S, **clock.environment) as stand_by:
            wait_for(stand_by, lambda: said_in(deployment.log, "standing by"))
            until = time.monotonic() + 2 * TAKE_OVER_S
            while time.monotonic() < until:
                owner.check()
                stand_by.check()
                assert not said_in(deployment.log, "owner")
                assert not said_in(log, "fenced")
                time.sleep(0.2)
            assert deployment.owner == owner.pid
            assert stand_by.stop() == 0, stand_by.logs()
        assert owner.stop() == 0, owner.logs()
