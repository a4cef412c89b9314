"""``make bench``: runs the benchmarks, and prints a table or one JSON object."""

from __future__ import annotations

import sys

from benchmarks.run import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
