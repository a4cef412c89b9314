"""The succession of bundles in a head: when a new one takes effect, and when an old one is given up."""

from __future__ import annotations

from typing import Any

from consumer.state.head import ActiveBundle, Head
from consumer.state.succession import NEEDED_S, still_needed, with_rollout
from reporting.health.state import DeviceHealth


def head(*bundles: ActiveBundle, **more: Any) -> Head:
    return Head(lane="table", owner="me", bundle=bundles[-1].bundle, bundles=list(bundles), **more)


def test_before_anything_was_scored_the_first_bundle_is_that_of_the_worker() -> None:
    """There is nothing that another one could have told."""
    assert with_rollout(head(ActiveBundle("a")), "b") == [ActiveBundle("b")]


def test_the_same_bundle_changes_nothing() -> None:
    """Neither alone, nor before or after its minute."""
    for watermark in (61.0, 1000.0):
        for bundles in ([ActiveBundle("b")], [ActiveBundle("a"), ActiveBundle("b", 120.0)]):
            assert with_rollout(head(*bundles, watermark=watermark), "b") == bundles


def test_a_new_bundle_takes_effect_at_the_first_full_minute_after_all_that_was_scored() -> None:
    """The watermark, and a sample whose clock ran ahead of it; one at the very minute is before it."""
    for watermark, newest, since in (
        (61.0, None, 120.0),
        (61.0, 30.0, 120.0),
        (61.0, 120.0, 180.0),
        (59.9, 299.0, 300.0),
    ):
        found = with_rollout(head(ActiveBundle("a"), watermark=watermark, newest=newest), "b")
        assert found == [ActiveBundle("a"), ActiveBundle("b", since)]


def test_a_head_from_before_successions_has_its_bundle_as_the_first() -> None:
    """What it scored stays that one's."""
    old = Head(lane="table", owner="me", bundle="a", watermark=61.0)
    assert with_rollout(old, "b") == [ActiveBundle("a"), ActiveBundle("b", 120.0)]
    assert with_rollout(old, "a") == [ActiveBundle("a")]


def test_a_roll_back_is_a_change_like_any_other() -> None:
    """The minutes in between stay the other bundle's."""
    bundles = [ActiveBundle("a"), ActiveBundle("b", 120.0)]
    assert with_rollout(head(*bundles, watermark=200.0), "a") == [*bundles, ActiveBundle("a", 240.0)]


def test_a_change_that_has_not_taken_effect_gives_way() -> None:
    """To another bundle at the same minute, or to the one that is still in force, as if there had been none."""
    waiting = head(ActiveBundle("a"), ActiveBundle("b", 120.0), watermark=110.0)
    assert with_rollout(waiting, "c") == [ActiveBundle("a"), ActiveBundle("c", 120.0)]
    assert with_rollout(waiting, "a") == [ActiveBundle("a")]
    ahead = waiting.model_copy(update={"newest": 130.0})  # a sample has been scored by it
    assert with_rollout(ahead, "c") == [ActiveBundle("a"), ActiveBundle("b", 120.0), ActiveBundle("c", 180.0)]


def test_a_device_with_a_wrong_clock_has_a_minute_on_its_own_clock() -> None:
    """After everything it can have sent so far, a clock being known to a minute."""
    health = {
        "right": DeviceHealth(last=1000.0),
        "ahead": DeviceHealth(last=1000.0, skew_s=3600.0),
        "behind": DeviceHealth(last=400.0, skew_s=-86_400.0),
    }
    (_, entry) = with_rollout(head(ActiveBundle("a"), watermark=1000.0, health=health), "b")
    assert entry.since == 1020.0
    assert entry.own == {"ahead": 4740.0, "behind": -85_260.0}
    assert entry.own["ahead"] > 1000.0 + 2.0 + 3600.0 + 60.0


def test_a_bundle_is_given_up_once_nothing_is_read_again_from_before() -> None:
    """An hour after the next one's minute, not sooner; the one in force then is the first."""
    bundles = [ActiveBundle("a"), ActiveBundle("b", 600.0, {"d": 5.0}), ActiveBundle("c", 6000.0)]
    assert still_needed(bundles, -1e9) == bundles
    assert still_needed(bundles, 600.0 + NEEDED_S - 1) == bundles
    assert still_needed(bundles, 600.0 + NEEDED_S) == [ActiveBundle("b"), ActiveBundle("c", 6000.0)]
    assert still_needed(bundles, 6000.0 + NEEDED_S) == [ActiveBundle("c")]
    assert still_needed([], 1e9) == []


def test_the_succession_is_kept_in_the_head_as_it_was_written() -> None:
    """And a person can read it."""
    written = head(ActiveBundle("a"), ActiveBundle("b", 120.0, {"d": 3720.0}), newest=61.5)
    text = written.model_dump_json(indent=1, exclude_defaults=True)
    assert Head.model_validate_json(text) == written
    assert '"bundle": "b",' in text
    assert '"since": 120.0' in text
