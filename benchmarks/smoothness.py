"""How long the lane's thread is away at most, with a thousand devices: the worker with its threads, in memory."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from statistics import median
from typing import Any
from unittest.mock import patch

from benchmarks.charges import PAGE, Charges, names
from benchmarks.child import Child
from benchmarks.engine import Engine
from benchmarks.figures import Found, Measured
from benchmarks.full_windows import multiplied, watched
from benchmarks.tape import Tape
from consumer.outgoing import chart_schedule
from consumer.stream.direct import DirectSource
from consumer.worker.worker import Worker

NAMES = ("stall_ms_1000dev", "gc_pause_ms")
DEVICES, SHARE = 1000, 0.01
SECONDS = 75.0
"""Snapshots are due every 60 s: a first and a second one."""
SETTING_UP_S = 60.0
CHARTS_AFTER_S = 25.0
"""Charts are due once in the run, all of them."""


def measure(wanted: set[str], say: Callable[[str], None]) -> Found:
    """The longest turn and the longest collection of one run."""
    say(f"{DEVICES:,} devices at 1 Hz for {SECONDS:.0f} s")
    with Child(run) as child:
        turns_ms, pauses_ms, behind_s = child.heard()
    turns = sorted(turns_ms, reverse=True)
    (longest, on_processor), others = turns[0], [ms for ms, _ in turns[1:]]
    note = f"{on_processor:,.0f} of them on the processor; then {', '.join(f'{ms:,.0f}' for ms in others[:3])}; "
    note += f"median of {len(turns):,} turns {median(others):,.0f}; {behind_s:.1f} s behind at the end; charts due once"
    found = {
        NAMES[0]: Measured(longest, note),
        NAMES[1]: Measured(max(pauses_ms, default=0.0), f"{len(pauses_ms)} collections"),
    }
    return {name: found[name] for name in wanted}


def run(pipe: Connection) -> None:
    """A live run from full windows, each second's records as they come."""
    devices = names(DEVICES)
    objects, second = watched(devices[0])
    now = int(time.time())
    objects = multiplied(objects, devices, later_s=float(now - second))
    records = Charges(devices, now, SHARE).records(DEVICES * int(SECONDS + SETTING_UP_S))
    read = 0

    def refill() -> list[bytes]:
        nonlocal read
        page = records[read : min(read + PAGE, DEVICES * (int(time.time()) + 1 - now))]
        read += len(page)
        return page

    turns, pauses = Stopwatch(), Collections()
    behind_s: list[float] = []
    with (
        patch.object(chart_schedule, "EVERY_S", time.time() + CHARTS_AFTER_S),
        patch.object(Worker, "turn", turns.around(Worker.turn)),
        patch.object(DirectSource, "poll", turns.left_out(DirectSource.poll)),
    ):
        engine = Engine(Tape(refill), objects=objects, stepped=False)
        stop = threading.Event()

        def end() -> None:
            behind_s.append(time.time() - engine.watermark)
            stop.set()

        threading.Timer(SECONDS, end).start()
        gc.callbacks.append(pauses)
        engine.worker.run(stop)
        gc.callbacks.remove(pauses)
    pipe.send((turns.ms, pauses.ms, behind_s[0]))


class Stopwatch:
    """The times of a call, without what it waited in another: by the clock, and of its thread on the processor. Both
    calls are made by one thread."""

    def __init__(self) -> None:
        self.ms: list[tuple[float, float]] = []
        self._left_out_s = 0.0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call that is timed."""

        def timed(*args: Any) -> Any:
            self._left_out_s, begin, processor = 0.0, time.perf_counter(), time.thread_time()
            try:
                return call(*args)
            finally:
                elapsed_s = time.perf_counter() - begin - self._left_out_s
                self.ms.append((elapsed_s * 1000, (time.thread_time() - processor) * 1000))

        return timed

    def left_out(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call in it that does not count."""

        def timed(*args: Any) -> Any:
            begin = time.perf_counter()
            try:
                return call(*args)
            finally:
                self._left_out_s += time.perf_counter() - begin

        return timed


class Collections:
    """A callback of the garbage collector: the times of its collections."""

    def __init__(self) -> None:
        self.ms: list[float] = []
        self._began = 0.0

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self.ms.append((time.perf_counter() - self._began) * 1000)
