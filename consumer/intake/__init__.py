"""What the source delivers, up to the merge: shards, credit, gaps, stalls, what is read again. Imports stream and
state."""
