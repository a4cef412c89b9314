"""Device clocks that are wrong."""

from __future__ import annotations

import pytest
from health_rig import Row, Watched, sample

from window.samples import Kind


def skewed(begin: float, n: int, offset: float, kind: Kind) -> list[Row]:
    return [sample(begin + k * 5.0, 2.0 + k, ts=begin + k * 5.0 + offset, kind=kind) for k in range(n)]


@pytest.mark.parametrize(("offset", "kind", "way"), [(-7200.0, Kind.LATE, "behind"), (3600.0, Kind.FUTURE, "ahead")])
def test_a_clock_that_is_wrong_by_a_constant_is_reported_and_its_samples_are_scored(
    watched: Watched, offset: float, kind: Kind, way: str
) -> None:
    """The monitor must not go blind: from the third sample on that spans ten seconds (decision 3)."""
    watched.feed(*skewed(0, 6, offset, kind))
    assert watched.kinds == [kind, kind] + [Kind.SAMPLE] * 4
    opened = [notice for notice in watched.said if notice.type == "health.clock_skew"]
    assert [(notice.state, notice.at, notice.offset_s) for notice in opened] == [("opened", 10.0, offset)]
    assert f"{abs(offset):.0f} s {way}" in opened[0].summary


def test_a_clock_that_is_right_again_is_reported(watched: Watched) -> None:
    """And its samples were never in doubt."""
    watched.feed(*skewed(0, 4, 3600.0, Kind.FUTURE), sample(30))
    assert watched.kinds[-1] is Kind.SAMPLE
    assert [t for t in watched.told if t[0] == "clock_skew"] == [
        ("clock_skew", "d", "opened", 10),
        ("clock_skew", "d", "closed", 30),
    ]


def test_the_row_from_which_on_a_clock_goes_further_behind_is_named(watched: Watched) -> None:
    """There the window must let go of times that were never true. A clock that goes ahead leaves nothing behind."""
    assert watched.feed(*skewed(0, 4, 3600.0, Kind.FUTURE)).set_back == ()
    assert watched.feed(sample(30), sample(31)).set_back == (0,)
    assert watched.feed(*skewed(40, 4, -7200.0, Kind.LATE)).set_back == (2,)
    assert watched.feed(sample(70)).set_back == ()


def test_an_upload_of_old_samples_is_no_wrong_clock(watched: Watched) -> None:
    """Its offset changes as fast as its samples' times."""
    rows = [sample(1e4 + k / 100, 2.0 + k % 7, ts=1e4 - 7200 + k, kind=Kind.LATE) for k in range(600)]
    watched.feed(*rows)
    assert set(watched.kinds) == {Kind.LATE}
    assert [t for t in watched.told if t[0] == "clock_skew"] == []
