"""What the messages about samples and about episodes share: their circumstances, their ids, their words for people."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reporting.contract.events import ChartLink, MutedBefore, StreamPosition, utc
from reporting.contract.severities import SeverityName
from scoring.detectors import DETECTORS
from scoring.verdict import Severity

SEVERITIES: dict[Severity, SeverityName] = {
    Severity.LOW: "low",
    Severity.MEDIUM: "medium",
    Severity.HIGH: "high",
    Severity.CRITICAL: "critical",
}
ChartLinker = Callable[[str], ChartLink | None]
"""Gives the link of a chart from its key, with its true expiry; None where there are no charts."""


@dataclass(frozen=True, slots=True)
class Publication:
    """The circumstances in which a message is written; no part of what happened.

    ``source``: the CloudEvents source. ``bucket``: where archive and charts lie. ``recorded``: when the message is
    written. ``position``: of the record that caused it, None where time did or where the table has it. ``chart``: the
    link to the chart that shows it. ``muted``: what an ended mute left out of the same episode.
    """

    source: str
    bucket: str
    recorded: datetime
    position: StreamPosition | None = None
    chart: ChartLink | None = None
    muted: MutedBefore | None = None

    def closing_lines(self, event: str | None) -> list[str]:
        """The last lines of a text for people. ``event``: id of the sample's message; None where no archive line
        leads to it."""
        lines = []
        if self.muted is not None:
            lines.append(_muted_words(self.muted))
        if self.chart is not None:
            lines.append(f"Chart, until {self.chart.expires:%Y-%m-%d %H:%M} UTC: {self.chart.url}")
        if event is not None:
            lines.append(f"Run: battery-watch explain {event}")
        return lines


def event_id(source: str, device: str, ts: float, model: str, *, revision: int = 0, cause: str = "") -> str:
    """The id of a sample's message. ``cause``: of an amendment, where the record that caused it lies in the stream."""
    identity = f"{source}\n{device}\n{ts!r}\n{model}\n{revision}\n{cause}"
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def score_words(scores: Mapping[str, Any]) -> str:
    """Both scores against their thresholds, for people. ``scores``: as in an event."""
    words = ", ".join(
        f"{each.label} {scores[each.key]['value']:{each.digits}} "
        f"(threshold {scores[each.key]['threshold']:{each.digits}})"
        for each in DETECTORS
    )
    return words[0].upper() + words[1:]


def _muted_words(muted: MutedBefore) -> str:
    earlier = "1 message" if muted.count == 1 else f"{muted.count} messages"
    return (
        f"This episode began at {utc(muted.opened):%Y-%m-%d %H:%M:%S} UTC; {earlier} of it, from "
        f"{utc(muted.since):%H:%M:%S} on, {'was' if muted.count == 1 else 'were'} muted."
    )
