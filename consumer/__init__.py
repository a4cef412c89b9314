"""Settings, records, shards, the lane, its state and the worker."""
