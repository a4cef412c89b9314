"""From the table to the topic with several shards: the simulator's worker, in virtual time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from benchmarks.child import Child
from benchmarks.figures import Found, Measured, percentile

NAMES = ("put_to_message_4shards_s_p50",)
SHARDS, SECONDS, STRANGE_EVERY_S = 4, 180, 5
BEGIN = 1_700_000_000.0
TESTS = Path(__file__).resolve().parent.parent / "tests"


def measure(wanted: set[str], say: Callable[[str], None]) -> Found:
    """The median over all messages about samples."""
    say(f"{SHARDS} shards at 1 Hz in virtual time")
    with Child(play) as child:
        waited = child.heard()
    note = f"{len(waited)} messages; {min(waited):.1f} to {max(waited):.1f} s; records are readable after 0 to 0.3 s"
    return {NAMES[0]: Measured(percentile(waited, 0.5), note)}


def play(pipe: Connection) -> None:
    """One device that writes once a second to a table keyed by time, which scatters it over all shards."""
    sys.path[:0] = [str(TESTS / "simulation"), str(TESTS)]  # the simulator, and the twins that all tests share
    import orjson
    import sim_world
    from sim_bundle import NORMAL_A, NORMAL_C, arithmetic_bundle
    from sim_pace import Pace
    from sim_plan import Plan
    from sim_script import Write, graph, script

    from consumer.stream.page_reader import POLL_S
    from consumer.worker.worker import TICK_S

    rng = Random(7)
    writes = []
    for second in range(SECONDS):
        ts = str(int(BEGIN) + second)
        strange = second > SECONDS / 6 and second % STRANGE_EVERY_S == 0
        values = {"current": {"N": str(NORMAL_A + 6.0 * strange)}, "temperature": {"N": str(NORMAL_C)}}
        image = {"ts": {"N": ts}, **values}
        writes.append(Write(BEGIN + second + rng.uniform(0.0, 0.2), "INSERT", {"ts": image["ts"]}, image, "scored", ts))
    sim_world.MOST_STEPS = 10**6
    stream = script(rng, writes, graph(rng, shards=SHARDS, begin=BEGIN, end=BEGIN + SECONDS, orphans=False))
    pace = Pace(poll_s=POLL_S, tick_s=TICK_S)
    plan = Plan(begins=BEGIN - 40.0, calm_until=BEGIN, start="latest", pace=pace)
    world = sim_world.World(stream, arithmetic_bundle(), plan, seed=7)
    world.run(until=lambda world: world.clock.now > BEGIN + SECONDS + 60.0)
    put = {float(write.keys["ts"]["N"]): write.written for write in writes}
    waited: dict[float, float] = {}
    for heard in world.edges.subscriber.heard:
        event = orjson.loads(heard.body)
        if event["type"] == "anomaly.sample":
            waited.setdefault(event["data"]["ts"], heard.at - put[event["data"]["ts"]])
    pipe.send([*waited.values()])
