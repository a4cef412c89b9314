"""A worker that starts while S3 or all of AWS does not answer: it waits, and says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faults import SLOW_DOWN
from proxy import Call, Fault, Proxy
from stream_results import Results, eventually

from demo.worker import Worker
from demo.world import BUCKET

Refuse = Callable[[Call], bool]


def heads(call: Call) -> bool:
    """What names no single object: is the bucket there?"""
    return call.operation == "HEAD" and call.path.split("?")[0].rstrip("/") == f"/{BUCKET}"


def lists(call: Call) -> bool:
    """Which states are there?"""
    return call.operation == "GET" and "list-type=2" in call.path


def windows(call: Call) -> bool:
    """What the last owner remembered."""
    return call.operation == "GET" and call.path.split("?")[0].endswith("/windows")


def refusing(account: Any, refuse: Refuse) -> Proxy:
    """S3 on a day on which it refuses these calls."""

    def faults(call: Call) -> Fault | None:
        return SLOW_DOWN if refuse(call) else None

    return Proxy(account.port, faults)


@pytest.mark.parametrize(
    ("refuse", "said"),
    [(heads, f"bucket '{BUCKET}'"), (lists, "listing s3://"), (windows, "reading s3://")],
    ids=["bucket", "list", "windows"],
)
def test_rule_34_a_start_waits_while_s3_is_down_and_says_so(
    account: Any, tmp_path: Path, refuse: Refuse, said: str
) -> None:
    """No traceback and no exit: what does not answer. The health check finds it alive and unwell. Then it goes on."""
    down = [True]
    environment = {**account.environment, "TAKE_OVER_S": "1", "PULSE_FILE": str(tmp_path / "pulse")}
    with (
        refusing(account, lambda *call: down[0] and refuse(*call)) as s3,
        Worker({**environment, "AWS_ENDPOINT_URL_S3": s3.url}) as worker,
    ):
        eventually(lambda: "the start waits for AWS" in worker.logs())
        assert said in worker.logs()
        assert "Traceback" not in worker.logs()
        worker.check()
        health = account.run("healthcheck", **environment)
        assert (health.returncode, "waiting; unwell: " in health.stdout, said in health.stdout) == (0, True, True)
        assert account.run("healthcheck", "--ready", **environment).returncode == 1
        down[0] = False
        worker.wait_until_watching()
        assert worker.stop() == 0, worker.logs()


def test_rule_34_a_start_that_reaches_nothing_waits_and_can_be_ended(account: Any) -> None:
    """A network that is not there yet may come: the worker says what it cannot reach, and does not end by itself."""
    with Worker({**account.environment, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}) as worker:
        eventually(lambda: worker.logs().count("the start waits for AWS") >= 2)
        assert "Could not connect" in worker.logs()
        assert "Traceback" not in worker.logs()
        assert worker.stop() == 0


def test_a_head_that_cannot_be_read_or_written_is_waited_for(account: Any) -> None:
    """Before a worker is the owner there is nothing to lose by waiting."""
    bad = {"GET"}

    def refuse(call: Call) -> bool:
        return call.operation in bad and call.path.split("?")[0].endswith("/head")

    environment = {**account.environment, "TAKE_OVER_S": "1"}
    with refusing(account, refuse) as s3, Worker({**environment, "AWS_ENDPOINT_URL_S3": s3.url}) as worker:
        for calls in ({"PUT"}, set[str]()):
            before = s3.injected.total()
            eventually(lambda before=before: s3.injected.total() > before + 1)  # type: ignore[misc]
            worker.check()
            bad.clear()
            bad.update(calls)
        worker.wait_until_watching()
        account.put(float(int(time.time())))
        results = Results.first(account.world)
        eventually(lambda: results.committed()["scored"] == 1)
        assert worker.stop() == 0, worker.logs()
