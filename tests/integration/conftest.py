"""The embedded AWS with an owner's account in it, and the real worker over real sockets."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))

from proxy import Proxy
from stream_twin import StreamTwin

from battery_watch.cli import cli
from demo.emulator import Emulator
from demo.environment import scrubbed
from demo.worker import Worker
from demo.world import TABLE, World, clients


@dataclass(frozen=True)
class Account:
    """A table with a stream, a bucket, a topic and a subscribed queue; ``environment`` is the worker's."""

    world: World
    environment: dict[str, str]

    @property
    def port(self) -> int:
        """Of the embedded AWS."""
        return int(self.environment["AWS_ENDPOINT_URL"].rsplit(":", 1)[1])

    def put(self, ts: float | str, current: Any = "2.5", temperature: Any = "25.0", **more: Any) -> None:
        """Write a sample; a value that is a dict stands as it is, in DynamoDB's JSON."""
        item: dict[str, Any] = {"ts": {"N": ts if isinstance(ts, str) else repr(ts)}}
        for name, value in {"current": current, "temperature": temperature, **more}.items():
            if value is not None:
                item[name] = value if isinstance(value, dict) else {"N": str(value)}
        self.world.put(item)

    def charge(self, start: float, seconds: int, *, faults: Mapping[int, float] | None = None) -> None:
        """A quiet charge at 1 Hz from ``start``, with a temperature of its own at the seconds named in ``faults``."""
        for second in range(seconds):
            ripple = (second * 7919 % 13 - 6) / 200
            temperature = (faults or {}).get(second, round(25 + second / 400 + ripple, 2))
            self.put(start + second, round(2.5 + ripple / 8, 4), temperature)

    def messages(self) -> list[dict[str, Any]]:
        """All messages that wait in the queue: body and attributes."""
        found: list[dict[str, Any]] = []
        while True:
            answer = self.world.aws.sqs.receive_message(
                QueueUrl=self.world.queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            )
            if not answer.get("Messages"):
                return found
            for message in answer["Messages"]:
                found.append(dict(message))
                self.world.aws.sqs.delete_message(QueueUrl=self.world.queue_url, ReceiptHandle=message["ReceiptHandle"])

    def run(self, *command: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
        """Run a `battery-watch` command to its end, as a process."""
        merged = {k: v for k, v in {**self.environment, **environment}.items() if v is not None}
        return subprocess.run(
            [sys.executable, "-m", "battery_watch", *command],
            env=merged,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def ask(self, *command: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
        """The same within this process, where all that the command imports is there already."""
        merged = {**self.environment, **environment}
        # The command's logging would be that of all tests that follow.
        with patch("consumer.logs.configure"):
            result = CliRunner().invoke(cli, command, env={**dict.fromkeys(os.environ), **merged})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return subprocess.CompletedProcess(command, result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def account() -> Iterator[Account]:
    """An emulator of the test's own."""
    with Emulator() as emulator:
        world = World.create(clients(emulator.environment()))
        yield Account(world, {**scrubbed(os.environ), **emulator.environment(), **world.worker_settings()})


@dataclass(frozen=True)
class FourShards:
    """An account whose worker sees the table's stream as four shards, and all of AWS through a proxy that can fail. The
    test's own calls do not pass through it."""

    account: Account
    stream: StreamTwin
    proxy: Proxy


@pytest.fixture
def four_shards(account: Account) -> Iterator[FourShards]:
    """The account's stream in four shards, on a good day."""
    stream = StreamTwin(account.port, TABLE)
    with Proxy(account.port, streams=stream) as proxy:
        yield FourShards(Account(account.world, {**account.environment, "AWS_ENDPOINT_URL": proxy.url}), stream, proxy)


@pytest.fixture
def worker(account: Account) -> Iterator[Worker]:
    """A worker that is watching the account's table."""
    with Worker(account.environment) as running:
        running.wait_until_watching()
        yield running


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Ask again until the answer is true, for at most 20 s or as long as is said; returns it."""

    def ask(question: Callable[[], Any], within_s: float = 20.0) -> Any:
        deadline = time.monotonic() + within_s
        while not (answer := question()):
            if time.monotonic() > deadline:
                pytest.fail(f"still {answer!r} after {within_s:.0f} s")
            time.sleep(0.05)
        return answer

    return ask


@pytest.fixture
def table() -> str:
    """The table's name, which is the device's too where items name none."""
    return TABLE
