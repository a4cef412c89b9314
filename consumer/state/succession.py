"""Which bundle scores a lane's samples from when on: the succession in its head (rule 17)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import floor, inf

from consumer.state.head import Head, InForce
from reporting.health.clock import SKEW_WITHIN_S
from reporting.keys import MINUTE_S
from scoring.bundle import Bundle
from scoring.succession import Change
from window.samples import Names

NEEDED_S = 3600.0
"""So long after a change nothing is scored that lies before it: samples are late after 25 minutes, windows retain 32, a
forced release runs 20 ahead."""
OWN_S = SKEW_WITHIN_S + 2.0
"""A clock known to be wrong may differ by as much from what is known of it; the table's own clock has whole seconds."""


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


def _minute_after(at: float) -> float:
    return (floor(at / MINUTE_S) + 1) * MINUTE_S
