"""The classes that the ledger counts (rule 20)."""

from __future__ import annotations

CLASSES = (
    *("read", "scored", "duplicate", "late", "quarantined", "ignored"),
    *("backfilled", "lost", "muted", "overwritten"),
)
ACCOUNTED = ("scored", "duplicate", "late", "quarantined", "ignored")
"""Every record that was read is exactly one of these."""
