"""How much each health notice matters."""

from __future__ import annotations

from reporting.contract.events import HealthType, SeverityName

SEVERITIES: dict[HealthType, SeverityName] = {
    "health.silence": "high",
    "health.stuck": "high",
    "health.gap": "high",
    "health.lagging": "high",
    "health.clock_skew": "medium",
    "health.quarantine": "medium",
    "health.bundle": "medium",
    "health.misfit": "medium",
    "health.late": "low",
    "health.warming": "low",
}
"""How much a notice matters when it opens; one that closes is always low."""
