"""A schedule: a stream, how it is written, and everything that goes wrong, all drawn from one number.

Schedules that follow each other share stream and records, and with them the undisturbed run they are compared to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from sim_clocks import ClockFault
from sim_faults import DOWN, FAULTS, HARDER_FAULTS, LIES, TABLE
from sim_pace import Pace
from sim_plan import Plan
from sim_script import ROLL_EVERY_S, Nodes, Script, graph, script, single
from sim_stream import Weather
from sim_uploads import Uploads
from sim_witness import Witness
from sim_workload import Workload
from sim_world import World

from scoring.bundle import Bundle

FIRST = 1_700_000_000.0
SAMPLES = [8, 12, 20, 40]
"""How many there are in a schedule at most, about: a schedule takes a tenth of a second."""
PLANS = 4
"""So many schedules share a stream. What goes wrong is drawn for each."""

CALM = Pace(poll_s=5.0, tick_s=5.0)
SETTLED_S = 10.0
"""So long after the last trouble a disturbed run goes on at the pace of a calm one."""


@dataclass(frozen=True, slots=True)
class Ailments:
    """What may go wrong in a drawn schedule: names of `FAULTS` and `DOWN`, of `Weather`'s fields, and of `Plan`'s; how
    the types of the messages begin that are compared; names of the fields of `Nodes`; and kinds of workloads besides
    the usual one (`LOADS`), which long schedules have."""

    faults: frozenset[str]
    weather: frozenset[str]
    plan: frozenset[str]
    types: tuple[str, ...] = ("",)
    nodes: frozenset[str] = frozenset()
    loads: frozenset[str] = frozenset()


USUAL = Ailments(
    frozenset({*FAULTS, *DOWN}.difference(HARDER_FAULTS)),
    frozenset(
        {
            "empty_pages",
            "empty_closed",
            "short_pages",
            "trailing",
            "listing_lag_s",
            "endless_listing",
            "empty_listings",
            "holes",
        }
    ),
    frozenset({"kills", "stops", "stalls", "hosts"}),
)
LOADS = ("uploads", "device-keyed")
PERSISTENT = ("stream 5xx", "stream says not found", "stream answers no JSON", "stream answer lacks a key")
"""What a single shard may answer for minutes."""
EVERYTHING = replace(
    USUAL,
    faults=USUAL.faults.union(HARDER_FAULTS),
    weather=USUAL.weather.union({"empty_run", "sick"}),
    plan=USUAL.plan.union({"clocks"}),
    nodes=frozenset({"clock_s", "slow", "undated"}),
    loads=frozenset(LOADS),
)
"""With false answers, clocks, bulk uploads and what else attack has taught. It is drawn apart, so a seed keeps its
other faults; what wants to look at one thing alone takes `replace(USUAL, ...)`."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """``plan`` is the disturbed run, ``calm`` the undisturbed one over the same script."""

    seed: int
    script: Script
    workload: Workload | Uploads
    plan: Plan
    calm: Plan

    @property
    def in_order(self) -> bool:
        """True where every device's samples were written in order of their time, by clocks that are right: those of the
        stream's machines too, as they date what one shard dates with one clock. A record with a time far ahead, set
        aside as it is, takes its shard's stamps with it by as much as rule 3 allows."""
        return not (self.workload.disordered or self.script.ahead or self.script.nodes.clock_s)

    def undisturbed(self, bundle: Bundle) -> World:
        """The run without any trouble."""
        return World(self.script, bundle, self.calm, seed=self.seed, witness=Witness()).run()

    def disturbed(self, bundle: Bundle) -> World:
        """The run with all of it."""
        world = World(self.script, bundle, self.plan, seed=self.seed, witness=Witness())
        settled = max(self.script.ends, self.plan.calm_from) + SETTLED_S
        world.run(until=lambda now: now.clock.now >= settled or now.all_durable())
        # From here on it is a question of time alone: most of a schedule's turns would be idle ones.
        world.plan = replace(self.plan, pace=replace(self.plan.pace, poll_s=CALM.poll_s, tick_s=CALM.tick_s))
        return world.run()

    def over_one_shard(self, bundle: Bundle) -> World:
        """The run without any trouble over the same writes in one shard."""
        alone = single(Random(self.seed), self.script.writes, begin=self.workload.begin)
        return World(alone, bundle, self.calm, seed=self.seed).run()


