"""A recording scored from end to end: the run, its files, its summary. Imports battery_watch.options and
consumer.offline."""
