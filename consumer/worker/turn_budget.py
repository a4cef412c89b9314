"""What one turn of the loop may take (rule 26): behind it wait the heartbeat, the commits and SIGTERM."""

from __future__ import annotations

import time
from collections.abc import Callable

TURN_CPU_S, TURN_S = 0.25, 1.0
"""The longest turn, in processor time of the loop's thread and by the clock."""
PROCESS_CPU_S, PROCESS_S = 0.4 * TURN_CPU_S, 0.4 * TURN_S
"""After so much of it no lane begins another piece of work. The rest is for the piece that has begun and for the
commit: with 1,000 devices a piece takes up to 60 ms and a commit with a snapshot up to 90 ms (``make bench``,
``backlog_turn_cpu_ms``)."""
Seconds = Callable[[], float]


class TurnBudget:
    """The budget of one turn, for all lanes together: a `consumer.lane.budget.Budget` that begins when it is made."""

    def __init__(self, processor: Seconds = time.thread_time, monotonic: Seconds = time.monotonic) -> None:
        """``processor``, ``monotonic``: processor time of the calling thread and time by the clock, seconds."""
        self._processor = processor
        self._monotonic = monotonic
        self._until_cpu = processor() + PROCESS_CPU_S
        self._until = monotonic() + PROCESS_S

    def __call__(self) -> bool:
        """May another piece of work begin in this turn?"""
        return self._processor() < self._until_cpu and self._monotonic() < self._until
