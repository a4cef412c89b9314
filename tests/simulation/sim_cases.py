"""Small streams made by hand, for tests of one thing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf
from random import Random

from sim_plan import Plan
from sim_script import Script, Shard, Write, script

BEGIN = 1_700_000_000.0
Calls = Callable[[int], list[int]]
"""Gives the calls at which a crash is tried (the fixture ``calls``), in a run that makes fewer than it is given."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A sample: ``ts`` and ``written`` in seconds after `BEGIN`. ``place``: in [0, 1), what its shard is chosen by."""

    ts: float
    written: float | None = None
    current_a: float = 4.0
    temperature_c: float = 25.0
    place: float = 0.0
    device: str | None = None


def stream(readings: Iterable[Reading], shards: Sequence[Shard], *, seed: int = 0) -> Script:
    """A stream of these samples in these shards, each in the one that is open for its place and time."""
    return script(Random(seed), writes(readings), shards)


def writes(readings: Iterable[Reading]) -> list[Write]:
    """The changes of the table that these samples are."""
    found = []
    for reading in readings:
        name = {"device": {"S": reading.device}} if reading.device else {}
        time = {"ts": {"N": f"{BEGIN + reading.ts:.3f}".rstrip("0").rstrip(".")}, **name}
        written = BEGIN + (reading.ts + 0.1 if reading.written is None else reading.written)
        image = {
            **time,
            "current": {"N": repr(reading.current_a)},
            "temperature": {"N": repr(reading.temperature_c)},
        }
        found.append(Write(written, "INSERT", time, image, "scored", reading.place))
    return found


def shard(
    opened: float = -60.0,
    closed: float = inf,
    *,
    parent: str | None = None,
    low: float = 0.0,
    high: float = 1.0,
    name: str = "",
) -> Shard:
    """A shard; times in seconds after `BEGIN`."""
    suffix = name or f"{int(low * 100):04d}"
    at = BEGIN + opened
    return Shard(f"shardId-{int(at * 1000):020d}-{suffix}", parent, at, BEGIN + closed, low, high)


def rotation(times: Sequence[float], *, opened: float = -60.0) -> list[Shard]:
    """A shard that rolls over at each of the times, seconds after `BEGIN`."""
    chain: list[Shard] = []
    for start, stop in zip([opened, *times], [*times, inf], strict=True):
        chain.append(shard(start, stop, parent=chain[-1].name if chain else None))
    return chain


def charge(start: float, stop: float, *, period_s: float = 1.0, strange: Iterable[float] = ()) -> list[Reading]:
    """A quiet charge from ``start`` to ``stop``, seconds after `BEGIN`, scattered over the shards, with too much
    current at the ``strange`` times."""
    wrong = set(strange)
    times = [start + row * period_s for row in range(int((stop - start) / period_s))]
    return [
        Reading(ts, current_a=9.0 if ts in wrong else 4.0 + row * 7919 % 13 / 100, place=row * 0.37 % 1.0)
        for row, ts in enumerate(times)
    ]


def live(**more: object) -> Plan:
    """A host that is there before the first record, reading from the tip."""
    return Plan(begins=BEGIN - 40.0, calm_until=BEGIN, start="latest", **more)  # type: ignore[arg-type]
