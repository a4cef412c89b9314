"""What a thousand samples cost, in work that can be counted: a timed test would fail on a busy machine and let a slower
worker pass on a fast one. The bounds are what was measured when they were written, and a tenth more.

Whoever makes the worker do less lowers them: run this test with ``-s``, take the figures that it prints, add a tenth.
Whoever must raise one says in the changelog what the user gets for it; ``make bench`` says what it costs in time.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from types import FrameType
from typing import Any, cast

import pytest
from repository import ROOT
from sim_pace import Pace
from sim_plan import Plan
from sim_script import Write, single
from sim_world import World

from scoring.bundle import Bundle
from scoring.graph import Graph, Scores
from window.samples import Floats

BEGIN = 1_767_225_600
HOT_EVERY_S, HOT_C = 500, 61.5
"""One such reading is an anomaly, one sample in five hundred; its four followers are looked at, and are none."""
OURS = tuple(f"{ROOT / name}/" for name in ("consumer", "reporting", "scoring", "window"))
BOUNDS = {
    (1, 6000): {
        "graph calls": 18.7 * 1.1,
        "rows scored": 1259.0 * 1.1,
        "calls": 81_381.0 * 1.1,
        "objects held": 2_680.0 * 1.25,  # some depend on what ran before
        "bytes of messages": 13_335.0 * 1.1,
        "bytes of archive": 3_349.2 * 1.1,
        "bytes of books": 48.7 * 1.1,
        "bytes of head": 25_201.0 * 1.1,
        "bytes of windows": 284.2 * 1.1,
    },
    (100, 120): {
        "graph calls": 1.6 * 1.1,
        "rows scored": 2292.7 * 1.1,
        "calls": 73_906.1 * 1.1,
        "objects held": 2_477.0 * 1.25,
        "bytes of messages": 11_859.7 * 1.1,
        "bytes of archive": 3_241.0 * 1.1,
        "bytes of head": 33_080.7 * 1.1,
        "bytes of windows": 142.1 * 1.1,
    },
}
"""By devices, and seconds of 1 Hz. Per 1,000 samples, read from the stream in pages of 1,000."""


class CountingGraph:
    """`scoring.graph.Graph` that counts its calls and their rows."""

    def __init__(self, graph: Graph, counts: Counter[str]) -> None:
        self._graph = graph
        self._counts = counts

    def score(self, features: Floats) -> Scores:
        """See `Graph`."""
        self._counts.update({"graph calls": 1, "rows scored": len(features)})
        return self._graph.score(features)


class CountingObjects(dict[str, Any]):
    """A bucket's objects that count the bytes written to them, by kind."""

    def __init__(self, counts: Counter[str]) -> None:
        super().__init__()
        self._counts = counts

    def __setitem__(self, key: str, stored: Any) -> None:
        kind = {"battery-events": "archive", "battery-ledger": "books", "battery-minutes": "minutes"}.get(
            key.split("/")[0], key.split("/")[-1]
        )
        if not kind.endswith(".zip"):  # the bundle: once
            self._counts[f"bytes of {kind}"] += len(stored.body)
        super().__setitem__(key, stored)


@contextmanager
def calls_counted(counts: Counter[str]) -> Iterator[None]:
    """Count the calls that the product's own code makes, of Python and of C: every object is made by one."""

    def note(frame: FrameType, event: str, _: Any) -> None:
        caller = frame.f_back if event == "call" else frame
        if event in ("call", "c_call") and caller is not None and caller.f_code.co_filename.startswith(OURS):
            counts["calls"] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(before)


def writes(devices: int, seconds: int) -> list[Write]:
    """A quiet charge at 1 Hz of every device, with a few hot readings."""
    rng = Random(7)
    found = []
    for second in range(seconds):
        for device in range(devices):
            hot = (second + 37 * device) % HOT_EVERY_S == HOT_EVERY_S // 2
            current_a, temperature_c = 2.5 + rng.gauss(0.0, 0.004), HOT_C if hot else 25.0 + rng.gauss(0.0, 0.03)
            keys = {"ts": {"N": str(BEGIN + second)}, "device": {"S": f"cell {device}"}}
            image = {**keys, "current": {"N": f"{current_a:.3f}"}, "temperature": {"N": f"{temperature_c:.2f}"}}
            at = BEGIN + second + 0.1 + device / devices / 10
            found.append(Write(at, "INSERT", keys, image, "scored", str(second)))
    return found


def work(devices: int, seconds: int, bundle: Bundle) -> dict[str, float]:
    """What is counted per 1,000 samples of a catch-up, from first start to the last durable commit."""
    counts: Counter[str] = Counter()
    counting = replace(bundle, graph=cast("Graph", CountingGraph(bundle.graph, counts)))
    script = single(Random(7), writes(devices, seconds), begin=BEGIN)
    world = World(script, counting, Plan(begins=BEGIN + seconds + 10.0, pace=Pace(poll_s=0.5, tick_s=0.1)), seed=7)
    world.edges.table.sort = "device"  # several devices in one table
    world.edges.bucket.objects = CountingObjects(counts)
    gc.collect()
    before = sys.getallocatedblocks()

    def between(now: World) -> bool:
        counts["objects held"] = max(counts["objects held"], sys.getallocatedblocks() - before)
        return now.all_durable()

    with calls_counted(counts):
        world.run(until=between)
    books = [each for day in world.durable_head().ledger.values() for each in day.values()]
    assert sum(each["scored"] for each in books) == devices * seconds
    counts["bytes of messages"] = sum(len(heard.body) for heard in world.edges.subscriber.heard)
    return {name: round(count / (devices * seconds / 1000), 1) for name, count in sorted(counts.items())}


@pytest.mark.parametrize(("devices", "seconds"), BOUNDS)
def test_a_thousand_samples_take_no_more_work_than_before(devices: int, seconds: int, default_bundle: Bundle) -> None:
    """Graph calls, rows scored, calls of functions, objects held, bytes encoded."""
    work(1, 60, default_bundle)  # what is imported and kept at first use is no work of these samples
    found = work(devices, seconds, default_bundle)
    sys.stdout.write(f"\n{devices} devices: {found}\n")
    bounds = BOUNDS[devices, seconds]
    assert found.keys() == bounds.keys()
    assert {name: value for name, value in found.items() if value > bounds[name]} == {}
