"""The service's time from the dates of its answers (rule 24)."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from random import Random

import pytest

from consumer.stream.service_time import WINDOW_S, ServiceTime, served

EPOCH = 1_784_989_500.0


@dataclass
class Host:
    """A host whose clock is ``off_s`` ahead of the service's; its monotonic clock began at 0."""

    off_s: float = 0.0
    now: float = 0.0

    def clock(self) -> float:
        return EPOCH + self.now + self.off_s

    def monotonic(self) -> float:
        return self.now

    def ask(self, time: ServiceTime, latency_s: float, *, wrong_s: float = 0.0) -> float:
        """One question and its answer; returns what the service's time was, less what is said of it."""
        asked, truth = time.asking(), EPOCH + self.now
        self.now += latency_s / 2
        date = float(floor(EPOCH + self.now + wrong_s))
        self.now += latency_s / 2
        time.answered(date)
        return truth - time.at(asked)


@pytest.mark.parametrize("off_s", [-600.0, 0.0, 600.0])
def test_rule_24_whatever_the_hosts_clock_says_a_promise_is_never_ahead_of_the_service(off_s: float) -> None:
    """It is less than two seconds behind at first, and a tenth of a second after a minute of questions."""
    host, rng = Host(off_s), Random(1)
    time = ServiceTime(host.clock, host.monotonic)
    behind = []
    for _ in range(300):
        behind.append(host.ask(time, rng.uniform(0.005, 0.1)))
        host.now += 0.2
    assert all(0.0 <= each < 2.0 for each in behind)
    assert all(each < 0.15 for each in behind[150:])


def test_rule_24_the_hosts_clock_counts_only_while_no_answer_has_said_the_time() -> None:
    """An emulator or a proxy may leave the date out."""
    host = Host(off_s=600.0)
    time = ServiceTime(host.clock, host.monotonic)
    asked = time.asking()
    time.answered(None)
    assert time.at(asked) == EPOCH + 600.0
    time.answered(EPOCH)
    assert time.at(asked) == EPOCH


def test_rule_24_a_clock_that_jumps_moves_no_promise() -> None:
    """Neither forward nor back."""
    host = Host()
    time = ServiceTime(host.clock, host.monotonic)
    for off_s in (0.0, 600.0, -3600.0):
        host.off_s = off_s
        assert 0.0 <= host.ask(time, 0.01) < 2.0
        host.now += 1.0


@pytest.mark.parametrize("wrong", [0, 50])
def test_rule_24_one_answer_with_a_wrong_date_promises_nothing_about_the_future(wrong: int) -> None:
    """Not even the first one, once a second has come."""
    host, rng = Host(), Random(2)
    time = ServiceTime(host.clock, host.monotonic)
    for n in range(100):
        behind = host.ask(time, rng.uniform(0.005, 0.1), wrong_s=600.0 if n == wrong else 0.0)
        host.now += 0.2
        if n:
            assert 0.0 <= behind < 2.0


@pytest.mark.parametrize("drift", [-1e-4, 1e-4])
def test_rule_24_a_drift_is_forgotten(drift: float) -> None:
    """A monotonic clock that loses or gains 9 s a day: after a day the promise is as good as at first."""
    host, rng = Host(), Random(3)
    time = ServiceTime(lambda: EPOCH, lambda: host.now * (1.0 + drift))
    for _ in range(2000):
        behind = host.ask(time, rng.uniform(0.005, 0.1))
        host.now += 43.1
    assert -2 * WINDOW_S * abs(drift) <= behind < 1.5


def test_the_date_is_read_from_the_headers() -> None:
    """As HTTP writes it. Anything else says nothing."""
    answer = {"ResponseMetadata": {"HTTPHeaders": {"date": "Sat, 25 Jul 2026 14:25:00 GMT"}}}
    assert served(answer) == EPOCH
    for odd in ({}, {"ResponseMetadata": {"HTTPHeaders": {"date": "soon"}}}, {"ResponseMetadata": None}, [], None):
        assert served(odd) is None
    assert served({"ResponseMetadata": {"HTTPHeaders": {"date": 7}}}) is None
