"""What goes wrong, when: drawn from a seed, counted by name, at every call of every edge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

Answer = TypeVar("Answer")
MOST_CRASHES = 6


class Crash(BaseException):
    """The process dies here. Not an Exception: nothing in the worker may catch it."""


@dataclass(slots=True)
class Clock:
    """Virtual time, epoch seconds. It passes only when the scheduler, or a slow call, says so."""

    now: float

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


STREAM, S3, SNS, TABLE = "stream", "s3", "sns", "table"
FAULTS: dict[str, tuple[str, str]] = {
    "stream throttled": (STREAM, "before"),
    "stream 5xx": (STREAM, "before"),
    "stream time-out": (STREAM, "after"),
    "stream credentials expired": (STREAM, "before"),
    "stream access denied": (STREAM, "before"),
    "stream slow": (STREAM, "slow"),
    "s3 refused": (S3, "before"),
    "s3 409": (S3, "before"),
    "s3 time-out though written": (S3, "after"),
    "s3 412 though written": (S3, "after"),
    "s3 slow": (S3, "slow"),
    "sns refused": (SNS, "before"),
    "sns time-out though published": (SNS, "after"),
    "sns slow": (SNS, "slow"),
    "crash before a stream call": (STREAM, "crash before"),
    "crash before an S3 call": (S3, "crash before"),
    "crash after an S3 call": (S3, "crash after"),
    "crash before an SNS call": (SNS, "crash before"),
    "crash after an SNS call": (SNS, "crash after"),
    "table throttled": (TABLE, "before"),
    "table 5xx": (TABLE, "before"),
    "table time-out": (TABLE, "after"),
    "table slow": (TABLE, "slow"),
    "crash before a table call": (TABLE, "crash before"),
    "stream says not found": (STREAM, "before"),
    "stream says expired": (STREAM, "before"),
    "stream ends falsely": (STREAM, "false"),
    "stream says trimmed": (STREAM, "before"),
    "stream answers no JSON": (STREAM, "before"),
    "stream answer lacks a key": (STREAM, "before"),
    "sns refuses for good": (SNS, "entry"),
    "sns batch in part": (SNS, "entry"),
}
"""Every fault that a call can meet: the edge, and when it strikes in relation to the effect. A false answer comes in
the place of the true one. An entry is refused by the topic's twin, the others of its batch are not."""
LIES = ("stream says not found", "stream says expired")
"""Answers that are not true. They are drawn apart from the others, so that a seed keeps its other faults."""
HARDER_FAULTS = (
    "stream ends falsely",
    "stream says trimmed",
    "stream answers no JSON",
    "stream answer lacks a key",
    "sns refuses for good",
    "sns batch in part",
)
"""What not every worker stands: not among the usual faults (`sim_schedule.USUAL`). Drawn apart, like the lies."""
DOWN = {"stream down": STREAM, "s3 down": S3, "sns down": SNS, "table down": TABLE}
"""Outages of minutes, by edge."""


@dataclass(slots=True)
class Faults:
    """Draws what happens to each call.

    ``rates``: chance of each fault a call. ``crash_at``: (edge, number of the call, before or after) of one crash.
    ``down``: (edge, from, to) of outages, epoch seconds. Nothing is injected before ``since``, nor after ``until``, so
    that a run can end.
    """

    rng: Random
    clock: Clock
    rates: Mapping[str, float] = field(default_factory=dict)
    down: tuple[tuple[str, float, float], ...] = ()
    until: float = 0.0
    since: float = 0.0
    injected: Counter[str] = field(default_factory=Counter)
    at: list[tuple[str, float]] = field(default_factory=list)
    crashes: int = 0
    crash_at: tuple[str, int, str] | None = None
    calls: Counter[str] = field(default_factory=Counter)
    _by_edge: dict[str, list[tuple[float, str, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, rate in self.rates.items():
            if name in FAULTS and FAULTS[name][1] != "entry":
                edge, moment = FAULTS[name]
                self._by_edge.setdefault(edge, []).append((rate, name, moment))

    def call(
        self,
        edge: str,
        effect: Callable[[], Answer],
        refused: Callable[[str], Exception],
        false: Callable[[str, Answer], Answer] = lambda name, answer: answer,
    ) -> Answer:
        """Make a call that may go wrong. ``refused`` makes the edge's own error from the fault's name, ``false`` an
        untrue answer from it and the true one, or returns that."""
        name, moment = self._drawn(edge)
        if moment == "slow":
            self.clock.advance(self.rng.choice([0.3, 2.0, 15.0]))
        elif moment == "before":
            raise refused(name)
        elif moment == "crash before":
            raise Crash(name)
        answer = effect()
        if moment == "after":
            raise refused(name)
        if moment == "crash after":
            raise Crash(name)
        if moment == "false":
            untrue = false(name, answer)
            if untrue is not answer:
                self.count(name)
            return untrue
        return answer

    def strikes(self, name: str) -> bool:
        """Is a fault of an entry on at the moment, and drawn?"""
        # Drawn also where the fault is not on: the draws that follow stay the same.
        return self.since <= self.clock.now < self.until and self.rng.random() < self.rates.get(name, 0.0)

    def count(self, name: str) -> None:
        """A fault that is not a call's was injected."""
        self.injected[name] += 1
        self.at.append((name, self.clock.now))

    def _drawn(self, edge: str) -> tuple[str, str]:
        now = self.clock.now
        self.calls[edge] += 1
        if self.crash_at is not None and (edge, self.calls[edge]) == self.crash_at[:2]:
            self.count("crash")
            return "crash", f"crash {self.crash_at[2]}"
        for name, start, end in self.down:
            if DOWN[name] == edge and start <= now < end:
                self.count(name)
                return name, "before"
        faults = self._by_edge.get(edge)
        if not faults or not self.since <= now < self.until:
            return "", ""
        drawn = self.rng.random()
        for rate, name, moment in faults:
            if drawn < rate:
                if moment.startswith("crash"):
                    if self.crashes >= MOST_CRASHES:
                        return "", ""
                    self.crashes += 1
                if moment != "false":
                    self.count(name)
                return name, moment
            drawn -= rate
        return "", ""
