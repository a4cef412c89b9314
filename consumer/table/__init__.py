"""The table itself, beside its stream: history for a gap, scan, export. Imports stream.records, errors and aws."""
