"""Counts and copies what the worker left in the bucket."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from demo.world import ARCHIVE, CHARTS, LEDGER, World


def ledger(world: World) -> dict[str, int]:
    """The ledger, summed over days, lanes and devices; empty while there is none."""
    sums: Counter[str] = Counter()
    for _, body in world.objects(LEDGER):
        for accounts in json.loads(body)["devices"].values():
            sums.update(accounts)
    return dict(sums)


def anomalies(world: World) -> int:
    """The number of samples in the archive: one per line."""
    return sum(len(body.splitlines()) for _, body in world.objects(ARCHIVE))


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
