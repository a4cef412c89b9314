"""The succession of bundles in a head: when a new one takes effect, and when an old one is given up."""

from __future__ import annotations

import gc
from dataclasses import replace
from math import inf
from typing import Any
from weakref import ref

from consumer.lane.rollout import Rollout
from consumer.state.head import ActiveBundle, Head
from consumer.state.succession import NEEDED_S, still_needed, with_rollout
from reporting.health.state import DeviceHealth
from scoring.bundle import Bundle
from scoring.succession import Succession
from window.samples import Names


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


def test_a_running_lane_changes_over_as_a_restart_from_the_same_head_would(plain_bundle: Bundle) -> None:
    """The head and the succession that scores say the same, also of a device with a wrong clock; another cut changes
    nothing more."""
    devices = Names()
    bundles, other = Succession(plain_bundle), replace(plain_bundle, id="b")
    health = {"ahead": DeviceHealth(last=1000.0, skew_s=3600.0)}
    written = head(ActiveBundle(plain_bundle.id), watermark=1000.0, newest=1021.0, health=health)
    rollout = Rollout(bundles, devices)
    assert rollout.activate(written, -inf) is written
    rollout.offer(other)
    turned = rollout.activate(written, -inf)
    assert turned.bundles == with_rollout(written, "b")
    assert turned.bundle == "b"
    ahead = devices.code("ahead")
    assert [bundles.at(1, ts).id for ts in (1079.9, 1080.0)] == [plain_bundle.id, "b"]
    assert [bundles.at(ahead, ts).id for ts in (4799.0, 4800.0)] == [plain_bundle.id, "b"]
    assert rollout.activate(turned, -inf) is turned
    rollout.offer(None)
    assert rollout.activate(turned, -inf) is turned


def test_the_old_bundle_stays_loaded_as_long_as_a_sample_may_need_it(plain_bundle: Bundle) -> None:
    """And no longer: a worker may run for years."""
    first, other = replace(plain_bundle, id="a"), replace(plain_bundle, id="b")
    bundles, gone = Succession(first), ref(first)
    rollout = Rollout(bundles, Names())
    rollout.offer(other)
    turned = rollout.activate(head(ActiveBundle("a"), watermark=1000.0), -inf)
    del first
    still = rollout.activate(turned, 1020.0 + NEEDED_S - 1.0)
    gc.collect()
    assert gone() is not None
    assert [each.id for each in bundles.bundles] == ["a", "b"]
    assert rollout.activate(still, 1020.0 + NEEDED_S).bundles == [ActiveBundle("b")]
    gc.collect()
    assert gone() is None
    assert [each.id for each in bundles.bundles] == ["b"]
