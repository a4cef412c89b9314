"""Charts: their data, and how they are drawn in a process of their own. Imports window and the table of detectors."""
