"""One durable step of a lane."""

from __future__ import annotations

from dataclasses import dataclass, field

from consumer.state.head import Head
from consumer.state.snapshot import Snapshot
from reporting.health.notice import Notice
from reporting.message import Message
from reporting.sinks.archive import StoredObject


@dataclass(slots=True)
class Rewritten:
    """What the writing of a commit has met: objects of a higher revision than its own, by key. The ``epoch`` was raised
    above theirs, and they were written again (rule 28)."""

    epoch: int = 0
    keys: list[str] = field(default_factory=list)

    def notice(self, now: float) -> Notice:
        """The notice about it. ``now``: epoch seconds."""
        text = (
            f"{len(self.keys)} objects had a higher revision than this worker's. It owns the lane, so it wrote them "
            f"again under epoch {self.epoch}. Was state deleted or restored?"
        )
        return Notice("health.rewritten", None, now, "opened", text, since=now, count=len(self.keys))


@dataclass(frozen=True, slots=True)
class Commit:
    """What becomes durable together. `consumer.state.committer.steps` has the order and its reasons (rule 10).

    ``minutes``: archive objects, written under the head's revision. ``ledger``: the ledger's objects.
    ``scored_minutes``: what can be compared with the table. ``snapshot``: the windows. Most commits have neither.
    ``rewritten``: filled in while it is written.
    """

    head: Head
    messages: tuple[Message, ...] = ()
    minutes: tuple[StoredObject, ...] = ()
    quarantine: tuple[StoredObject, ...] = ()
    ledger: tuple[StoredObject, ...] = ()
    scored_minutes: tuple[StoredObject, ...] = ()
    snapshot: Snapshot | None = None
    rewritten: Rewritten = field(default_factory=Rewritten)
