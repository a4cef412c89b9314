"""A message as it waits in the outbox: rendered once, and published word for word by any owner of the lane."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import orjson

from reporting.contract.health_kinds import filter_severity

MAX_BYTES = 32 * 1024
"""A body is smaller than this."""
Publish = Literal["episodes", "samples", "both"]
"""What is published: the steps of episodes, every anomalous sample, or both."""


@dataclass(frozen=True)  # without slots: `at` is kept beside the fields, which are what the head stores
class Message:
    """``body``: the CloudEvents JSON for machines. ``text``: what people get by e-mail. ``kind``: of the fault, empty
    for a notice. The rest are the attributes that a filter policy can name (SNS allows five in a policy). Raises
    ValueError for a body of `MAX_BYTES` or more."""

    id: str
    type: str
    severity: str
    device: str
    state: str
    schema_uri: str
    body: str
    text: str
    kind: str = ""

    def __post_init__(self) -> None:
        size = len(self.body.encode())
        if size >= MAX_BYTES:
            raise ValueError(f"message {self.id} has {size} bytes; a message stays under {MAX_BYTES}")

    @cached_property
    def at(self) -> float | None:
        """The event time, epoch seconds; None where the body has none. Parsed once, at its first use."""
        time = self._event.get("time")
        return None if time is None else datetime.fromisoformat(time).timestamp()

    @cached_property
    def episode(self) -> str | None:
        """The id of the episode that the message is about, if it is about one."""
        episode: str | None = self._event.get("data", {}).get("episode")
        return episode

    @property
    def _event(self) -> dict[str, Any]:
        event: dict[str, Any] = orjson.loads(self.body)
        return event

    @property
    def attributes(self) -> dict[str, str]:
        """The message attributes: names and values, all strings."""
        return {
            "type": self.type,
            "severity": self.severity,
            # An outbox that an older version wrote has messages without it.
            "filterseverity": self._event.get("filterseverity") or filter_severity(self.type, self.severity),
            "device": self.device,
            "state": self.state,
            "schema": self.schema_uri,
            **({"kind": self.kind} if self.kind else {}),
        }
