"""From PutItem to the message in a subscriber's hands: one shard, one sample a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from random import Random

from benchmarks.charges import HOT_C, reading
from benchmarks.child import Child
from benchmarks.emulated import Running, embedded
from benchmarks.figures import Found, Measured, percentile
from demo.listener import Listener
from demo.world import World

NAMES = ("put_to_message_ms_p50", "put_to_message_ms_p99")
SECONDS, QUIET_S, HOT_EVERY_S = 45, 10, 2
LAST_S = 5.0
STEP_S = 0.1
"""The writer's second is up to so much longer or shorter: else all puts might meet the reader at the same moment."""


def measure(wanted: set[str], say: Callable[[str], None]) -> Found:
    """Median and 99th percentile over all messages about samples."""
    say(f"put to message, {SECONDS} s at 1 Hz")
    with Child(play) as child:
        waited = child.heard()
    note = f"{len(waited)} messages, {min(waited):.0f} to {max(waited):.0f} ms"
    return {
        name: Measured(percentile(waited, share), note)
        for name, share in zip(NAMES, (0.5, 0.99), strict=True)
        if name in wanted
    }


def play(pipe: Connection) -> None:
    """Every second sample is an anomaly, and told by itself."""
    rng = Random(7)
    put: dict[float, float] = {}
    with embedded(PUBLISH="samples") as aws, Running(aws), Listener(aws.world) as listener:
        due, begin = time.monotonic(), int(time.time())
        for second in range(SECONDS):
            due += 1.0
            time.sleep(max(0.0, due + rng.uniform(-STEP_S, STEP_S) - time.monotonic()))
            ts = float(begin + second)
            current_a, temperature_c = reading(second, 0)
            hot = second >= QUIET_S and second % HOT_EVERY_S == 0
            put[ts] = time.monotonic()
            _put(aws.world, ts, current_a, HOT_C if hot else temperature_c)
        time.sleep(LAST_S)
        messages = listener.take()
    first: dict[float, float] = {}
    for message in messages:
        first.setdefault(message.ts, (message.received_s - put[message.ts]) * 1000)
    pipe.send([*first.values()])


def _put(world: World, ts: float, current_a: float, temperature_c: float) -> None:
    world.put({"ts": {"N": f"{ts:.0f}"}, "current": {"N": str(current_a)}, "temperature": {"N": str(temperature_c)}})
