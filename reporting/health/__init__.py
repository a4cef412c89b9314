"""The health of the data, one detector a file: silence, stuck readings, a wrong clock, late and quarantined records, a
misfit. Pure; imports contract and message."""
