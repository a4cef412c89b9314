"""Where records come from: the Source contract, the direct reader, decoding. Imports errors, window; no lane."""
