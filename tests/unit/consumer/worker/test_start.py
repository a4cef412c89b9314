"""A start while AWS is down waits and says so; a stop ends the process in time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError, SSLError
from repository import ROOT
from structlog.testing import capture_logs

from consumer.errors import ConfigurationError, Retry, Unavailable, may_pass
from consumer.findings import Finding, State, refused, require
from consumer.worker.liveness import LivenessFile
from consumer.worker.start import WAIT_TO_S, patiently


def refusal(status: int, code: str) -> ClientError:
    """What AWS answers."""
    return ClientError(
        {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "Call",
    )


DOWN = [
    EndpointConnectionError(endpoint_url="https://sns"),
    ReadTimeoutError(endpoint_url="https://s3"),
    refusal(503, "SlowDown"),
    refusal(500, "InternalError"),
    refusal(400, "ThrottlingException"),
]
WRONG = [
    refusal(403, "AccessDenied"),
    refusal(404, "NoSuchBucket"),
    NoCredentialsError(),
    SSLError(endpoint_url="x", error="y"),
]


@pytest.mark.parametrize(("errors", "passing"), [(DOWN, True), (WRONG, False)])
def test_rule_34_what_may_pass_is_told_from_what_must_be_put_right(errors: list[Exception], passing: bool) -> None:
    """By what AWS answered, or that it did not."""
    assert [may_pass(error) for error in errors] == [passing] * len(errors)
    assert [refused("topic", "arn", error, "TOPIC_ARN").passing for error in errors] == [passing] * len(errors)


def test_rule_34_one_fault_to_put_right_is_enough_to_end_at_once_with_all() -> None:
    """Also with what may pass: who puts it right wants to know all."""
    down, wrong = Finding("topic", State.FAULT, "no answer", passing=True), Finding("bucket", State.FAULT, "denied")
    with pytest.raises(Unavailable, match="topic: no answer"):
        require([down])
    with pytest.raises(ConfigurationError, match=r"(?s)topic: no answer.*bucket: denied"):
        require([down, wrong])


def test_rule_34_a_start_waits_while_aws_is_down_and_says_so(tmp_path: Path) -> None:
    """To the log and to the health check, which must not have it killed; longer and longer, up to a bound."""
    faults: list[Exception] = [Unavailable("cannot start: the topic")] * 7
    waits: list[float] = []
    file = LivenessFile(tmp_path / "pulse")

    def start() -> str:
        if faults:
            raise faults.pop()
        return "started"

    with capture_logs() as said:
        assert patiently(start, file, lambda seconds: waits.append(seconds)) == "started"  # type: ignore[arg-type,func-returns-value]
    assert waits == [1.0, 2.0, 4.0, 8.0, WAIT_TO_S, WAIT_TO_S, WAIT_TO_S]
    assert {(line["event"], line["reason"]) for line in said} == {
        ("the start waits for AWS", "cannot start: the topic")
    }
    well, sentence = LivenessFile(tmp_path / "pulse").check()
    assert (well, sentence) == (True, "waiting; unwell: cannot start: the topic")


def test_a_start_that_waits_may_be_stopped() -> None:
    """There is nothing to tidy."""
    observer: Any = type("Observer", (), {"observe": lambda self, status: None})()

    def start() -> str:
        raise Unavailable("down")

    assert patiently(start, observer, lambda seconds: True) is None


def test_rule_34_a_fault_that_does_not_pass_is_not_waited_for() -> None:
    """Exit code 2, or 1 for what only the state's place refuses."""
    observer: Any = None
    denied = Retry("listing")
    denied.__cause__ = refusal(403, "AccessDenied")
    for error in (ConfigurationError("x"), denied):

        def start(error: Exception = error) -> str:
            raise error

        with pytest.raises(type(error)):
            patiently(start, observer, lambda seconds: False)


HANGING = """
import os, signal, sys, threading, time
from consumer.worker import start
start.STOPPED_AFTER_S = 0.3
stop = threading.Event()
start.stop_on_signals(stop, 1)
print("ready", flush=True)
while True:
    sum(range(10**6))  # a turn that takes no notice
"""


def test_rule_34_sigterm_ends_the_process_whatever_it_is_doing() -> None:
    """Also in the middle of a turn that does not end."""
    process = subprocess.Popen([sys.executable, "-c", HANGING], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    assert process.wait(timeout=30) == 1
    process.stdout.close()
