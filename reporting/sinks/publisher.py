"""What every sink of messages must do.

To add a sink, say an event bus: write a class with these members in a file of this folder, and name it in the tuple of
publishers where the worker is put together (`consumer.worker.assembly`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from reporting.message import Message


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that was refused, and why. ``final``: the message itself is at fault, and it will be refused every
    time (rule 29); otherwise it may be taken later."""

    message: Message
    reason: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """``refused``: one message of a device at most. ``held``: those that come after a refused one of the same device,
    in order. They were not sent. Every other message was taken."""

    refused: tuple[Refusal, ...] = ()
    held: tuple[Message, ...] = ()


class Publisher(Protocol):
    """Publishes messages: `reporting.sinks.topic.Topic`, or its twin in tests.

    Each publisher is a step of its own in a commit. All are called at the same time.
    """

    @property
    def name(self) -> str:
        """What the log calls it."""

    def publish(self, messages: Sequence[Message]) -> Answer:
        """Publish in order. No message may be published past one of the same device that was refused. May block for its
        client's time-outs and raise its client's errors: then the caller tries all of them again, and a subscriber may
        get a message twice."""

    def publish_stub(self, message: Message, text: str) -> Refusal | None:
        """Publish this plain text in place of a message that was refused. Returns why the text was refused, None if it
        was taken. May block and raise as `publish`."""
