"""Which bundle scores a lane's samples from when on: the succession in its head (rule 17)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import floor, inf
from typing import TYPE_CHECKING

import structlog

from reporting.health.watch import SKEW_WITHIN_S
from reporting.keys import MINUTE_S
from scoring.bundle import Bundle
from scoring.succession import Change, Succession
from window.samples import Names

if TYPE_CHECKING:
    from consumer.state.store import Head

NEEDED_S = 3600.0
"""So long after a change nothing is scored that lies before it: samples are late after 25 minutes, windows retain 32, a
forced release runs 20 ahead."""
OWN_S = SKEW_WITHIN_S + 2.0
"""A clock known to be wrong may differ by as much from what is known of it; the table's own clock has whole seconds."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class InForce:
    """A bundle, by its id, and since when it scores: event time, epoch seconds, None for the first. ``own``: the same
    by device, on the clock of each that is known to be wrong."""

    bundle: str
    since: float | None = None
    own: dict[str, float] = field(default_factory=dict)


def succeed(head: Head, bundle: str) -> list[InForce]:
    """The succession once a worker with ``bundle`` has taken the lane, or has found that bundle while it had it.

    The bundle takes effect at the first full minute after the watermark and after every sample that was scored, so
    nothing is told otherwise than it was. A change that has not taken effect by then gives way to it.
    """
    if head.watermark is None:
        return [InForce(bundle)]  # nothing was ever scored
    before = head.bundles or [InForce(head.bundle)]
    if before[-1].bundle == bundle:
        return before
    since = _minute_after(max(head.watermark, -inf if head.newest is None else head.newest))
    kept = [each for each in before if each.since is None or each.since < since]
    if kept[-1].bundle == bundle:
        return kept
    own = {
        device: _minute_after(max(since, health.last) + health.skew_s + OWN_S)
        for device, health in head.health.items()
        if health.skew_s is not None
    }
    return [*kept, InForce(bundle, since, own)]


def needed(bundles: Sequence[InForce], watermark: float) -> list[InForce]:
    """The succession without what no sample needs any more, once nothing from before ``watermark`` is read again."""
    first = max(
        (n for n, each in enumerate(bundles) if each.since is not None and each.since + NEEDED_S <= watermark),
        default=0,
    )
    return [InForce(bundles[first].bundle), *bundles[first + 1 :]] if first else list(bundles)


def loaded(bundle: Callable[[str], Bundle], in_force: Sequence[InForce], devices: Names) -> tuple[Bundle, list[Change]]:
    """What a head says, for a `Succession`. ``bundle`` gives one by its id."""
    first, *changes = in_force
    return bundle(first.bundle), [
        Change(
            bundle(each.bundle),
            -inf if each.since is None else each.since,
            {devices.code(device): since for device, since in each.own.items()},
        )
        for each in changes
    ]


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
        self._bundles.become(*loaded(known.__getitem__, bundles, self._devices))
        return head.model_copy(update={"bundle": bundles[-1].bundle, "bundles": bundles})


def _minute_after(at: float) -> float:
    return (floor(at / MINUTE_S) + 1) * MINUTE_S
