"""The minutes that an outbox may write again."""

from __future__ import annotations

from consumer.outgoing.outbox import REACH_S
from consumer.stream.records import FUTURE_S, LATE_S
from reporting.keys import MINUTE_S
from window.rolling import RETAINED_S


def test_rule_09_the_windows_wholly_hold_the_minute_of_the_latest_sample_that_is_scored() -> None:
    """All in seconds: a sample up to 1,500 late, its device's newest up to 300 ahead, the minute that began up to 60
    before it, and the 360 that its verdict reaches back: the 2,220 that are retained (docs/decisions/0010)."""
    assert RETAINED_S >= LATE_S + FUTURE_S + MINUTE_S + REACH_S
