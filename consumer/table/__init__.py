"""The table itself: history for a gap, scan, export. Imports stream.records, errors, findings and aws."""
