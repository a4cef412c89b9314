"""One durable step of a lane."""

from __future__ import annotations

from dataclasses import dataclass

from consumer.state.head import Head
from consumer.state.snapshot import Snapshot
from reporting.message import Message
from reporting.sinks.archive import StoredObject


@dataclass(frozen=True, slots=True)
class Commit:
    """What is made durable together, in this order (rule 10): what is set aside, which is a function of the record
    alone; the head with its outbox; archive, books and topic; the windows where it carries them. Only then are the
    positions acknowledged.

    ``minutes`` are written under the head's revision.
    """

    head: Head
    messages: tuple[Message, ...] = ()
    minutes: tuple[StoredObject, ...] = ()
    quarantine: tuple[StoredObject, ...] = ()
    books: tuple[StoredObject, ...] = ()
    snapshot: Snapshot | None = None
