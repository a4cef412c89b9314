"""Why no records come."""

from __future__ import annotations

import pytest

from consumer.stream.trouble import OUT_OF_REACH_S, TROUBLE_AFTER_S, Trouble


class Clock:
    """Seconds that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Stands at 1000 s."""
    return Clock()


def test_a_refusal_is_said_until_the_same_is_answered(clock: Clock) -> None:
    """Another shard's answer does not end it. The first of several is said."""
    trouble = Trouble(clock)
    trouble.refused("a", "access to a denied")
    trouble.refused("", "listing denied")
    trouble.answered("b")
    assert str(trouble) == "access to a denied"
    trouble.answered("a")
    assert str(trouble) == "listing denied"
    trouble.answered("")
    assert str(trouble) == ""


def test_a_fault_that_may_pass_is_said_after_a_minute(clock: Clock) -> None:
    """Behind what needs a person; where nothing answers at all it is named too."""
    trouble = Trouble(clock)
    trouble.failed("a", "shard a is throttled", TROUBLE_AFTER_S - 1.0)
    assert str(trouble) == ""
    trouble.failed("a", "shard a is throttled", TROUBLE_AFTER_S)
    assert str(trouble) == "shard a is throttled"
    clock.now += OUT_OF_REACH_S + 5.0
    assert str(trouble) == "the stream has not answered for 65 s (shard a is throttled)"
    trouble.refused("b", "access to b denied")
    assert str(trouble) == "access to b denied"
    trouble.answered("b")
    assert str(trouble) == "shard a is throttled"
    trouble.answered("a")
    assert str(trouble) == ""


def test_a_shard_that_is_gone_is_nobodys_trouble(clock: Clock) -> None:
    """It will never answer. One that refused nothing may be forgotten too."""
    trouble = Trouble(clock)
    trouble.refused("a", "access denied")
    trouble.forget("a")
    trouble.forget("b")
    assert str(trouble) == ""


def test_a_stream_that_does_not_answer_for_a_minute_is_out_of_reach(clock: Clock) -> None:
    """From the beginning on, and again from the last answer on."""
    trouble = Trouble(clock)
    clock.now += OUT_OF_REACH_S
    assert str(trouble) == ""
    clock.now += 1.0
    assert str(trouble) == "the stream has not answered for 61 s"
    trouble.answered("a")
    assert str(trouble) == ""


def test_a_stream_that_is_over_is_said_before_all_else(clock: Clock) -> None:
    """Nothing of it can be put right by a right."""
    trouble = Trouble(clock)
    trouble.refused("a", "access denied")
    trouble.ended = "the stream is read to its end"
    assert str(trouble) == "the stream is read to its end"
