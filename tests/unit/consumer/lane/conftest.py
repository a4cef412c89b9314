"""A lane with one open shard, and records for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lane_rig import Record, Rig, T

from scoring.bundle import Bundle


@pytest.fixture
def rig(plain_bundle: Bundle) -> Rig:
    """A lane with one open shard, s."""
    return Rig(plain_bundle).open("s")


@pytest.fixture
def at(record: Callable[..., Record]) -> Callable[..., Record]:
    """A record written as it was sampled, so many seconds after T; by default number and time go together."""

    def make(second: float, current: float = 2.0, *, number: int | None = None, **more: Any) -> Record:
        created = more.pop("created", float(int(T + second)))
        sequence = 1000 + int(second * 10) if number is None else number
        return record(sequence, ts=float(T + second), created=created, current=current, **more)

    return make
