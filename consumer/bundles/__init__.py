"""Model bundles while the worker runs: where one lies, what was stored for a successor, what is new. Imports scoring,
and below it errors and aws."""
