"""The service's time: what idle promises are made in (rule 24). The clock of this host may be wrong, or jump.

Each answer says when the service gave it, in whole seconds (the header `Date`). It left the service before it came
here, and its seconds are cut. So the service's clock is ahead of our monotonic clock by at least `Date` less the time
of arrival. The largest of these bounds over some minutes comes close to the truth, from below.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from consumer.stream.source import Clock

WINDOW_S = 150.0
"""A bound counts for one to two such windows: after that the clocks may have drifted apart."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The moment of a question: on the monotonic clock, and on the clock of this host (epoch seconds)."""

    monotonic_s: float
    clock_s: float


class ServiceTime:
    """Translates moments of this host into the service's time. Any thread may call.

    ``clock``: the host's, epoch seconds. It counts only while no answer has said the service's time.
    ``monotonic``: seconds that never jump.
    """

    def __init__(self, clock: Clock, monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._older: list[float] = []
        self._newer: list[float] = []
        self._since = monotonic()

    def asking(self) -> Asked:
        """Now, before a question."""
        return Asked(self._monotonic(), self._clock())

    def answered(self, served: float | None) -> None:
        """An answer has come now. ``served``: the service's time in it, epoch seconds; None if it says none."""
        if served is None:
            return
        with self._lock:
            now = self._monotonic()
            if now - self._since > WINDOW_S:
                self._older, self._newer, self._since = self._newer, [], now
            self._newer = sorted([*self._newer, served - now])[-2:]

    def at(self, asked: Asked) -> float:
        """The service's time at that moment or a little before, epoch seconds."""
        with self._lock:
            # The second largest: a single answer with a wrong time must not lead to a promise about the future.
            bounds = sorted([*self._older, *self._newer])[-2:]
        return asked.monotonic_s + bounds[0] if bounds else asked.clock_s

    def now(self) -> float:
        """The service's time now, or a little before."""
        return self.at(self.asking())


def served(answer: Any) -> float | None:
    """The service's time in an answer of boto3, epoch seconds, cut to whole ones; None if it says none."""
    try:
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError):
        return None
