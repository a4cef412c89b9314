"""What a world has left behind, as tests of the rules ask for it."""

from __future__ import annotations

from datetime import datetime
from math import inf
from typing import Any

import orjson
from sim_cases import BEGIN
from sim_outcome import ARCHIVE, Outcome
from sim_plan import Plan
from sim_script import Script
from sim_stream import Weather
from sim_world import World

from scoring.bundle import Bundle

HOUR = 3600.0


def totals(world: World) -> dict[str, int]:
    """Records by class, over all days and devices."""
    found: dict[str, int] = {}
    for name, count in Outcome.of(world).counts.items():
        cls = name.rsplit(" ", 1)[1]
        found[cls] = found.get(cls, 0) + count
    return found


def lines(world: World) -> list[dict[str, Any]]:
    """All lines of the archive."""
    return [orjson.loads(line) for body in world.edges.bucket.under(ARCHIVE).values() for line in body.splitlines()]


def undisturbed(script: Script, bundle: Bundle) -> World:
    """A world where nothing is ever missing: one worker reads all of it from a stream that keeps everything."""
    return World(script, bundle, Plan(begins=BEGIN + 27 * HOUR, weather=Weather(kept_s=inf))).run()


def messages(world: World, kind: str = "") -> list[Any]:
    """Every message whose type begins so, each once, in order."""
    events = {heard.id: orjson.loads(heard.body) for heard in world.edges.subscriber.heard}
    return [event for event in events.values() if event["type"].startswith(kind)]


def anomalies(world: World) -> list[Any]:
    """The messages about samples and episodes up to the stream's end, without where a sample was met and what may
    differ: runs end at different times after that."""
    found = []
    for event in messages(world, "anomaly."):
        if datetime.fromisoformat(event["time"]).timestamp() > world.ends:
            continue
        data = {name: value for name, value in event["data"].items() if name not in ("position", "chart")}
        found.append({**event, "data": data, "sequence": None, "recordedtime": None})
    return found


def ledger_totals(world: World) -> dict[str, int]:
    """The ledger's totals by class."""
    totals: dict[str, int] = {}
    for head in world.durable_heads():
        for devices in head.ledger.values():
            for counts in devices.values():
                for name, count in counts.items():
                    totals[name] = totals.get(name, 0) + count
    return {name: count for name, count in totals.items() if count}
