"""The bundles of a worker's lanes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consumer.errors import ConfigurationError, Retry
from consumer.state.head import ActiveBundle, Head
from consumer.worker.lane_bundles import LaneBundles
from scoring.bundle import Bundle
from window.samples import Names


class Stored:
    """Bundles beside the state; ``loads`` are the ids that were asked for."""

    def __init__(self, *bundles: Bundle) -> None:
        self.bundles = {bundle.id: bundle for bundle in bundles}
        self.loads: list[str] = []
        self.down = False

    def keep(self, bundle: Bundle) -> None:
        if self.down:
            raise Retry("S3 is down")
        self.bundles[bundle.id] = bundle

    def load(self, bundle_id: str) -> Bundle:
        self.loads.append(bundle_id)
        if bundle_id not in self.bundles:
            raise ConfigurationError(f"no bundle {bundle_id}")
        return self.bundles[bundle_id]


def named(bundle: Bundle, name: str) -> Bundle:
    return replace(bundle, id=name)


def head(*ids: str) -> Head:
    bundles = [ActiveBundle(each, None if n == 0 else 60.0 * n) for n, each in enumerate(ids)]
    return Head(lane="table", owner="me", bundle=ids[-1], bundles=bundles)


def test_the_table_is_taken_with_the_bundle_that_is_there_now(plain_bundle: Bundle) -> None:
    """Not with the one that the worker began with: it may have stood by for days."""
    found = named(plain_bundle, "new")
    bundles = LaneBundles(named(plain_bundle, "old"), Stored(), lambda: found)
    assert bundles.for_table(head("other")) == "new"
    assert bundles.own_id == "new"


def test_where_the_bundle_that_is_there_is_not_known_the_head_says(plain_bundle: Bundle) -> None:
    """The worker must not take back what the owner has activated since; without a head its own is all there is."""
    stored = Stored(named(plain_bundle, "active"))
    bundles = LaneBundles(named(plain_bundle, "old"), stored, lambda: None)
    assert bundles.for_table(None) == "old"
    assert bundles.for_table(head("active")) == "active"
    assert bundles.own_id == "active"


def test_before_a_head_names_it_a_bundle_is_stored_and_those_before_it_are_loaded(plain_bundle: Bundle) -> None:
    """A worker that cannot score as the head says never takes the lane."""
    stored = Stored(named(plain_bundle, "old"))
    bundles = LaneBundles(named(plain_bundle, "own"), stored)
    bundles.prepare(head("old", "own"))
    assert set(stored.bundles) == {"old", "own"}
    assert stored.loads == ["old"]
    with pytest.raises(ConfigurationError, match="no bundle missing"):
        bundles.prepare(head("missing", "own"))
    stored.down = True
    with pytest.raises(Retry):
        bundles.prepare(head("own"))


def test_a_succession_has_the_bundles_of_the_head_in_order(plain_bundle: Bundle) -> None:
    """Each is loaded once while a lane scores with it; the worker's own is never loaded."""
    stored = Stored(named(plain_bundle, "old"))
    bundles = LaneBundles(named(plain_bundle, "own"), stored)
    first = bundles.succession(head("old", "own"), Names())
    second = bundles.succession(head("old", "own"), Names())
    assert [[bundle.id for bundle in each.bundles] for each in (first, second)] == [["old", "own"]] * 2
    assert stored.loads == ["old"]


def test_a_lane_that_opens_later_begins_with_the_newest_bundle(plain_bundle: Bundle) -> None:
    """The one that was found while the worker ran."""
    stored = Stored()
    bundles = LaneBundles(named(plain_bundle, "own"), stored)
    bundles.replace(named(plain_bundle, "newer"))
    bundles.prepare(head("newer"))
    assert (bundles.own_id, set(stored.bundles)) == ("newer", {"newer"})
