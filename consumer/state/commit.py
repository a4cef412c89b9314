"""One durable step of a lane."""

from __future__ import annotations

from dataclasses import dataclass

from consumer.state.head import Head
from consumer.state.snapshot import Snapshot
from reporting.message import Message
from reporting.sinks.archive import StoredObject


@dataclass(frozen=True, slots=True)
class Commit:
    """What becomes durable together. `consumer.state.committer.steps` has the order and its reasons (rule 10).

    ``minutes``: archive objects, written under the head's revision. ``ledger``: the ledger's objects.
    ``scored_minutes``: what can be compared with the table. ``snapshot``: the windows. Most commits have neither.
    """

    head: Head
    messages: tuple[Message, ...] = ()
    minutes: tuple[StoredObject, ...] = ()
    quarantine: tuple[StoredObject, ...] = ()
    ledger: tuple[StoredObject, ...] = ()
    scored_minutes: tuple[StoredObject, ...] = ()
    snapshot: Snapshot | None = None
