"""When the lane may go on without a shard (rule 7)."""

from math import inf

import pytest

from consumer.intake.stall import ALIVE_S, NEAR_NOW_S, RELEASE_AFTER_S, Stall

ALIVE = 1e9
"""Another lineage has come on."""


def test_a_watermark_that_moves_is_no_stall() -> None:
    """However slowly."""
    stall = Stall()
    for step in range(100):
        assert not stall.may_release(1000.0 + step, ALIVE, 1000.0 + 59.0 * step)
    assert not stall.lagging


@pytest.mark.parametrize(
    ("behind_s", "waited_s", "release", "lagging"),
    [
        (0.0, RELEASE_AFTER_S - 0.1, False, False),
        (0.0, RELEASE_AFTER_S, True, False),
        (NEAR_NOW_S - RELEASE_AFTER_S, RELEASE_AFTER_S, True, False),
        (NEAR_NOW_S - RELEASE_AFTER_S + 0.1, RELEASE_AFTER_S, False, True),
        (1e6, RELEASE_AFTER_S, False, True),
    ],
)
def test_after_a_minute_it_goes_on_if_the_watermark_is_near_now(
    behind_s: float, waited_s: float, release: bool, lagging: bool
) -> None:
    """Within two minutes; beyond that going on would be a guess, and it says that it lags."""
    stall, begin = Stall(), 10_000.0
    assert not stall.may_release(begin - behind_s, ALIVE, begin)
    assert stall.may_release(begin - behind_s, ALIVE, begin + waited_s) is release
    assert stall.lagging is lagging


@pytest.mark.parametrize(("ahead_s", "release"), [(ALIVE_S, True), (ALIVE_S - 0.1, False), (0.0, False)])
def test_where_no_lineage_comes_on_none_is_passed_by(ahead_s: float, release: bool) -> None:
    """The whole stream is out of reach: nothing could be told sooner."""
    stall = Stall()
    stall.may_release(1000.0, 1000.0 + ahead_s, 1000.0)
    assert stall.may_release(1000.0, 1000.0 + ahead_s, 1000.0 + RELEASE_AFTER_S) is release
    assert stall.lagging is not release


def test_a_watermark_that_moves_again_ends_the_lag() -> None:
    """And the minute begins anew."""
    stall = Stall()
    stall.may_release(0.0, ALIVE, 10_000.0)
    stall.may_release(0.0, ALIVE, 10_100.0)
    assert stall.lagging
    assert not stall.may_release(10_099.0, ALIVE, 10_101.0)
    assert not stall.lagging
    assert not stall.may_release(10_099.0, ALIVE, 10_160.9)
    assert stall.may_release(10_099.0, ALIVE, 10_161.0)


def test_time_in_which_nothing_may_be_processed_does_not_count() -> None:
    """A sink is down and the commit is full: no shard is to blame."""
    stall = Stall()
    stall.may_release(1000.0, ALIVE, 1000.0)
    stall.restart_wait(1050.0)
    assert not stall.may_release(1000.0, ALIVE, 1050.0 + RELEASE_AFTER_S - 0.1)
    assert stall.may_release(1000.0, ALIVE, 1050.0 + RELEASE_AFTER_S)


def test_before_the_first_hold_nothing_is_released() -> None:
    """The shard that is not yet read could hold anything."""
    stall = Stall()
    stall.may_release(float("-inf"), ALIVE, 0.0)
    assert not stall.may_release(float("-inf"), ALIVE, 1000.0)
    assert stall.lagging


def test_a_lag_is_reported_once_and_its_end_when_the_watermark_has_moved() -> None:
    """Also by a successor, who knows from the head that it was told."""
    stall, begin = Stall(), 10_000.0
    stall.may_release(begin - 300.0, ALIVE, begin)
    assert stall.notices(begin) == []
    stall.may_release(begin - 300.0, ALIVE, begin + RELEASE_AFTER_S)
    (opened,) = stall.notices(begin + RELEASE_AFTER_S)
    assert (opened.type, opened.state, opened.at) == ("health.lagging", "opened", begin - 300.0)
    assert stall.notices(begin + 100.0) == []
    successor = Stall(stall.reported)
    successor.may_release(begin - 300.0, ALIVE, begin + 200.0)
    assert successor.notices(begin + 200.0) == []
    successor.may_release(begin + 150.0, ALIVE, begin + 210.0)
    (closed,) = successor.notices(begin + 210.0)
    assert (closed.state, closed.since, closed.until) == ("closed", begin - 300.0, begin + 150.0)
    assert successor.notices(begin + 220.0) == []


def test_a_lag_before_the_first_record_is_measured_by_the_clock() -> None:
    """No shard has said anything: there is no watermark to name."""
    stall = Stall()
    stall.may_release(-inf, ALIVE, 10_000.0)
    stall.may_release(-inf, ALIVE, 10_000.0 + RELEASE_AFTER_S)
    assert [notice.at for notice in stall.notices(10_060.0)] == [10_060.0]


def test_a_lag_while_records_are_read_again_is_dated_by_the_last_owners_watermark() -> None:
    """What came before it was told: only later events wait. A lag there had been told, and over, under the same id."""
    stall, before = Stall(), 5_000.0
    stall.may_release(1000.0, ALIVE, 10_000.0)
    assert not stall.may_release(1000.0, ALIVE, 10_000.0 + RELEASE_AFTER_S)
    (opened,) = stall.notices(10_060.0, before)
    assert (opened.at, stall.reported) == (before, before)
    stall.may_release(4_999.0, ALIVE, 10_061.0)
    assert stall.notices(10_061.0, before) == []
    stall.may_release(5_001.0, ALIVE, 10_062.0)
    assert [notice.state for notice in stall.notices(10_062.0, before)] == ["closed"]
