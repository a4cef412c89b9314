"""The health of the data, one detector a file: silence, stuck readings, a wrong clock, a misfit; late, quarantined and
overwritten records. Pure; imports contract and message."""
