"""Delivers the messages of a commit: each is taken, carried into the next commit, or set aside (rule 29).

One message never holds up a commit, and the order of a device's messages never changes. A message that the sink refuses
in passing is *carried*, with all later ones of its device: the next commit sends them first. A message that the sink
refuses for good is *set aside*: its whole lies in the bucket, and a stub goes in its place. If the stub is refused too,
the rest of its episode is set aside as well, or subscribers would get an end without a beginning.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from reporting.contract.events import utc
from reporting.keys import undelivered_key
from reporting.message import Message
from reporting.sinks.archive import StoredObject
from reporting.sinks.publisher import Publisher, Refusal

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SetAside:
    """A message that was refused for good, why, and where the whole lies."""

    message: Message
    reason: str
    place: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of the messages that were not taken.

    ``carried``: for the next commit, in order, ``why`` the first of them was refused. ``aside``: set aside.
    ``episodes``: ids of episodes whose stub was refused too: the rest of them is set aside.
    """

    carried: tuple[Message, ...] = ()
    why: str = ""
    aside: tuple[SetAside, ...] = ()
    episodes: frozenset[str] = frozenset()

    @property
    def complete(self) -> bool:
        """True if every message was taken as it is. Then a successor need not know of them."""
        return not self.carried and not self.aside


class Places(Protocol):
    """Where messages that are set aside lie: `reporting.sinks.archive.Archive`."""

    bucket: str

    def put(self, item: StoredObject) -> None:
        """Write an object whose bytes are the same for every owner."""


class Delivery:
    """Delivers messages to one publisher. `run` may be repeated after an error: it goes on where it stood.

    ``episodes``: ids of episodes that are set aside.
    """

    def __init__(
        self, publisher: Publisher, places: Places, messages: Sequence[Message], episodes: Iterable[str] = ()
    ) -> None:
        self._publisher = publisher
        self._places = places
        self._messages = list(messages)
        self._waiting = list(messages)
        self._known = frozenset(episodes)
        self._episodes = set(self._known)
        self._refused: list[Refusal] = []
        self._carried: set[str] = set()
        self._aside: list[SetAside] = []

    @property
    def name(self) -> str:
        """The publisher's."""
        return self._publisher.name

    @property
    def result(self) -> Delivered:
        """What became of the messages, once `run` has returned."""
        return Delivered(
            tuple(message for message in self._messages if message.id in self._carried),
            self._refused[0].reason if self._refused else "",
            tuple(self._aside),
            frozenset(self._episodes - self._known),
        )

    def run(self) -> None:
        """Deliver what waits. Raises the errors of the publisher's client and of the bucket's."""
        while self._waiting:
            self._set_lost_aside()
            answer = self._publisher.publish(self._waiting)
            left = {message.id for message in (*(each.message for each in answer.refused), *answer.held)}
            self._waiting = [message for message in self._waiting if message.id in left]
            for refusal in answer.refused:
                if refusal.final and self._replaced(refusal):
                    self._waiting.remove(refusal.message)
                else:
                    self._carry(refusal)

    def _carry(self, refusal: Refusal) -> None:
        """Leave this message and its device's later ones to the next commit."""
        device = refusal.message.device
        self._refused.append(refusal)
        self._carried.update(message.id for message in self._waiting if message.device == device)
        self._waiting = [message for message in self._waiting if message.device != device]

    def _set_lost_aside(self) -> None:
        lost = [m for m in self._waiting if self._episodes and m.episode in self._episodes]
        for message in lost:
            self._set_aside(message, "the beginning of its episode could not be delivered")
        self._waiting = [message for message in self._waiting if message not in lost]

    def _replaced(self, refusal: Refusal) -> bool:
        """Set a message aside. False if it has to be carried: its stub was refused in passing."""
        message = refusal.message
        item = _stored(message, refusal.reason)
        place = f"s3://{self._places.bucket}/{item.key}"
        self._places.put(item)  # before the stub, which says that it lies there
        stub = self._publisher.publish_stub(message, _stub(message, place))
        if stub is not None and not stub.final:
            return False
        if stub is not None and message.episode is not None:
            self._episodes.add(message.episode)
        self._note(SetAside(message, refusal.reason, place), stub="refused too" if stub is not None else "sent")
        return True

    def _set_aside(self, message: Message, reason: str) -> None:
        item = _stored(message, reason)
        self._places.put(item)
        self._note(SetAside(message, reason, f"s3://{self._places.bucket}/{item.key}"), stub="none")

    def _note(self, aside: SetAside, *, stub: str) -> None:
        self._aside.append(aside)
        log.error(
            "a message was set aside",
            id=aside.message.id,
            type=aside.message.type,
            device=aside.message.device,
            reason=aside.reason,
            place=aside.place,
            stub=stub,
        )


def together(parts: Sequence[Delivered], messages: Sequence[Message]) -> Delivered:
    """What became of the messages of a commit at all publishers: what one of them did not take is carried."""
    if len(parts) == 1:
        return parts[0]
    carried = {message.id for part in parts for message in part.carried}
    aside = {each.message.id: each for part in parts for each in part.aside}
    return Delivered(
        tuple(message for message in messages if message.id in carried),
        next((part.why for part in parts if part.why), ""),
        tuple(aside.values()),
        frozenset().union(*(part.episodes for part in parts)),
    )


def _stored(message: Message, reason: str) -> StoredObject:
    about: dict[str, Any] = {
        "reason": reason,
        "id": message.id,
        "attributes": message.attributes,
        "text": message.text,
        "event": json.loads(message.body),
    }
    return StoredObject(undelivered_key(message.at, message.id), json.dumps(about, indent=1).encode() + b"\n")


def _stub(message: Message, place: str) -> str:
    """Plain ASCII: whatever was refused may be in the message, so nothing of its text is here."""
    time = "" if message.at is None else f" at {utc(message.at):%Y-%m-%d %H:%M:%S} UTC"
    return (
        f"{message.severity.upper()}: {message.type} about {ascii(message.device)[:100]}{time}.\n"
        f"The topic refused this message. The whole lies in {place}\n"
        f"Id: {message.id}\n"
    )
