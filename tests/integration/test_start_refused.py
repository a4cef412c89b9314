"""A worker that starts while S3 refuses: it waits, or says so in one message and leaves the rest to whoever restarts
it."""

from __future__ import annotations

import time
from collections.abc import Callable
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
    ("refuse", "code", "said"),
    [(heads, 2, f"bucket '{BUCKET}'"), (lists, 1, "listing s3://"), (windows, 1, "reading s3://")],
    ids=["bucket", "list", "windows"],
)
def test_a_start_that_s3_refuses_ends_with_one_message(account: Any, refuse: Refuse, code: int, said: str) -> None:
    """No traceback: what was refused, and the exit code of a failure, or of something to put right where that is more
    likely. The next start works."""
    with refusing(account, refuse) as s3:
        ended = account.run("run", AWS_ENDPOINT_URL_S3=s3.url, TAKE_OVER_S="1")
        assert s3.injected.total() > 0
    assert (ended.returncode, "Traceback" in ended.stderr + ended.stdout) == (code, False), ended.stderr
    lines = ended.stderr.strip().splitlines()
    assert lines[0].startswith("battery-watch: ")
    assert said in ended.stderr
    with Worker({**account.environment, "TAKE_OVER_S": "1"}) as worker:
        worker.wait_until_watching()
        assert worker.stop() == 0, worker.logs()


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
