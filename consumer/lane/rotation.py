"""Another bundle is brought into a lane while it runs (rule 17)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from consumer.state.succession import loaded, needed, succeed
from scoring.bundle import Bundle
from scoring.succession import Succession
from window.samples import Names

if TYPE_CHECKING:
    from consumer.state.head import Head

log = structlog.get_logger(__name__)


class Rotation:
    """Brings other bundles into a lane while it runs: at a commit, as a restart from that very head would.

    ``bundles``: the lane's succession, as its head has it.
    """

    def __init__(self, bundles: Succession, devices: Names) -> None:
        self._bundles = bundles
        self._devices = devices
        self._offered: Bundle | None = None

    def offer(self, bundle: Bundle | None) -> None:
        """This one is to be in force; None for whatever is."""
        self._offered = bundle

    def turn(self, head: Head, read_again_from: float) -> Head:
        """The head to be written, with what is offered, and without what nothing needs once no more is read again than
        from there. All that it stands for was scored before; from now on each sample goes by what it says."""
        bundles = kept = needed(head.bundles, read_again_from)
        if self._offered is not None and self._offered.id != head.bundle:
            bundles = succeed(head.model_copy(update={"bundles": kept}), self._offered.id)
            log.info("bundle", lane=head.lane, bundle=bundles[-1].bundle, since=bundles[-1].since)
            if self._offered.config.plausible != self._bundles.bundles[0].config.plausible:
                log.warning(
                    "the bundles' plausible ranges differ: the new one's holds from a restart on", lane=head.lane
                )
        if bundles == head.bundles:
            return head
        known = {bundle.id: bundle for bundle in (*self._bundles.bundles, self._offered) if bundle is not None}
        self._bundles.replace(*loaded(known.__getitem__, bundles, self._devices))
        return head.model_copy(update={"bundle": bundles[-1].bundle, "bundles": bundles})
