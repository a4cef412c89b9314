"""What a worker leaves that has watched many batteries for longer than a window: head and windows, full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.account import Stored
from benchmarks.charges import BEGIN, Charges, names, pages
from benchmarks.engine import Engine
from benchmarks.tape import Tape
from consumer.state.head import Head
from consumer.state.snapshot import Snapshot
from window.rolling import RETAINED_S

FILL_S = int(RETAINED_S) + 120
Objects = dict[str, Stored]
"""Of a bucket, by key."""


def watched(device: str) -> tuple[Objects, int]:
    """The objects that are left of one battery's ``FILL_S`` seconds, and the second that comes next."""
    charges = Charges([device])
    tape = Tape(partial(charges.records, 1))
    tape.feed(pages(charges.records(FILL_S)))
    engine = Engine(tape)
    engine.run_to(float(BEGIN + FILL_S - 1))
    assert engine.worker.stop() == 0
    return engine.account.bucket.objects, charges.second


def multiplied(objects: Objects, devices: Sequence[str], later_s: float = 0.0) -> Objects:
    """The same objects as if all ``devices`` had been watched, ``later_s`` seconds later: each with the windows of the
    only one there."""
    found = dict(objects)
    for key in objects:
        folder, _, name = key.rpartition("/")
        if name != "head" or folder.endswith("/table"):
            continue
        head = Head.decode(objects[key][0])
        snapshot = Snapshot.decode(objects[f"{folder}/windows"][0])
        head, snapshot = more(head, snapshot, devices, later_s)
        found[key] = (head.encode(), '"of the head"', {})
        found[f"{folder}/windows"] = (snapshot.encode(), '"of the windows"', objects[f"{folder}/windows"][2])
    return found


def more(head: Head, snapshot: Snapshot, devices: Sequence[str], later_s: float = 0.0) -> tuple[Head, Snapshot]:
    """Head and windows of one device as those of many, ``later_s`` seconds later."""
    (columns,) = snapshot.devices.values()
    (seen,) = snapshot.health.values()
    columns = replace(columns, ts=columns.ts + later_s)
    (health,) = head.health.values()
    ledger = {day: dict.fromkeys(devices, next(iter(counts.values()))) for day, counts in head.ledger.items()}
    update: dict[str, Any] = {
        "health": dict.fromkeys(devices, replace(health, last=health.last + later_s)),
        "ledger": ledger,
        "episodes": {},
    }
    if later_s:
        update |= {"watermark": (head.watermark or 0.0) + later_s, "newest": (head.newest or 0.0) + later_s}
    kept = replace(
        snapshot,
        devices=dict.fromkeys(devices, columns),
        health=dict.fromkeys(devices, replace(seen, last=seen.last + later_s)),
    )
    return head.model_copy(update=update), kept


def left(count: int) -> tuple[Objects, int]:
    """What a worker leaves of so many batteries, and the second that comes next."""
    devices = names(count)
    objects, second = watched(devices[0])
    return multiplied(objects, devices), second
