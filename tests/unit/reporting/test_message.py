"""A message as it waits in the outbox."""

import pytest

from reporting.message import MAX_BYTES, Message


def message(body: str) -> Message:
    return Message("id", "anomaly.sample", "high", "d", "sample", "urn:s", body, "text")


def test_the_attributes_are_the_five_a_filter_policy_may_name() -> None:
    """SNS allows five keys in a policy."""
    assert message("{}").attributes == {
        "type": "anomaly.sample",
        "severity": "high",
        "device": "d",
        "state": "sample",
        "schema": "urn:s",
    }


@pytest.mark.parametrize("body", ["x" * (MAX_BYTES - 1), "ä" * (MAX_BYTES // 2 - 1)])
def test_a_body_stays_under_32_kib(body: str) -> None:
    """In bytes, not in characters."""
    assert message(body).body == body
    with pytest.raises(ValueError, match="under 32768"):
        message(body + "ä")
