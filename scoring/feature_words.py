"""The features in a technician's words: for `explain`, not for messages."""

from __future__ import annotations

from window.features import ROLLING

_LAST = f"over the last {ROLLING} samples"
WORDS = {
    "current": ("current", "A"),
    "temperature": ("temperature", "°C"),
    "current_roll_mean": (f"mean of the current {_LAST}", "A"),
    "current_roll_std": (f"scatter of the current {_LAST}", "A"),
    "current_roll_min": (f"lowest current {_LAST}", "A"),
    "current_roll_max": (f"highest current {_LAST}", "A"),
    "temp_roll_mean": (f"mean of the temperature {_LAST}", "°C"),
    "temp_roll_std": (f"scatter of the temperature {_LAST}", "°C"),
    "current_rate": ("change of the current", "A/s"),
    "temp_rate": ("change of the temperature", "°C/s"),
    "current_lag1": ("previous current", "A"),
    "temp_lag1": ("previous temperature", "°C"),
    "current_temp_ratio": ("current by temperature", "A/°C"),
    "current_temp_product": ("current times temperature", "A °C"),
}
"""The features in a technician's words, and their units."""
