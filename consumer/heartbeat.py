"""How often an owner writes a heartbeat, and when a stand-by may take its lane over (rule 13)."""

from __future__ import annotations

TAKE_OVER_S = 15.0
"""By default. If an owner's heartbeat is older, a stand-by takes its lane."""
HEARTBEATS = 3
"""Heartbeats within that time: one may be late and one lost before a healthy owner loses its lane."""
HEARTBEAT_S = TAKE_OVER_S / HEARTBEATS


def heartbeat_s(take_over_s: float) -> float:
    """The seconds between two heartbeats."""
    return take_over_s / HEARTBEATS
