"""How often an owner shows that it lives, and when a stand-by may take its lane over (rule 13)."""

from __future__ import annotations

TAKE_OVER_S = 15.0
"""By default: an owner whose heartbeat is older has lost its lane to whoever stands by."""
HEARTBEATS = 3
"""Heartbeats within that time: one may be late and one may be lost."""
HEARTBEAT_S = TAKE_OVER_S / HEARTBEATS


def heartbeat_s(take_over_s: float) -> float:
    """How many seconds lie between two heartbeats."""
    return take_over_s / HEARTBEATS
