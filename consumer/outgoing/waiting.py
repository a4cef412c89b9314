"""What waits for a lane's next commit: what the last one carried, then the new messages, in order (rule 29)."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any

from consumer.state.delivery import Delivered, SetAside
from consumer.state.head import Head
from reporting.anomaly.episodes import Episodes
from reporting.contract.health_kinds import HealthType
from reporting.health.notice import Notice
from reporting.message import Message

RETRY_FROM_S, RETRY_TO_S = 0.2, 2.5
"""When what was carried is tried again, if nothing new is to be sent before. It doubles while something is carried."""
UNDELIVERED: HealthType = "health.undelivered"


class Waiting:
    """Messages in the order in which they are published. ``episodes``: ids of those that are set aside."""

    def __init__(self, episodes: Iterable[str] = ()) -> None:
        self._episodes = dict.fromkeys(episodes)
        self._carried: list[Message] = []
        self._new: list[Message] = []
        self._retry_at = inf
        self._retry_s = RETRY_FROM_S

    @classmethod
    def restore(cls, head: Head) -> Waiting:
        """As the last owner left it. What it had carried stands in its outbox, and is sent again first."""
        return cls(head.undelivered)

    def stored(self, episodes: Episodes) -> dict[str, Any]:
        """For the head: of the episodes that are set aside those that can still change."""
        if self._episodes:
            kept = {episode.id for episode in episodes}
            self._episodes = {name: None for name in self._episodes if name in kept}
        return {"undelivered": list(self._episodes)}

    def __len__(self) -> int:
        return len(self._carried) + len(self._new)

    def due(self, now: float) -> bool:
        """Is a commit to be cut at ``now`` (epoch seconds) for what waits?"""
        return bool(self._new) or (bool(self._carried) and now >= self._retry_at)

    def add(self, messages: Iterable[Message]) -> None:
        """Add new messages."""
        self._new.extend(messages)

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
        return [_notice(each, now) for each in delivered.aside if each.message.type != UNDELIVERED]

    def drain(self) -> tuple[Message, ...]:
        """Take all: what was carried first, so that no later message of its device overtakes it. Devices with anomalies
        leave before the others."""
        messages = (*self._carried, *self._new)
        self._carried, self._new = [], []
        anomalous = {message.device for message in messages if message.type.startswith("anomaly.")}
        first = [message for message in messages if message.device in anomalous]
        return (*first, *(message for message in messages if message.device not in anomalous))


def _notice(aside: SetAside, now: float) -> Notice:
    message = aside.message
    said = f"The topic refused message {message.id} ({message.type}): {aside.reason}. The whole lies in {aside.place}."
    at = now if message.at is None else message.at
    return Notice(UNDELIVERED, message.device, at, "opened", said, since=at, event=message.id)
