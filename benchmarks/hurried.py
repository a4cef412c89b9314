"""The worker whose charts are due once, at a moment that is named: ``python -m benchmarks.hurried EPOCH_S``."""

from __future__ import annotations

import sys

from consumer.outgoing import chart_schedule
from consumer.worker.assembly import run

if __name__ == "__main__":
    # Charts are due at multiples of it: the first one is that moment, the second lies in the next century.
    chart_schedule.EVERY_S = float(sys.argv[1])
    sys.exit(run())
