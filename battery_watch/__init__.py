"""The command line. It may import every other package; nothing imports it."""
