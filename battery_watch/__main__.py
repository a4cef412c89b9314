"""`python -m battery_watch` is `battery-watch`."""

from battery_watch.cli import main

main()
