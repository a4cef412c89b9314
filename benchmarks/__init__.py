"""How fast, small and smooth the worker is, measured beside what else a user could pick: ``python -m benchmarks``."""
