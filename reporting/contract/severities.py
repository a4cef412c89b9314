"""The four severities of an event, and their numbers."""

from __future__ import annotations

from typing import Literal

SeverityName = Literal["low", "medium", "high", "critical"]
SEVERITY_NUMBERS: dict[str, int] = {"low": 9, "medium": 13, "high": 17, "critical": 21}
"""OpenTelemetry's severity numbers: info, warn, error, fatal."""
