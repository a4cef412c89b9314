"""What happens in a world: who works when, what goes wrong, and what becomes of the table's streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from sim_clocks import ClockFault
from sim_pace import Pace
from sim_script import Script, Write
from sim_stream import Weather

from consumer.stream.discovery import Start


@dataclass(frozen=True, slots=True)
class Plan:
    """A schedule. ``begins``: when the first host starts, epoch seconds. ``rates``, ``down``: see `Faults`; they strike
    from ``calm_until`` to ``calm_from``. ``kills``, ``stops``, ``stalls``: how often a host is killed between two
    actions, stopped in order, or frozen for minutes. ``hosts``: processes at once. ``downtime_s``: from which a host
    that is gone draws when it comes back. ``most_steps``: after so many the run counts as stuck. ``clocks``: what is
    wrong with those of the host in a slot. ``events``: what happens when (epoch seconds): kill, stop, stall, or one of
    `sim_damage.DAMAGE`."""

    begins: float
    calm_from: float = 0.0
    calm_until: float = 0.0
    start: Start = "trim_horizon"
    pace: Pace = field(default_factory=Pace)
    weather: Weather = field(default_factory=Weather)
    rates: dict[str, float] = field(default_factory=dict)
    down: tuple[tuple[str, float, float], ...] = ()
    kills: int = 0
    stops: int = 0
    stalls: int = 0
    hosts: int = 1
    downtime_s: tuple[float, ...] = (0.0, 1.0, 30.0)
    most_steps: int = 30_000
    clocks: Mapping[int, ClockFault] = field(default_factory=dict)
    events: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Later:
    """What becomes of the table besides the first stream's records. ``remade``: the stream made anew, and from when on
    it is there (epoch seconds); ``unheard``: changes while no stream was on; ``ttl_s``: see `Table`; ``deleted``: when
    a single shard is deleted, by its name."""

    remade: tuple[tuple[Script, float], ...] = ()
    unheard: Sequence[Write] = ()
    ttl_s: float = inf
    deleted: Mapping[str, float] = field(default_factory=dict)
