"""How a bundle that is found while the worker runs reaches its lanes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from worker_twins import NoBundles

from consumer.bundles.watcher import Offer
from consumer.state.head import Refusal
from consumer.worker.bundle_rollout import BundleRollout


class Lane:
    """Notes what it is told of bundles. ``slow``: it scores with an offered one a turn later."""

    def __init__(self, *, slow: bool = False) -> None:
        self.done: list[Any] = []
        self._slow = slow
        self._offered: list[Any] = []

    def offer(self, bundle: Any) -> None:
        self._offered.append(bundle)
        self.done.append(("offer", bundle and bundle.id))

    def scores_with(self, bundle_id: str) -> bool:
        known = self._offered[:-1] if self._slow else self._offered
        return any(bundle is not None and bundle.id == bundle_id for bundle in known)

    def refuse(self, refusal: Refusal, now: float) -> None:
        self.done.append(("refuse", refusal.bundle, now))

    def accept(self, now: float) -> None:
        self.done.append(("accept", now))


class Rig:
    """Two lanes, the first of which is the table's, and what was found."""

    def __init__(self, *, slow: bool = False) -> None:
        self.table, self.other = Lane(), Lane(slow=slow)
        self.found: Any = NoBundles()
        self.replaced: list[str] = []
        owned = [SimpleNamespace(lane=lane) for lane in (self.table, self.other)]
        self.rollout = BundleRollout(self.found, Owned(owned), lambda bundle: self.replaced.append(bundle.id))  # type: ignore[arg-type]


class Owned(list[Any]):
    """Lanes, the table's first."""

    @property
    def table(self) -> Any:
        """See `consumer.worker.lanes.Lanes`."""
        return self[0]


NEW: Any = SimpleNamespace(id="bw-new")
REFUSAL = Refusal("bw-bad", "its graph is damaged")


def test_where_nothing_was_found_the_active_bundle_goes_on() -> None:
    """The lanes hear that there is no offer, and nothing is reported."""
    rig = Rig()
    rig.rollout.turn(1.0)
    assert rig.table.done == rig.other.done == [("offer", None)]
    assert rig.replaced == []


def test_a_bundle_is_offered_to_every_lane_and_kept_for_those_that_open_later() -> None:
    """Once all of them score with it, an earlier refusal is over."""
    rig = Rig()
    rig.found.current = Offer(NEW)
    rig.rollout.turn(1.0)
    assert rig.other.done == [("offer", "bw-new")]
    assert rig.table.done == [("offer", "bw-new"), ("accept", 1.0)]
    assert rig.replaced == ["bw-new"]


def test_a_refusal_is_over_only_once_every_lane_has_the_new_bundle() -> None:
    """A lane takes it from a minute of its own head on."""
    rig = Rig(slow=True)
    rig.found.current = Offer(NEW)
    rig.rollout.turn(1.0)
    assert ("accept", 1.0) not in rig.table.done
    rig.rollout.turn(2.0)
    assert rig.table.done[-1] == ("accept", 2.0)


def test_a_refused_bundle_is_reported_by_the_tables_lane_alone() -> None:
    """The one before it stays the worker's."""
    rig = Rig()
    rig.found.current = Offer(NEW, REFUSAL)
    rig.rollout.turn(1.0)
    assert rig.table.done == [("offer", "bw-new"), ("refuse", REFUSAL.bundle, 1.0)]
    assert rig.other.done == [("offer", "bw-new")]
    assert rig.replaced == []
