"""The command line; the top of the import arrows."""
