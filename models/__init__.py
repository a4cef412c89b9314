"""Trains, converts and evaluates bundles. Offline only: nothing that runs in the worker imports this package."""
