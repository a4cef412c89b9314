"""Notices of quarantined records."""

from __future__ import annotations

from health_rig import Watched, sample

from reporting.health.quarantine import QUARANTINE_EVERY_S
from window.samples import Kind


def test_quarantined_records_are_reported_once_an_hour_and_device(watched: Watched) -> None:
    """The objects are all there; this only wakes somebody."""
    broken = [sample(k * 600.0, ts=float("nan"), kind=Kind.MALFORMED) for k in range(13)]
    for row in broken:
        watched.feed(row)
    watched.feed(sample(7300, kind=Kind.IMPLAUSIBLE, device="e"))
    told = [(device, at) for kind, device, _, at in watched.told if kind == "quarantine"]
    assert told == [("d", 0.0), ("d", QUARANTINE_EVERY_S), ("d", 2 * QUARANTINE_EVERY_S), ("e", 7300)]
