"""A message from the topic's queue, as the demo takes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """A message about a sample, or a step of an episode: ``step`` is opened, escalated, ongoing or closed, empty for a
    sample. ``kind``: of the fault. ``ts``: its event time. ``received_s``: on the clock of the puts. ``again``: its id
    came before."""

    id: str
    step: str
    kind: str
    device: str
    ts: float
    severity: str
    episode: str
    summary: str
    received_s: float
    body: str = ""
    again: bool = False
