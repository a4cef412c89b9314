"""Another bundle in a running lane: the same as a restart, and the old one is given up."""

from __future__ import annotations

import gc
from dataclasses import replace
from math import inf
from typing import Any
from weakref import ref

from consumer.lane.rollout import Rollout
from consumer.state.head import ActiveBundle, Head
from consumer.state.succession import NEEDED_S, with_rollout
from reporting.health.state import DeviceHealth
from scoring.bundle import Bundle
from scoring.succession import Succession
from window.samples import Names


def head(*bundles: ActiveBundle, **more: Any) -> Head:
    return Head(lane="table", owner="me", bundle=bundles[-1].bundle, bundles=list(bundles), **more)


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
