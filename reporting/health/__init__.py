"""Faults of the watching itself: silence, a stuck sensor, a wrong clock, late samples, a misfit. Pure; imports contract
and message."""
