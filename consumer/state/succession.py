"""Which bundle is active from when on: the ``bundles`` of a head, oldest first (rule 17)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import floor, inf

from consumer.state.head import ActiveBundle, Head
from reporting.health.clock import SKEW_WITHIN_S
from reporting.keys import MINUTE_S
from scoring.bundle import Bundle
from scoring.succession import Change
from window.samples import Names

NEEDED_S = 3600.0
"""This long after a rollout no sample from before it is scored: samples are late after 25 minutes, windows retain 37,
and a forced release runs 20 ahead. If a bundle is dropped earlier, a sample is scored with the wrong one."""
OWN_S = SKEW_WITHIN_S + 2.0
"""A wrong clock may differ this much from its known skew. The 2 s are slack: the skew comes from creation times, which
have whole seconds."""


def with_rollout(head: Head, bundle: str) -> list[ActiveBundle]:
    """The head's bundles with the rollout of ``bundle``: at a take-over, or while the lane runs.

    It becomes active at the first full minute after the watermark and after every scored sample. Otherwise a sample
    that was published would be scored again with another bundle. It replaces a bundle that is not active by then.
    """
    if head.watermark is None:
        return [ActiveBundle(bundle)]  # nothing was ever scored
    before = head.bundles or [ActiveBundle(head.bundle)]
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
    return [*kept, ActiveBundle(bundle, since, own)]


def still_needed(bundles: Sequence[ActiveBundle], watermark: float) -> list[ActiveBundle]:
    """The bundles that a sample may still need, if nothing from before ``watermark`` is re-read."""
    first = max(
        (n for n, each in enumerate(bundles) if each.since is not None and each.since + NEEDED_S <= watermark),
        default=0,
    )
    return [ActiveBundle(bundles[first].bundle), *bundles[first + 1 :]] if first else list(bundles)


def resolve_bundles(
    bundle: Callable[[str], Bundle], active: Sequence[ActiveBundle], devices: Names
) -> tuple[Bundle, list[Change]]:
    """The bundles of a head as a `Succession` takes them. ``bundle`` gives one by its id."""
    first, *changes = active
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
