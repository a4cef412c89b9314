"""Checks for another bundle on a thread of its own: loading takes tenths of a second and may block."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from consumer.errors import Retry
from consumer.state.head import Refusal
from scoring.bundle import Bundle, BundleError, UnfinishedError

PATIENT_LOOKS = 3
"""A bundle that is unfinished in the same way at this many checks in a row is no copy in progress: it is refused."""
MOST_SAID = 1000
"""Most characters of a reason: hundreds of faults do not belong into a message."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Offer:
    """The result of the last check. ``bundle``: verified and stored beside the state; None if there is none to use,
    then the active bundle stays. ``refused``: what lies there instead."""

    bundle: Bundle | None
    refused: Refusal | None = None


class Location(Protocol):
    """Where bundles come from: `consumer.bundles.location.BundleSource`, or its twin in tests."""

    where: str

    def named(self) -> str:
        """The id of the bundle there, unverified. Raises `BundleError` and `Retry`."""

    def load(self) -> Bundle:
        """The bundle there, verified. Raises `BundleError` and `Retry`."""


class Store(Protocol):
    """Where a successor finds the bundle: `consumer.bundles.store.BundleStore`."""

    def keep(self, bundle: Bundle) -> None:
        """Store a bundle, unless it is there. Raises `Retry`."""


class KnownBundles(Protocol):
    """How a worker learns of its bundle: from `BundleReader`, or its twin in tests."""

    @property
    def current(self) -> Offer:
        """The result of the last check. Never blocks."""

    def begin(self) -> None:
        """Start to check at intervals."""

    def stop(self) -> None:
        """Stop to check."""


class BundleReader:
    """Checks every ``every_s`` seconds whether the source names another bundle than before, loads it, and stores it.

    ``first``: the bundle that the worker started with. A bad bundle is refused at once, an unfinished one only after
    `PATIENT_LOOKS` checks: somebody may be copying it.
    """

    def __init__(self, source: Location, store: Store, first: Bundle, *, every_s: float) -> None:
        self._source = source
        self._store = store
        self._last = first
        self._every_s = every_s
        self._offer = Offer(first)
        self._bad: dict[str, str] = {}
        self._unfinished = ("", 0)
        self._failing = False
        self._looking = threading.Lock()
        self._stop = threading.Event()

    @property
    def current(self) -> Offer:
        """See `KnownBundles`."""
        return self._offer

    def begin(self) -> None:
        """See `KnownBundles`."""
        threading.Thread(target=self._run, name="bundles", daemon=True).start()

    def stop(self) -> None:
        """See `KnownBundles`."""
        self._stop.set()

    def look(self) -> Offer:
        """Check now. Raises nothing."""
        with self._looking:
            try:
                found = self._found()
            except Retry as error:
                self._fail(str(error))
            except BundleError as error:
                self._wrong(error)
            except Exception as error:
                # Catch everything: if this thread dies, no new bundle is ever found.
                log.exception("looking for a bundle failed, will retry")
                self._fail(repr(error))
            else:
                self._unfinished, self._failing = ("", 0), False
                self._offer = Offer(found)
            return self._offer

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self.look()

    def _found(self) -> Bundle:
        """The bundle there, stored. Raises `BundleError` and `Retry`."""
        name = self._source.named()
        if name != self._last.id:
            if name in self._bad:
                raise BundleError(self._bad[name])
            try:
                bundle = self._source.load()
            except UnfinishedError:
                raise
            except BundleError as error:
                # Its files are those of its manifest, so it will not get better. Do not load it again.
                self._bad = {name: str(error)}
                raise
            log.info("another bundle", bundle=bundle.id, at=self._source.where)
            self._last = bundle
        self._store.keep(self._last)
        return self._last

    def _fail(self, reason: str) -> None:
        if not self._failing:
            log.warning("the bundle cannot be looked for, will retry", at=self._source.where, error=reason)
        self._failing = True
        self._offer = replace(self._offer, bundle=None)

    def _wrong(self, error: BundleError) -> None:
        self._failing = False
        reason = str(error)[:MOST_SAID]
        if isinstance(error, UnfinishedError):
            before, looks = self._unfinished
            looks = looks + 1 if reason == before else 1
            self._unfinished = (reason, looks)
            if looks < PATIENT_LOOKS:
                log.info("the bundle is not whole, will look again", at=self._source.where, fault=reason)
                self._offer = replace(self._offer, bundle=None)
                return
        refused = Refusal(self._name(), reason)
        if refused != self._offer.refused:
            log.error("bundle refused, the one in force goes on", bundle=refused.bundle, reason=reason)
        self._offer = Offer(None, refused)

    def _name(self) -> str:
        try:
            return self._source.named()
        except (BundleError, Retry):
            return self._source.where
