"""Activates another bundle in a running lane, from a minute on that the next head has (rule 17)."""

from __future__ import annotations

import structlog

from consumer.state.head import Head
from consumer.state.succession import resolve_bundles, still_needed, with_rollout
from scoring.bundle import Bundle
from scoring.succession import Succession
from window.samples import Names

log = structlog.get_logger(__name__)


class Rollout:
    """Replaces the active bundle at a commit, with the same result as a restart from that commit's head.

    ``bundles``: the bundles that score the lane's samples, oldest first, as its head has them.
    """

    def __init__(self, bundles: Succession, devices: Names) -> None:
        self._bundles = bundles
        self._devices = devices
        self._offered: Bundle | None = None

    def offer(self, bundle: Bundle | None) -> None:
        """Activate this bundle with the next head; None: keep the active one. Store it first: a successor needs it."""
        self._offered = bundle

    def activate(self, head: Head, reread_from: float) -> Head:
        """The head to write, with the offered bundle, and without bundles that no sample needs if nothing below
        ``reread_from`` is re-read. All samples of this commit are scored already; later ones go by this head."""
        bundles = kept = still_needed(head.bundles, reread_from)
        if self._offered is not None and self._offered.id != head.bundle:
            bundles = with_rollout(head.model_copy(update={"bundles": kept}), self._offered.id)
            log.info("bundle", lane=head.lane, bundle=bundles[-1].bundle, since=bundles[-1].since)
            if self._offered.config.plausible != self._bundles.bundles[0].config.plausible:
                log.warning(
                    "the bundles' plausible ranges differ: the new one's holds from a restart on", lane=head.lane
                )
        if bundles == head.bundles:
            return head
        known = {bundle.id: bundle for bundle in (*self._bundles.bundles, self._offered) if bundle is not None}
        self._bundles.replace(*resolve_bundles(known.__getitem__, bundles, self._devices))
        return head.model_copy(update={"bundle": bundles[-1].bundle, "bundles": bundles})
