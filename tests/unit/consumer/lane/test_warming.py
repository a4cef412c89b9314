"""A first start at the stream's oldest record (rule 18)."""

from __future__ import annotations

from math import inf

from consumer.lane.warming import Warming
from window.rolling import SHOWN_S


def test_it_is_reported_at_the_first_record_and_when_the_windows_are_full() -> None:
    """Once each, at the stamps where it happens."""
    warming = Warming(cold=True)
    assert warming.due == inf
    (opened,) = warming.begin(1000.0)
    assert (opened.type, opened.state, opened.at) == ("health.warming", "opened", 1000.0)
    assert warming.begin(1001.0) == []
    assert warming.due == 1000.0 + SHOWN_S
    (closed,) = warming.fire()
    assert (closed.state, closed.at, closed.since) == ("closed", 1000.0 + SHOWN_S, 1000.0)
    assert warming.due == inf
    assert warming.begin(9999.0) == []


def test_a_successor_goes_on_with_what_the_head_knows() -> None:
    """It begins no second time, and ends once."""
    before = Warming(cold=True)
    before.begin(1000.0)
    successor = Warming(cold=before.cold, since=before.since)
    assert successor.begin(1100.0) == []
    assert successor.due == 1000.0 + SHOWN_S


def test_other_starts_are_not_cold() -> None:
    """They fill their windows from the table, or have them."""
    assert Warming(cold=False).begin(1000.0) == []
