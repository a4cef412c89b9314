"""A refused bundle is told once, and its end too."""

from __future__ import annotations

from consumer.lane.bundle_notices import BundleNotices
from consumer.state.head import Refusal, Refused

BAD = Refusal("bw-bad", "model.onnx is not the file that was made.")


def test_a_refusal_is_reported_once_and_so_is_its_end() -> None:
    """However often it is met, with what goes on meanwhile."""
    notices = BundleNotices(lane="table")
    assert notices.accept("bw-old", 90.0) == []
    (opened,) = notices.refuse(BAD, "bw-old", 100.0)
    assert notices.refuse(BAD, "bw-old", 101.0) == []
    assert (opened.type, opened.state, opened.at, opened.model) == ("health.bundle", "opened", 100.0, "bw-bad")
    assert opened.summary == "Bundle bw-bad was refused; bw-old stays active. " + BAD.reason
    (closed,) = notices.accept("bw-new", 160.0)
    assert (closed.state, closed.since, closed.until, closed.model) == ("closed", 100.0, 160.0, "bw-new")
    assert notices.accept("bw-new", 161.0) == []


def test_another_refusal_is_reported_too() -> None:
    """Another bundle, or the same for another reason; one good bundle puts an end to all."""
    notices = BundleNotices()
    others = [Refusal("bw-worse", BAD.reason), Refusal("bw-worse", "scaler.json is missing.")]
    told = [notices.refuse(each, "bw-old", 100.0 + n) for n, each in enumerate([BAD, *others])]
    assert [len(each) for each in told] == [1, 1, 1]
    assert len(notices.accept("bw-old", 200.0)) == 1


def test_a_successor_does_not_report_it_again() -> None:
    """It knows from the head what is open."""
    notices = BundleNotices(Refused(100.0, BAD))
    assert notices.refuse(BAD, "bw-old", 300.0) == []
    assert notices.accept("bw-old", 400.0)[0].since == 100.0
