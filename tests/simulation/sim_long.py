"""Long schedules: two thousand records and more. What is buffered, batched and timed is met as it is at work."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from sim_pace import Pace
from sim_plan import Plan
from sim_schedule import CALM, EVERYTHING, FIRST, LOADS, PLANS, Ailments, Schedule, disturbed, nodes_of
from sim_script import graph, script
from sim_uploads import Uploads
from sim_workload import Workload

LEAST = 2000
"""Records in a schedule, at least."""
MOST_STEPS = 400_000


def drawn_long(seed: int, ailments: Ailments = EVERYTHING) -> Schedule:
    """The long schedule of a seed; the same one everywhere. As with the short ones `PLANS` of them share a stream."""
    rng = Random(f"long {seed // PLANS}")
    begin = FIRST + rng.uniform(0.0, 86_400.0)
    lasts_s = rng.choice([1500.0, 3600.0])
    backlog_s = rng.choice([0.0, 0.5, 1.0]) * lasts_s
    live, end = begin + backlog_s, begin + lasts_s
    kinds = ["usual", *(load for load in LOADS if load in ailments.loads)]
    workload = _workload(rng, rng.choice(kinds), begin, live, end)
    shards = graph(
        rng,
        shards=rng.choice([1, 2, 4, 8]),
        begin=begin,
        end=end + 1500.0,
        roll_every_s=rng.choice([lasts_s / 4, lasts_s, 4 * 3600.0]),
        splits=rng.choice([0, 0, 1]),
        orphans=rng.random() < 0.5,
    )
    nodes = nodes_of(Random(f"long nodes {seed // PLANS}"), ailments)
    stream = script(rng, workload.writes(rng), shards, nodes=nodes)
    calm = Plan(begins=live, calm_from=live, calm_until=begin, pace=CALM, most_steps=MOST_STEPS)
    plan = disturbed(f"long {seed}", calm, stream, begin, ailments)
    pace = _pace(Random(f"long pace {seed}"), plan.pace)
    return Schedule(seed, stream, workload, replace(plan, pace=pace), calm)


def _workload(rng: Random, kind: str, begin: float, live: float, end: float) -> Workload | Uploads:
    devices: tuple[str | None, ...] = rng.choice([(None,), ("cell 1",), ("a", "b", "c"), tuple("abcdefgh")])
    if kind != "usual" and rng.random() < 0.5:
        return Uploads(
            begin,
            end,
            devices,
            every_s=rng.choice([1.0, 10.0, 60.0, 300.0, 1200.0]),
            period_s=(end - begin) * len(devices) / (LEAST + rng.randrange(1500)),
            writers=rng.choice([1, 4]) if kind == "uploads" else 1,
            strange=rng.choice([0, 1]),
            device_keyed=kind == "device-keyed",
        )
    disorder = rng.random() < 0.6
    return Workload(
        begin=begin,
        live=live,
        end=end,
        devices=devices,
        offsets_s=tuple(rng.choice([0.0, 0.0, 1.0, 40.0, -3.0, -200.0] if disorder else [0.0]) for _ in devices),
        period_s=(end - begin) * len(devices) / (LEAST + rng.randrange(1500)),
        fraction=True,  # the period is no whole number of seconds: two samples of a second would be one
        delay_s=rng.choice([0.0, 5.0, 300.0, 1600.0]) if disorder else 0.0,
        bursts=rng.choice([0, 1, 2]) if disorder else 0,
        rough_live=disorder and rng.random() < 0.5,
        anomalies=rng.choice([1, 2, 4]),
        modified=rng.choice([0.0, 0.02]) if disorder else 0.0,
        removed=rng.choice([0.0, 0.02]),
        malformed=rng.choice([0.0, 0.01]),
        device_keyed=kind == "device-keyed",
    )


def _pace(rng: Random, pace: Pace) -> Pace:
    """Of a worker that has thousands to read."""
    page = rng.choice([50, 300, 1000])
    poll_s, tick_s = rng.choice([2.0, 5.0]), rng.choice([2.0, 5.0])
    return replace(pace, page=page, credit=rng.choice([2, 8]) * page, poll_s=poll_s, tick_s=tick_s)
