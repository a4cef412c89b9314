"""Counts and copies what the worker left in the bucket."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from demo.world import ARCHIVE, CHARTS, LEDGER, World


@dataclass(frozen=True, slots=True)
class Anomaly:
    """An anomalous sample in the archive. ``model``: the id of the bundle that found it; ``kinds``: of its faults."""

    device: str
    ts: float
    severity: str
    model: str
    kinds: tuple[str, ...] = ()


def ledger(world: World) -> dict[str, int]:
    """The ledger, summed over days, lanes and devices; empty while there is none."""
    sums: Counter[str] = Counter()
    for _, body in world.objects(LEDGER):
        for accounts in json.loads(body)["devices"].values():
            sums.update(accounts)
    return dict(sums)


def anomalies(world: World) -> list[Anomaly]:
    """The archive's samples in order of time: one per line."""
    lines = [json.loads(line) for _, body in world.objects(ARCHIVE) for line in body.splitlines()]
    found = [
        Anomaly(line["device"], line["ts"], line["severity"], line["model"], tuple(line["kinds"])) for line in lines
    ]
    return sorted(found, key=lambda anomaly: anomaly.ts)


def charts(world: World) -> list[str]:
    """The keys of all charts, the oldest first."""
    keys = [key for key in world.keys(CHARTS) if key.endswith(".png")]
    return sorted(keys, key=lambda key: key.rsplit("/", 1)[-1])


def copy(world: World, folder: Path) -> None:
    """Copy charts, archive and ledger into ``folder`` under their keys. Raises OSError where it is not writable."""
    for prefix in (CHARTS, ARCHIVE, LEDGER):
        for key, body in world.objects(prefix):
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
