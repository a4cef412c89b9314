"""Which events are asked for."""

from __future__ import annotations

from typing import Any, get_args

import click
import pytest

from battery_watch.events.filters import LEVELS, EventFilter, EventType
from reporting.contract.severities import SEVERITY_NUMBERS, SeverityName


def event(**attributes: str) -> dict[str, str]:
    return {"type": "anomaly.opened", "severitytext": "high", "subject": "a", **attributes}


def test_the_levels_are_the_contracts() -> None:
    """In its order."""
    assert get_args(SeverityName) == LEVELS
    assert sorted(SEVERITY_NUMBERS, key=lambda name: SEVERITY_NUMBERS[name]) == list(LEVELS)


@pytest.mark.parametrize(
    ("filters", "policy", "words"),
    [
        (EventFilter(), {}, "everything"),
        (EventFilter("low"), {}, "everything"),
        (
            EventFilter("high"),
            {"$or": [{"filterseverity": ["high", "critical"]}, {"severity": ["high", "critical"]}]},
            "severity high or critical",
        ),
        (EventFilter(None, ("a", "rack/7")), {"device": ["a", "rack/7"]}, "device a or rack/7"),
        (
            EventFilter(None, (), ("anomaly.", "health.gap")),
            {"type": [{"prefix": "anomaly."}, "health.gap"]},
            "type anomaly.* or health.gap",
        ),
        (
            EventFilter("critical", ("a",), ("health.",)),
            {
                "$or": [{"filterseverity": ["critical"]}, {"severity": ["critical"]}],
                "device": ["a"],
                "type": [{"prefix": "health."}],
            },
            "severity critical, device a, type health.*",
        ),
    ],
)
def test_options_make_a_filter_policy(filters: EventFilter, policy: dict[str, Any], words: str) -> None:
    """A severity is from that one on; what is not asked for is not filtered by."""
    assert filters.policy() == policy
    assert filters.words() == words


@pytest.mark.parametrize(
    ("filters", "heard"),
    [
        (EventFilter(), True),
        (EventFilter("medium"), True),
        (EventFilter("critical"), False),
        (EventFilter(None, ("b", "a")), True),
        (EventFilter(None, ("b",)), False),
        (EventFilter(None, (), ("anomaly.",)), True),
        (EventFilter(None, (), ("anomaly.opened",)), True),
        (EventFilter(None, (), ("anomaly.open",)), False),
        (EventFilter(None, (), ("health.", "anomaly.closed")), False),
        (EventFilter("high", ("a",), ("anomaly.",)), True),
        (EventFilter("high", ("a",), ("health.",)), False),
    ],
)
def test_an_event_is_wanted_or_not(filters: EventFilter, heard: bool) -> None:
    """By each of the three; a type is a prefix with a dot at its end alone."""
    assert filters.matches(event()) is heard


@pytest.mark.parametrize(
    ("filters", "change", "heard"),
    [
        (EventFilter("high"), {"filterseverity": "high"}, True),
        (EventFilter("high"), {"filterseverity": "medium"}, False),
        (EventFilter("high"), {}, False),
        (EventFilter(), {}, True),
    ],
)
def test_the_end_of_a_notice_is_heard_where_its_beginning_was(
    filters: EventFilter, change: dict[str, str], heard: bool
) -> None:
    """It is low itself. A worker of version 0.1.0 does not say how it began."""
    assert filters.matches(event(type="health.silence", severitytext="low", **change)) is heard


@pytest.mark.parametrize("text", ["anomaly.", "health.", "anomaly.opened", "anomaly.sample", "health.clock_skew"])
def test_a_type_is_taken(text: str) -> None:
    """One of the contract's, or how some of them begin."""
    assert EventType().convert(text, None, None) == text


@pytest.mark.parametrize("text", ["", ".", "anomaly", "anomaly.*", "health.silense", "nothing."])
def test_a_type_that_nothing_has_is_refused(text: str) -> None:
    """With those there are."""
    with pytest.raises(click.BadParameter, match=r"is no type of event: .*health\.silence"):
        EventType().convert(text, None, None)
