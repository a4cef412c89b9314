"""Which messages tell of which fault."""

from __future__ import annotations

from collections import Counter

from demo.message import Message
from demo.script import Fault, FaultKind, Script

TOLD_AS = {
    FaultKind.TEMPERATURE_SPIKE: "temperature_jump",
    FaultKind.OVER_CURRENT: "over_current",
    FaultKind.DROP_OUT: "drop_out",
    FaultKind.COOLING_FAILURE: "heating",
}
"""The ``kind`` that an episode of each fault has."""


class Told:
    """An opening of a fault's kind about a sample inside it finds the fault. What its episode says until it opens again
    is about this fault.

    ``found``: how many messages each fault that was found has. ``false``: the openings that no fault explains, or that
    call it something else.
    """

    def __init__(self) -> None:
        self.found: Counter[Fault] = Counter()
        self.false: list[Message] = []
        self._about: dict[str, Fault | None] = {}

    def add(self, message: Message, script: Script, epoch_s: float) -> None:
        """Take the next message; one that was sent again counts once more. ``epoch_s``: the first live sample's ts."""
        if message.step == "opened":
            offset_s = message.ts - epoch_s
            fault = script.begun(offset_s)
            if fault is None or not fault.explains(offset_s) or message.kind != TOLD_AS[fault.kind]:
                self.false.append(message)
                fault = None
            self._about[message.episode] = fault if fault is not None and fault.covers(offset_s) else None
        if about := self._about.get(message.episode):
            self.found[about] += 1
