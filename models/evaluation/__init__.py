"""How well a bundle finds faults: injected faults, episodes, baselines, the report. Imports models.data, scoring and
reporting.anomaly."""
