"""What waits for a lane's next commit: what the last one carried, then the new messages, in order (rule 29).

Notices pass through `consumer.outgoing.storms` on their way: equal ones of many devices become one message (rule 30).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from math import inf
from typing import Any

import orjson

from consumer.outgoing.storms import APART, Storms
from consumer.state.delivery import Delivered, SetAside
from consumer.state.head import Head
from reporting.anomaly.episodes import Episodes
from reporting.contract.events import utc
from reporting.health.notice import Notice
from reporting.message import Message

RETRY_FROM_S, RETRY_TO_S = 0.2, 2.5
"""When what was carried is tried again, if nothing new is to be sent before. It doubles while something is carried."""


class Waiting:
    """Messages in the order in which they are published.

    ``source`` and ``table``: as messages name them. ``storms``: notices that are gathered. ``episodes``: ids of those
    that are set aside. A ``stamp`` is that of the record or the deadline that led to a message; None: the last one's.
    """

    def __init__(self, source: str, table: str, storms: Storms | None = None, episodes: Iterable[str] = ()) -> None:
        self._source = source
        self._table = table
        self._storms = Storms() if storms is None else storms
        self._episodes = dict.fromkeys(episodes)
        self._carried: list[Message] = []
        self._new: list[Message] = []
        self._retry_at = inf
        self._retry_s = RETRY_FROM_S

    @classmethod
    def restore(cls, head: Head, source: str, table: str) -> Waiting:
        """As the last owner left it. What it had carried stands in its outbox, and is sent again first."""
        return cls(source, table, Storms.restore(head), head.undelivered)

    def stored(self, episodes: Episodes, passed: float) -> dict[str, Any]:
        """For the head: what is gathered, if all up to ``passed`` is processed, and of the episodes that are set aside
        those that can still change."""
        if self._episodes:
            kept = {episode.id for episode in episodes}
            self._episodes = {name: None for name in self._episodes if name in kept}
        return {"undelivered": list(self._episodes), **self._storms.stored(passed)}

    def __len__(self) -> int:
        return len(self._carried) + len(self._new)

    def due(self, now: float) -> bool:
        """Is a commit to be cut at ``now`` (epoch seconds) for what waits?"""
        return bool(self._new) or (bool(self._carried) and now >= self._retry_at)

    @property
    def gathered(self) -> int:
        """How many messages would be added if all that is gathered left."""
        return self._storms.open

    @property
    def storms_due(self) -> float:
        """The stamp at which something that is gathered leaves; infinite where nothing is."""
        return self._storms.due

    def fire_storms(self, stamp: float, *, now: float) -> None:
        """The watermark has reached ``stamp``: add what was gathered up to there."""
        self._render(self._storms.fire(stamp), now)

    def add(self, items: Iterable[Message | Notice], *, now: float, stamp: float | None = None) -> None:
        """Add new messages and notices, in order. ``now``: when they are written."""
        for item in items:
            if isinstance(item, Notice):
                self._render(self._storms.take(item, stamp), now)
            else:
                self._render(self._storms.release(item.device, stamp), now)
                self._new.append(item)

    def delivered(self, delivered: Delivered, now: float) -> list[Notice]:
        """The last commit is durable: what became of its messages. Returns the notices about those set aside."""
        # Those that wait already are not of this commit: it was a heartbeat, which takes none.
        self._carried = [*delivered.carried, *self._carried]
        if delivered.carried:
            self._retry_at = now + self._retry_s
            self._retry_s = min(self._retry_s * 2, RETRY_TO_S)
        elif not self._carried:
            self._retry_at, self._retry_s = inf, RETRY_FROM_S
        self._episodes.update(dict.fromkeys(sorted(delivered.episodes)))
        # A notice that is refused itself gets none: that would go on for ever.
        return [_notice(each, now) for each in delivered.aside if each.message.type != APART]

    def release(self, device: str) -> list[Message]:
        """Another lane has a device from now on: take out its messages. What is gathered with other devices stays."""
        messages = [message for message in (*self._carried, *self._new) if message.device == device]
        self._carried = [message for message in self._carried if message.device != device]
        self._new = [message for message in self._new if message.device != device]
        return messages

    def adopt(self, messages: Iterable[Message]) -> None:
        """Go on with messages that another lane had waiting for its commit."""
        self._new.extend(messages)

    def _render(self, notices: Iterable[Notice], now: float) -> None:
        rendered = (each.message(source=self._source, table=self._table, recorded=utc(now)) for each in notices)
        self._new.extend(rendered)

    def drain(self) -> tuple[Message, ...]:
        """Take all: what was carried first, so that no later message of its device overtakes it. Devices with anomalies
        leave before the others, but none before an earlier message about many devices, or after a later one: it may be
        among them."""
        messages = (*self._carried, *self._new)
        self._carried, self._new = [], []
        anomalous = {message.device for message in messages if message.type.startswith("anomaly.")}
        many = [_about_many(message) for message in messages]
        places = [
            (part, not about_many, message.device not in anomalous)
            for part, about_many, message in zip(accumulate(many), many, messages, strict=True)
        ]
        return tuple(messages[n] for n in sorted(range(len(messages)), key=places.__getitem__))


def _about_many(message: Message) -> bool:
    return bool(message.type.startswith("health.") and "devices" in orjson.loads(message.body)["data"])


def _notice(aside: SetAside, now: float) -> Notice:
    message = aside.message
    device = orjson.loads(message.body).get("data", {}).get("device")
    said = f"The topic refused message {message.id} ({message.type}): {aside.reason}. The whole lies in {aside.place}."
    at = now if message.at is None else message.at
    return Notice(APART, device, at, "opened", said, since=at, event=message.id)
