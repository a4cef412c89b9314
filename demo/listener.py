"""The subscriber: takes messages from the queue as they come."""

from __future__ import annotations

import queue
import threading
import time
from types import TracebackType

from pydantic import ValidationError

from consumer.errors import AWS_ERRORS
from demo.message import Message
from demo.world import World
from reporting.contract import events

POLL_S = 1


class Listener:
    """A thread that long-polls the queue; a context manager. `take` passes messages to the caller's thread. ``bodies``:
    all bodies in the order they came, notices too."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="listener", daemon=True)
        self.unreadable: list[str] = []
        self.bodies: list[str] = []
        self.heard_s = time.monotonic()

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        self._thread.join(timeout=POLL_S + 5.0)

    def take(self) -> list[Message]:
        """The messages since the last call, in the order they came; never blocks."""
        taken = []
        while not self._inbox.empty():
            taken.append(self._inbox.get())
        return taken

    def _listen(self) -> None:
        while not self._leaving.is_set():
            try:
                self._receive()
            except AWS_ERRORS:
                # The emulator may be stopping. The caller notices that by itself.
                self._leaving.wait(0.2)

    def _receive(self) -> None:
        sqs, url = self._world.aws.sqs, self._world.queue_url
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=POLL_S)
        now = time.monotonic()
        received = answer.get("Messages", [])
        if not received:
            return
        for found in received:
            self.bodies.append(found["Body"])
            try:
                message = parse(found["Body"], now)
            except ValidationError as fault:
                self.unreadable.append(str(fault))
            else:
                if message is not None:
                    self._inbox.put(message)
        self.heard_s = now
        sqs.delete_message_batch(
            QueueUrl=url,
            Entries=[{"Id": str(k), "ReceiptHandle": m["ReceiptHandle"]} for k, m in enumerate(received)],
        )


def parse(body: str, received_s: float) -> Message | None:
    """The message of a sample or an episode; None for a health notice. Raw delivery makes the body the bare event.

    Raises pydantic's ValidationError if the body does not follow the contract.
    """
    event = events.parse(body)
    if isinstance(event, events.HealthEvent):
        return None
    data = event.data
    return Message(
        id=event.id,
        step=data.state if isinstance(data, events.AnomalyEpisode) else "",
        kind=data.kind,
        device=data.device,
        ts=event.time.timestamp(),
        severity=data.severity,
        episode=data.episode,
        summary=data.summary,
        received_s=received_s,
        body=body,
    )
