"""How far an anomaly lies beyond the bundle's limits."""

from __future__ import annotations

from enum import IntEnum


class Severity(IntEnum):
    """How far an anomaly lies beyond the bundle's limits; NONE for a sample that is no anomaly."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4
