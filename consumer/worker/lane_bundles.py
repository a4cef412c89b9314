"""The bundles of a worker's lanes: its own, and older ones that a sample may still need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from weakref import WeakValueDictionary

import structlog

from consumer.state.head import Head
from consumer.state.succession import resolve_bundles
from scoring.bundle import Bundle
from scoring.succession import Succession
from window.samples import Names

log = structlog.get_logger(__name__)


class StoredBundles(Protocol):
    """Bundles stored beside the state: `consumer.bundles.store.BundleStore`, or its twin in tests."""

    def keep(self, bundle: Bundle) -> None:
        """Store a bundle, unless it is stored already. Raises `Retry`."""

    def load(self, bundle_id: str) -> Bundle:
        """A stored bundle. Raises `Retry`, and `ConfigurationError` if it is missing or damaged."""


class LaneBundles:
    """Gives each lane the bundles that its head names.

    ``own``: the worker's bundle; `replace` sets another one for lanes that are opened later. ``resolve_bundle`` gives
    the bundle that is active when the table is taken over; None: that is unknown, and the table's head decides.
    """

    def __init__(
        self, own: Bundle, stored: StoredBundles, resolve_bundle: Callable[[], Bundle | None] | None = None
    ) -> None:
        self._own = own
        self._stored = stored
        self._resolve = resolve_bundle or (lambda: own)
        self._loaded: WeakValueDictionary[str, Bundle] = WeakValueDictionary()  # until no lane uses it
        self._at_hand: list[Bundle] = []

    def replace(self, bundle: Bundle) -> None:
        """Use this bundle, which is stored already, for lanes that are opened from now on."""
        self._own = bundle

    @property
    def own_id(self) -> str:
        """The id of the worker's bundle."""
        return self._own.id

    def for_table(self, head: Head | None) -> str:
        """The id of the bundle to take the table with. A worker that stood by for days may have an old bundle. It must
        not undo a rollout of the last owner."""
        found = self._resolve()
        if found is not None:
            self._own = found
        elif head is not None:
            self._own = self._load(head.bundle)
        return self._own.id

    def prepare(self, head: Head) -> None:
        """Call it before a head with this worker's bundle is written. It stores the bundle for a successor and loads
        the older ones, so a worker that lacks one never takes the lane. Raises `Retry` and `ConfigurationError`."""
        self._stored.keep(self._own)
        self._at_hand = [self._load(each.bundle) for each in head.bundles]

    def succession(self, head: Head, devices: Names) -> Succession:
        """The bundles of a head, each with the time from which on it is active."""
        first, *changes = head.bundles
        for each in changes:
            log.info("bundle", lane=head.lane, bundle=each.bundle, since=each.since)
            if self._load(each.bundle).config.plausible != self._load(first.bundle).config.plausible:
                log.warning("the bundles' plausible ranges differ: a record goes by whoever reads it", lane=head.lane)
        return Succession(*resolve_bundles(self._load, head.bundles, devices))

    def _load(self, bundle_id: str) -> Bundle:
        bundle = self._own if bundle_id == self._own.id else self._loaded.get(bundle_id)
        if bundle is None:
            bundle = self._stored.load(bundle_id)
        self._loaded[bundle_id] = bundle
        return bundle
