"""What was told of an anomalous sample, for an observer of the lane."""

from __future__ import annotations

from dataclasses import dataclass

from scoring.faults import FaultKind
from scoring.rules import Rule


@dataclass(frozen=True, slots=True)
class Told:
    """What was told of an anomalous sample. ``episode``: the id of the episode of its main kind; empty where it stays
    in the one it was in."""

    episode: str
    kinds: tuple[FaultKind, ...]
    rules: tuple[Rule, ...]
