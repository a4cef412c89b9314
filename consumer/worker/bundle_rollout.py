"""Offers every lane a bundle that was found while the worker runs, and reports a refused one once (rule 17)."""

from __future__ import annotations

from collections.abc import Callable

from consumer.bundles.watcher import KnownBundles
from consumer.worker.lanes import Lanes
from scoring.bundle import Bundle


class BundleRollout:
    """Offers the lanes the bundle that was found last. ``replace`` gets it too, for lanes that are opened later."""

    def __init__(self, known: KnownBundles, lanes: Lanes, replace: Callable[[Bundle], None]) -> None:
        self._known = known
        self._lanes = lanes
        self._replace = replace

    def begin(self) -> None:
        """Start to look for other bundles."""
        self._known.begin()

    def stop(self) -> None:
        """Stop to look for bundles."""
        self._known.stop()

    def turn(self, now: float) -> None:
        """Offer the bundle to every lane; each activates it from a minute of its own head on. The table's lane reports
        a refused one. ``now``: epoch seconds."""
        offer = self._known.current
        for owned in self._lanes:
            owned.lane.offer(offer.bundle)
        if offer.refused is not None:
            self._lanes.table.lane.refuse(offer.refused, now)
        elif offer.bundle is not None:
            self._replace(offer.bundle)
            if all(owned.lane.scores_with(offer.bundle.id) for owned in self._lanes):
                self._lanes.table.lane.accept(now)
