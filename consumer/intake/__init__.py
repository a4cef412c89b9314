"""The way of a record from the source to the merge: shards, credit, gaps, stalls, re-reading. Imports stream and
state."""
