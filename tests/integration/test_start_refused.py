"""A worker that starts while S3 refuses: it waits, and says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from s3_gate import Gate
from stream_results import Results, eventually

from demo.worker import Worker
from demo.world import BUCKET

Refuse = Callable[[str, str], bool]


def heads(method: str, path: str) -> bool:
    """What names no single object: is the bucket there?"""
    return method == "HEAD" and path.split("?")[0].rstrip("/") == f"/{BUCKET}"


def lists(method: str, path: str) -> bool:
    """Which states are there?"""
    return method == "GET" and "list-type=2" in path


def windows(method: str, path: str) -> bool:
    """What the last owner remembered."""
    return method == "GET" and path.split("?")[0].endswith("/windows")


def gated(account: Any, gate: Gate) -> dict[str, str]:
    """A worker's environment with S3 behind the gate; it takes over at once."""
    return {**account.environment, "AWS_ENDPOINT_URL_S3": gate.url, "TAKE_OVER_S": "1"}


def port(account: Any) -> int:
    """Of the embedded AWS."""
    return int(account.environment["AWS_ENDPOINT_URL"].rsplit(":", 1)[1])


@pytest.mark.parametrize(
    ("refuse", "said"),
    [(heads, f"bucket '{BUCKET}'"), (lists, "listing s3://"), (windows, "reading s3://")],
    ids=["bucket", "list", "windows"],
)
def test_rule_34_a_start_waits_while_s3_is_down_and_says_so(account: Any, refuse: Refuse, said: str) -> None:
    """No traceback and no exit: what does not answer. The health check finds it alive. Then it goes on."""
    down = [True]
    with Gate(port(account), lambda *call: down[0] and refuse(*call)) as gate, Worker(gated(account, gate)) as worker:
        eventually(lambda: "the start waits for AWS" in worker.logs())
        assert said in worker.logs()
        assert "Traceback" not in worker.logs()
        worker.check()
        down[0] = False
        worker.wait_until_watching()
        assert worker.stop() == 0, worker.logs()


def test_a_head_that_cannot_be_read_or_written_is_waited_for(account: Any) -> None:
    """Before a worker is the owner there is nothing to lose by waiting."""
    bad = {"GET"}

    def refuse(method: str, path: str) -> bool:
        return method in bad and path.split("?")[0].endswith("/head")

    with Gate(port(account), refuse) as gate, Worker(gated(account, gate)) as worker:
        for calls in ({"PUT"}, set[str]()):
            before = gate.refused
            eventually(lambda before=before: gate.refused > before + 1)  # type: ignore[misc]
            worker.check()
            bad.clear()
            bad.update(calls)
        worker.wait_until_watching()
        account.put(float(int(time.time())))
        results = Results.first(account.world)
        eventually(lambda: results.committed()["scored"] == 1)
        assert worker.stop() == 0, worker.logs()
