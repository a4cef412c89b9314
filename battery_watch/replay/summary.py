"""The figures of a replay, by device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import orjson

if TYPE_CHECKING:
    from consumer.offline.replay import Replayed
    from reporting.message import Message


@dataclass(frozen=True, slots=True)
class DeviceFigures:
    """The figures of one device. ``rows``: how many records were replayed, ``samples``: how many times they have;
    ``overwritten``: how many took the place of another with other readings. ``hours``: the time that its sessions
    cover. ``alarm_s``: from each anomalous sample to the next sample of its session, summed up."""

    device: str
    rows: int
    samples: int
    overwritten: int
    sessions: int
    hours: float
    anomalies: int
    episodes: int
    quarantined: int
    alarm_s: float


def withdrawals(messages: Iterable[Message]) -> int:
    """How many episodes have no anomalous sample left, by the last that was told of them."""
    data = (orjson.loads(message.body)["data"] for message in messages if message.type.startswith("anomaly."))
    left = {each["episode"]: each.get("samples", 1) for each in data}
    return sum(samples == 0 for samples in left.values())


def figures(replayed: Sequence[Replayed], session_gap_s: float) -> list[DeviceFigures]:
    """By device, in order of name."""
    found = []
    for each in replayed:
        judged = each.judged
        for code, device in enumerate(judged.devices):
            counts = each.counts.get(device, {})
            rows = np.flatnonzero(judged.device == code)
            step_s = np.diff(judged.ts[rows])
            within = step_s <= session_gap_s
            anomalous = judged.severity[rows] > 0
            found.append(
                DeviceFigures(
                    device=device,
                    rows=counts.get("read", 0),
                    samples=len(rows),
                    overwritten=counts.get("overwritten", 0),
                    sessions=int((~within).sum()) + 1 if len(rows) else 0,
                    hours=float(step_s[within].sum()) / 3600.0,
                    anomalies=int(anomalous.sum()),
                    episodes=len(set(judged.episode[rows][anomalous])),
                    quarantined=counts.get("quarantined", 0),
                    alarm_s=float(step_s[within & anomalous[:-1]].sum()),
                )
            )
    return sorted(found, key=lambda f: f.device)
