"""A bundle that is found while the worker runs reaches every lane, and a refused one is reported once (rule 17)."""

from __future__ import annotations

from collections.abc import Callable

from consumer.bundles.watcher import KnownBundles
from consumer.worker.lanes import Lanes
from scoring.bundle import Bundle


class BundleRollout:
    """Offers the lanes what was found last. ``replace`` is told of it for lanes that are opened later."""

    def __init__(self, known: KnownBundles, lanes: Lanes, replace: Callable[[Bundle], None]) -> None:
        self._known = known
        self._lanes = lanes
        self._replace = replace

    def begin(self) -> None:
        """Begin to look for other bundles."""
        self._known.begin()

    def stop(self) -> None:
        """Look no more."""
        self._known.stop()

    def turn(self, now: float) -> None:
        """Have every lane score with the bundle that was found, each from a minute of its own head on; the table's lane
        reports one that was refused. ``now``: epoch seconds."""
        offer = self._known.current
        for owned in self._lanes:
            owned.lane.offer(offer.bundle)
        if offer.refused is not None:
            self._lanes.table.lane.refuse(offer.refused, now)
        elif offer.bundle is not None:
            self._replace(offer.bundle)
            if all(owned.lane.scores_with(offer.bundle.id) for owned in self._lanes):
                self._lanes.table.lane.accept(now)
