"""A message as it waits in the outbox."""

import pytest

from reporting.message import MAX_BYTES, Message


def message(body: str) -> Message:
    return Message("id", "anomaly.sample", "high", "d", "sample", "urn:s", body, "text")


def test_the_attributes_are_those_that_a_filter_policy_may_name() -> None:
    """SNS allows five keys in a policy."""
    assert message("{}").attributes == {
        "type": "anomaly.sample",
        "severity": "high",
        "filterseverity": "high",
        "device": "d",
        "state": "sample",
        "schema": "urn:s",
    }


@pytest.mark.parametrize(
    ("kind", "severity", "filtered"),
    [
        ("health.silence", "high", "high"),
        ("health.silence", "low", "high"),
        ("health.clock_skew", "low", "medium"),
        ("anomaly.closed", "critical", "critical"),
        ("health.of_later_days", "low", "low"),
    ],
)
def test_an_end_is_filtered_as_its_beginning(kind: str, severity: str, filtered: str) -> None:
    """Also one that an older version has left in the outbox: what is stored does not say it."""
    told = Message("id", kind, severity, "d", "closed", "urn:s", "{}", "text")
    assert (told.attributes["severity"], told.attributes["filterseverity"]) == (severity, filtered)


@pytest.mark.parametrize("body", ["x" * (MAX_BYTES - 1), "ä" * (MAX_BYTES // 2 - 1)])
def test_a_body_stays_under_32_kib(body: str) -> None:
    """In bytes, not in characters."""
    assert message(body).body == body
    with pytest.raises(ValueError, match="under 32768"):
        message(body + "ä")
