"""Anomalous samples by hand, and the steps that come of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reporting.anomaly.episode import Anomaly
from reporting.anomaly.episodes import Episodes, Step
from scoring.faults import FaultKind
from scoring.severity import Severity

T, END = 10_000.0, 1e9
PATTERN = FaultKind.UNUSUAL_PATTERN


def anomaly(ts: float, *, severity: Severity = Severity.LOW, weak: bool = False, **more: Any) -> Anomaly:
    """One whose record is stamped at its time."""
    return Anomaly(ts, more.pop("stamp", ts), severity, strong=not weak, **more)


class Told:
    """The steps of episodes, deadlines first, as a lane has them fire."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, FaultKind], dict[float, Anomaly]] = {}
        self.episodes = Episodes(between=self.between)
        self.steps: list[Step] = []

    def between(self, device: str, kind: FaultKind, first: float, last: float) -> list[Anomaly]:
        """The samples that are anomalous now."""
        of = self.found.get((device, kind), {})
        return [of[ts] for ts in sorted(of) if first <= ts <= last]

    def restart(self) -> None:
        """A successor takes over."""
        self.episodes = Episodes(self.episodes.stored, self.between)

    def until(self, stamp: float) -> Told:
        """The watermark comes to ``stamp``."""
        while self.episodes.due <= stamp:
            self.steps += self.episodes.fire()
        return self

    def see(self, *found: Anomaly, device: str = "d") -> Told:
        """Take anomalous samples, each after the steps that are due before it."""
        for each in found:
            self.until(each.stamp)
            self.episodes.begin_record()
            of = self.found.setdefault((device, each.kind), {})
            seen = replace(each, again=each.ts in of)
            of[each.ts] = seen
            self.steps += self.episodes.see(device, seen)[1]
        return self

    def withdraw(self, ts: float, stamp: float, *, device: str = "d", kind: FaultKind = PATTERN) -> list[Step]:
        """A sample is written again, as a normal one."""
        self.episodes.begin_record()
        self.found.get((device, kind), {}).pop(ts, None)
        steps = self.episodes.withdraw(device, kind, ts, stamp)
        self.steps += steps
        return steps

    @property
    def said(self) -> list[tuple[str, float]]:
        """Kind and time of every step."""
        return [(step.kind, step.at) for step in self.steps]
