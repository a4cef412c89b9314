"""Mutes in the bucket: stored by a command, watched by the worker. Imports reporting, stream, errors and aws."""
