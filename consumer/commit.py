"""One durable step of a lane."""

from __future__ import annotations

from dataclasses import dataclass

from consumer.snapshot import Snapshot
from consumer.state import Head
from reporting.archive import StoredObject
from reporting.message import Message


@dataclass(frozen=True, slots=True)
class Commit:
    """What is made durable together, in this order (rule 10): the head with its outbox, then archive, quarantine,
    books and topic, then the windows where it carries them; only then are the positions acknowledged.

    ``minutes`` are written under the head's revision.
    """

    head: Head
    messages: tuple[Message, ...]
    minutes: tuple[StoredObject, ...]
    objects: tuple[StoredObject, ...]
    snapshot: Snapshot | None
