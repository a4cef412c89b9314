"""Checks of everything the worker needs, for its start and for `doctor`. Imports stream, bundles, mutes and what lies
below."""
