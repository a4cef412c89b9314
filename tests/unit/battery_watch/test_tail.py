"""How `tail` ends, with a queue in memory."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest
from click.testing import CliRunner, Result

from battery_watch.cli import cli
from consumer.errors import ConfigurationError
from reporting.contract.events import utc
from reporting.health.notice import Notice

SETTINGS = {"TOPIC_ARN": "arn:aws:sns:r:1:t", "RESULTS_BUCKET_NAME": "b", "AWS_DEFAULT_REGION": "r"}


def body(device: str, at: float = 60.0) -> str:
    told = Notice("health.silence", device, at, "opened", f"Nothing of {device}.")
    return told.message(source="urn:battery-watch:t", table="t", recorded=utc(0.0)).body


class Queue:
    """What it gives, one list a call; an exception is raised, a signal is sent. Then nothing more comes."""

    def __init__(self, *comes: Any, left: tuple[str, ...] = ()) -> None:
        self.comes = list(comes)
        self.left = list(left)
        self.name = "battery-watch-tail-0"
        self.removed = 0

    def open(self) -> None:
        pass

    def receive(self) -> list[str]:
        come = self.comes.pop(0) if self.comes else []
        if isinstance(come, signal.Signals):
            signal.raise_signal(come)
            signal.raise_signal(come)
            return []
        if isinstance(come, Exception):
            raise come
        return list(come)

    def remove(self) -> list[str]:
        self.removed += 1
        return self.left


@pytest.fixture
def tail(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the command with a queue; it is removed however that ends."""

    def run(queue: Queue, *options: str) -> Result:
        monkeypatch.setattr("battery_watch.events.temporary_queue.TemporaryQueue", lambda *_: queue)
        handler = signal.getsignal(signal.SIGTERM)
        done = CliRunner().invoke(cli, ["tail", *options], env=SETTINGS)
        assert queue.removed == 1
        assert signal.getsignal(signal.SIGTERM) is handler
        return done

    return run


def test_it_ends_after_enough_events(tail: Any) -> None:
    """Those that were not asked for do not count, though SNS may still send them; what comes is printed verbatim."""
    queue = Queue([], [body("a"), body("b"), body("a", 120.0)], [body("a", 180.0), body("a", 240.0)], [body("a")])
    done = tail(queue, "--json", "--device", "a", "--count", "3")
    assert done.exit_code == 0
    assert done.stdout == f"{body('a')}\n{body('a', 120.0)}\n{body('a', 180.0)}\n"
    assert queue.comes == [[body("a")]]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_it_in_order(tail: Any, number: signal.Signals, code: int) -> None:
    """Also where it comes twice; queue and subscription are removed first."""
    done = tail(Queue([body("a")], number))
    assert done.exit_code == code
    assert done.stdout == "1970-01-01 00:01:00  HIGH      a  health.silence\n    Nothing of a.\n"
    assert done.stderr.endswith("Ended; queue and subscription are removed.\n")


def test_what_is_no_event_is_said_and_left_out(tail: Any) -> None:
    """`doctor --publish` sends such a message, and anybody else may."""
    bad = ["A test.", "[]", "{}", json.dumps({**json.loads(body("a")), "time": "now"})]
    done = tail(Queue([*bad, body("a")]), "--json", "--count", "1")
    assert done.stdout == body("a") + "\n"
    assert done.stderr.count("not shown, as it is no event") == 4


def test_an_event_on_many_lines_is_put_on_one(tail: Any) -> None:
    """The worker publishes none, but a line is an event."""
    spread = json.dumps(json.loads(body("a")), indent=1)
    (line,) = tail(Queue([spread]), "--json", "--count", "1").stdout.splitlines()
    assert json.loads(line) == json.loads(spread)


def test_what_could_not_be_removed_is_said(tail: Any) -> None:
    """With exit code 1 where all else was well, and that of the end where it was not."""
    for comes, code in (([body("a")], 1), (signal.SIGINT, 130), (ConfigurationError("no."), 2)):
        done = tail(Queue(comes, left=("The queue is there.",)), "--count", "1")
        assert done.exit_code == code
        assert done.stderr.splitlines()[-1] == "battery-watch: The queue is there."
        assert "are removed" not in done.stderr


def test_an_error_removes_too(tail: Any) -> None:
    """One that AWS gives is said in a line; one of ours is raised."""
    done = tail(Queue(ConfigurationError("the queue: access denied.")))
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (2, "battery-watch: the queue: access denied.")
    assert isinstance(tail(Queue(RuntimeError("ours"))).exception, RuntimeError)
