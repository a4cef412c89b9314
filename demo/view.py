"""The state of a run at one moment, as the board shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from demo.charger import Measurement
from demo.message import Message
from demo.outage import Outage
from demo.score import Latency
from demo.script import Fault, Script


class FaultState(StrEnum):
    """Whether a fault was found."""

    AHEAD = "ahead"
    NOW = "now"
    FOUND = "found"
    OPEN = "not found yet"


@dataclass(frozen=True, slots=True)
class View:
    """A moment of a run.

    ``second`` says how far the phase is; ``epoch_s`` is the first live second; ``charged`` is 0 to 1; ``distinct``
    counts different messages, ``found`` those about each fault; ``link`` opens the newest chart while the demo runs;
    ``outage`` is the worker's kill, None where it is left out.
    """

    phase: str
    second: str
    script: Script
    epoch_s: int
    measurement: Measurement | None
    charged: float
    written: int
    messages: Sequence[Message]
    distinct: int
    found: Mapping[Fault, int]
    charts: int
    link: str
    latency: Latency
    outage: Outage | None = None

    def state(self, fault: Fault) -> tuple[FaultState, int]:
        """The state of a fault, and the number of messages about it."""
        found = self.found.get(fault, 0)
        now_s = self.measurement.offset_s if self.measurement else -float("inf")
        if found:
            return FaultState.FOUND, found
        if now_s < fault.start_s:
            return FaultState.AHEAD, 0
        return (FaultState.NOW, 0) if now_s < fault.end_s else (FaultState.OPEN, 0)

    def shown_faults(self, limit: int) -> Sequence[Fault]:
        """All faults, or the ``limit`` around now if there are more."""
        faults = self.script.faults
        if len(faults) <= limit:
            return faults
        now_s = self.measurement.offset_s if self.measurement else -float("inf")
        passed = sum(fault.end_s <= now_s for fault in faults)
        first = min(max(0, passed - limit // 2), len(faults) - limit)
        return faults[first : first + limit]


def clock(epoch_s: float) -> str:
    """The time of day, UTC."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%H:%M:%S")


def milliseconds(value: float | None) -> str:
    """A latency in words."""
    return "-" if value is None else f"{value:,.0f} ms"
