"""Runs the whole product on a laptop: an embedded AWS, a simulated charger, the worker."""