def drawn(seed: int, ailments: Ailments = EVERYTHING) -> Schedule:
    """The schedule of a seed; the same one everywhere."""
    rng = Random(f"stream {seed // PLANS}")
    backlog_s = rng.choice([0.0, 240.0, 2400.0, 5000.0])
    live_s = rng.choice([5.0, 30.0, 90.0])
    begin = FIRST + rng.uniform(0.0, 86_400.0)
    latest = backlog_s == 0.0 and rng.random() < 0.7
    live = begin + backlog_s
    end = live + live_s
    workload = _workload(rng, begin, live, end)
    hours = rng.choice([ROLL_EVERY_S, (end - begin) / 2, (end - begin) / 5])
    shards = graph(
        rng,
        shards=rng.choice([1, 2, 2, 3, 4]),
        begin=begin,
        end=end,
        roll_every_s=max(hours, 1.0),
        splits=rng.choice([0, 0, 1, 2]),
        orphans=rng.random() < 0.5,
    )
    stream = script(rng, workload.writes(rng), shards, nodes=nodes_of(Random(f"nodes {seed // PLANS}"), ailments))
    # With LATEST nothing is written before every shard is being read: what was before the start is not promised.
    begins = begin - 40.0 if latest else live
    calm = Plan(
        begins=begins,
        calm_from=begins,
        calm_until=begin,
        pace=CALM,
        start="latest" if latest else "trim_horizon",
    )
    return Schedule(seed, stream, workload, disturbed(f"{seed}", calm, stream, begin, ailments), calm)


def _workload(rng: Random, begin: float, live: float, end: float) -> Workload:
    devices: tuple[str | None, ...] = rng.choice([(None,), (None,), ("cell 1",), ("a", "b/1"), ("a", "b", "c")])
    period_s = max(1.0, round((end - begin) * len(devices) / rng.choice(SAMPLES), 1))
    disorder = rng.random() < 0.6
    clocks = [0.0, 0.0, 1.0, 40.0, -3.0, -200.0] if disorder else [0.0]
    return Workload(
        begin=begin,
        live=live,
        end=end,
        devices=devices,
        offsets_s=tuple(rng.choice(clocks) for _ in devices),
        period_s=period_s,
        fraction=rng.random() < 0.5,
        delay_s=rng.choice([0.0, 4 * period_s, 300.0, 1600.0]) if disorder else 0.0,
        bursts=rng.choice([0, 1, 2]) if disorder else 0,
        rough_live=disorder and rng.random() < 0.5,
        anomalies=rng.choice([1, 2, 4]),
        modified=rng.choice([0.0, 0.05, 0.2]) if disorder else 0.0,
        removed=rng.choice([0.0, 0.05]),
        malformed=rng.choice([0.0, 0.03, 0.1]),
    )


def disturbed(seed: str, calm: Plan, stream: Script, begin: float, ailments: Ailments) -> Plan:
    """The plan of all that goes wrong. Each kind of trouble that came later has draws of its own."""
    plan = _plan(Random(f"plan {seed}"), calm, stream, begin, ailments)
    plan = replace(plan, rates=plan.rates | _rates(Random(f"lies {seed}"), LIES, ailments))
    rng = Random(f"harder {seed}")
    harder = _rates(rng, HARDER_FAULTS, ailments)
    # Three such answers in a row are believed: at a tenth of all calls that would come by chance.
    plan = replace(plan, rates=plan.rates | {name: min(rate, _MOST.get(name, 1.0)) for name, rate in harder.items()})
    weather, first = plan.weather, max(plan.begins, plan.calm_until)
    if rng.random() < 0.25 and "empty_run" in ailments.weather:
        weather = replace(weather, empty_run=rng.choice([5, 30]), empty_pages=max(weather.empty_pages, 0.1))
    if rng.random() < 0.25 and "sick" in ailments.weather:
        shard, start = rng.choice(stream.shards), rng.uniform(first, max(first + 5.0, plan.calm_from))
        fault = rng.choice(
            ["stream 5xx", "stream says not found", "stream answers no JSON", "stream answer lacks a key"]
        )
        weather = replace(weather, sick=((shard.name, start, start + rng.choice([30.0, 120.0, 400.0]), fault),))
    plan = replace(plan, weather=weather, calm_from=max([plan.calm_from, *(end for _, _, end, _ in weather.sick)]))
    if rng.random() < 0.25 and "clocks" in ailments.plan:
        plan = replace(plan, clocks={slot: _clock(rng, first, plan.calm_from) for slot in range(plan.hosts)})
    return plan


