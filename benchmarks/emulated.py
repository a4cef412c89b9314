"""The real worker as a process, over the embedded AWS on this machine."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from benchmarks.machine import cpu_s, memory_mb
from demo import child
from demo.emulator import Emulator
from demo.environment import scrubbed
from demo.world import BATCH, BUCKET, World, clients

FLEET = "fleet"
WATCHING_S, STOP_S = 90.0, 30.0
SAMPLE_S = 0.1
AS_IT_IS, HURRIED = ("-m", "battery_watch", "run"), ("-m", "benchmarks.hurried")
"""The worker; and one whose charts are due at the moment that is named behind it."""


@dataclass(frozen=True, slots=True)
class Aws:
    """An account in the embedded AWS. ``environment``: a worker's."""

    world: World
    environment: dict[str, str]

    def fleet(self) -> Aws:
        """With a table keyed by device and time in place of the one keyed by time, which can hold one device."""
        self.world.aws.dynamodb.create_table(
            TableName=FLEET,
            KeySchema=[{"AttributeName": "device", "KeyType": "HASH"}, {"AttributeName": "ts", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "device", "AttributeType": "S"},
                {"AttributeName": "ts", "AttributeType": "N"},
            ],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        return Aws(self.world, {**self.environment, "BATTERY_TABLE_NAME": FLEET})

    def write(self, items: Sequence[Any]) -> None:
        """Write to the fleet's table."""
        for start in range(0, len(items), BATCH):
            requests = [{"PutRequest": {"Item": item}} for item in items[start : start + BATCH]]
            self.world.aws.dynamodb.batch_write_item(RequestItems={FLEET: requests})  # type: ignore[dict-item]

    def get(self, key: str) -> bytes:
        """An object."""
        return self.world.aws.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def replace(self, key: str, body: bytes) -> None:
        """Another body for an object, which keeps its metadata."""
        metadata = self.world.aws.s3.head_object(Bucket=BUCKET, Key=key)["Metadata"]
        self.world.aws.s3.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata=metadata)


@contextmanager
def embedded(**settings: str) -> Iterator[Aws]:
    """An account of one's own, with the demo's table, bucket, topic and queue. ``settings``: of the worker."""
    with Emulator() as emulator:
        world = World.create(clients(emulator.environment()))
        environment = {**scrubbed(os.environ), **emulator.environment(), **world.worker_settings(), **settings}
        yield Aws(world, {**environment, "PULSE_FILE": str(emulator.folder / "pulse")})


class Running:
    """A worker that runs; a context manager, entered once it watches. ``start_s``, ``start_cpu_s``: what that took, of
    time and of the processor."""

    def __init__(self, aws: Aws, command: Sequence[str] = AS_IT_IS, **settings: str) -> None:
        self._watching = threading.Event()
        self._began = time.monotonic()
        self._child = child.Child([sys.executable, *command], {**aws.environment, **settings}, on_stdout=self._hear)
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)
        self.start_s = self.start_cpu_s = 0.0
        self.peak_mb = 0.0
        """Of all its processes; looked at only after `watch_memory`."""

    def __enter__(self) -> Running:
        if not self._watching.wait(WATCHING_S):
            self.__exit__(None, None, None)
            raise RuntimeError(f"the worker does not watch: {self._child.last_lines(3)[:400]}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.stop(STOP_S)
        self._over.set()

    def watch_memory(self) -> Running:
        """Note the peak from now on, until its end."""
        self._looking.start()
        return self

    def core_share(self, seconds: float) -> float:
        """Let it work for so long; the share of one core that it and its children use."""
        before, began = cpu_s(self._child.pid), time.monotonic()
        time.sleep(seconds)
        return (cpu_s(self._child.pid) - before) / (time.monotonic() - began)

    def _look(self) -> None:
        while not self._over.is_set() and self._child.exit_code is None:
            self.peak_mb = max(self.peak_mb, memory_mb(self._child.pid))
            self._over.wait(SAMPLE_S)

    def _hear(self, line: str) -> None:
        try:
            event = json.loads(line).get("event")
        except (ValueError, AttributeError):
            return  # a traceback: it stays among the last lines
        if event == "watching" and not self._watching.is_set():
            self.start_s = time.monotonic() - self._began
            self.start_cpu_s = cpu_s(self._child.pid)
            self._watching.set()
