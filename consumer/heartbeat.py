"""How often an owner writes a heartbeat, and when a stand-by may take its lane over (rule 13)."""

from __future__ import annotations

import time

TAKE_OVER_S = 15.0
"""By default. A stand-by that has seen an owner write nothing for so long takes its lane."""
HEARTBEATS = 3
"""Heartbeats within that time: one may be late and one lost before a healthy owner loses its lane."""
HEARTBEAT_S = TAKE_OVER_S / HEARTBEATS


def steady_s() -> float:
    """Seconds of a clock that never jumps and that all processes of one machine share; where the system can, it runs on
    while the machine sleeps. For intervals and ages."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


def heartbeat_s(take_over_s: float) -> float:
    """The seconds between two heartbeats."""
    return take_over_s / HEARTBEATS
