"""What the messages about samples and about episodes share: their circumstances, their ids, their words for people."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from reporting.contract.events import ChartLink, MutedBefore, StreamPosition, utc
from reporting.contract.severities import SeverityName
from scoring.detectors import FOREST, RECONSTRUCTION
from scoring.rules import Rule, RuleName
from scoring.severity import Severity

SEVERITIES: dict[Severity, SeverityName] = {
    Severity.LOW: "low",
    Severity.MEDIUM: "medium",
    Severity.HIGH: "high",
    Severity.CRITICAL: "critical",
}
_RULES: dict[RuleName, Callable[[Rule], str]] = {
    "reconstruction_error": lambda r: (
        f"{RECONSTRUCTION.label} {r.value:{RECONSTRUCTION.digits}} (limit {r.limit:{RECONSTRUCTION.digits}})"
    ),
    "repeated_errors": lambda r: f"{r.value:.0f} raised reconstruction errors of late (limit {r.limit:.0f})",
    "forest": lambda r: f"{FOREST.label} {r.value:{FOREST.digits}} (limit {r.limit:{FOREST.digits}})",
    "change": lambda r: f"change of the {r.reading} by {r.value:.3g} times its scatter (limit {r.limit:.3g})",
    "stuck": lambda r: f"{r.reading} repeated {r.value:.0f} times (limit {r.limit:.0f})",
    "range": lambda r: f"{r.reading} {r.value:.4g} (limit {r.limit:.4g})",
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


def rule_words(rules: Iterable[Rule]) -> str:
    """The rules that a sample met, with what was compared, for people."""
    words = "; ".join(_RULES[rule.name](rule) for rule in rules)
    return f"Found by: {words}"


def _muted_words(muted: MutedBefore) -> str:
    earlier = "1 message" if muted.count == 1 else f"{muted.count} messages"
    return (
        f"This episode began at {utc(muted.opened):%Y-%m-%d %H:%M:%S} UTC; {earlier} of it, from "
        f"{utc(muted.since):%H:%M:%S} on, {'was' if muted.count == 1 else 'were'} muted."
    )