_MOST = {"stream ends falsely": 0.02}
"""The highest rate of a fault."""


def _clock(rng: Random, first: float, last: float) -> ClockFault:
    """A clock that is off, or drifts, or is set wrong and right again."""
    jump_s = rng.choice([0.0, 600.0, -600.0])
    at = rng.uniform(first, last)
    jumps = ((at, jump_s), (at + rng.choice([10.0, 120.0]), -jump_s)) if jump_s else ()
    return ClockFault(rng.choice([0.0, 0.0, 16.0, -16.0, 0.3]), rng.choice([0.0, 1e-4]), jumps)


def nodes_of(rng: Random, ailments: Ailments) -> Nodes:
    """The machines behind the shards."""
    chances = {"clock_s": (0.0, 0.05), "slow": (0.0, 0.0, 0.5), "undated": (0.0, 0.0, 0.02)}
    picked = {name: rng.choice(values) for name, values in chances.items()}
    return Nodes(**{name: value for name, value in picked.items() if name in ailments.nodes})


def _plan(rng: Random, calm: Plan, stream: Script, begin: float, ailments: Ailments) -> Plan:
    """Every ailment that may be is in a schedule or not: too many at once hide one another."""
    calm_from = max(stream.ends, calm.begins) + rng.choice([0.0, 20.0])
    calls = [name for name in FAULTS if FAULTS[name][0] != TABLE and name not in (*LIES, *HARDER_FAULTS)]
    rates = _rates(rng, calls, ailments)
    down = []
    for name in (name for name in DOWN if DOWN[name] != TABLE):
        if rng.random() < 0.1 and name in ailments.faults:
            start = rng.uniform(max(calm.begins, calm.calm_until), calm_from)
            down.append((name, start, start + rng.choice([20.0, 200.0])))
    chances: dict[str, tuple[float | bool, ...]] = {
        "empty_pages": (0.0, 0.0, 0.1, 0.5),
        "empty_closed": (False, True),
        "short_pages": (0.0, 0.3),
        "trailing": (0.0, 0.5),
        "listing_lag_s": (0.0, 0.0, 3.0, 20.0),
        "endless_listing": (False, False, True),
        "empty_listings": (0.0, 0.0, 0.3),
        "holes": (0.0, 0.0, 0.3),
    }
    picked = {name: rng.choice(values) for name, values in chances.items()}
    weather = Weather(
        page_shards=rng.choice([1, 2, 3, 100]),
        **{name: value for name, value in picked.items() if name in ailments.weather},  # type: ignore[arg-type]
    )
    page = rng.choice([1, 3, 10, 1000])
    counts = {"kills": rng.choice([0, 0, 1, 3]), "stops": rng.choice([0, 0, 1, 2]), "stalls": rng.choice([0, 0, 0, 1])}
    hosts = rng.choice([1, 1, 1, 2])
    plan = replace(
        calm,
        calm_from=calm_from,
        weather=weather,
        rates=rates,
        down=tuple(down),
        pace=Pace(
            page=page,
            credit=rng.choice([1, 4, 20]) * page,
            poll_s=rng.choice([0.5, 1.0, 2.0]),
            tick_s=rng.choice([0.5, 1.0, 3.0]),
            latency_s=rng.choice([0.01, 0.2, 2.0]),
        ),
        **{name: count for name, count in counts.items() if name in ailments.plan},  # type: ignore[arg-type]
        hosts=hosts if "hosts" in ailments.plan else 1,
    )
    return replace(plan, rates=rates | _rates(rng, [name for name in FAULTS if FAULTS[name][0] == TABLE], ailments))


def _rates(rng: Random, names: Sequence[str], ailments: Ailments) -> dict[str, float]:
    return {name: rng.choice([0.004, 0.02, 0.1]) for name in names if rng.random() < 0.25 and name in ailments.faults}
