"""What every sink of messages must do.

To add a sink, say an event bus: write a class with these two members in a file of this folder, and name it in the tuple
of publishers where the worker is put together (`consumer.worker.assembly`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from reporting.message import Message


class Publisher(Protocol):
    """Publishes messages: `reporting.sinks.topic.Topic`, or its twin in tests.

    Each publisher is a step of its own in a commit. All are called at the same time, and the commit is durable once
    each has taken all messages.
    """

    @property
    def name(self) -> str:
        """What the log calls it."""

    def publish(self, messages: Sequence[Message]) -> list[Message]:
        """Publish in order. Returns the messages that were not taken, in order, for the next call: a message must not
        be published past one of the same device that was refused. May block for its client's time-outs and raise its
        client's errors: then the caller tries all of them again, and a subscriber may get a message twice."""
