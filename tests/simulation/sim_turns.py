"""Turns that end anywhere: the twin of `consumer.worker.turn_budget.TurnBudget` (rule 26)."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from consumer.worker.turn_budget import TurnBudget

GOES_ON = 0.8
"""How often another piece of work may begin in the same turn: of five turns with much to do one ends after the first
piece, and every second one after at most three."""


class EndsAnywhere:
    """The budget of a turn that may end after any piece of work, by chance, and does end when its time is over.

    ``rng``: of its own, so that no other choice of a run depends on how much there was to do. ``monotonic``: seconds; a
    piece of work takes none unless the pace says so (`Pace.record_s`).
    """

    def __init__(self, rng: Random, monotonic: Callable[[], float]) -> None:
        self._rng = rng
        self._time = TurnBudget(monotonic, monotonic)

    def __call__(self) -> bool:
        """See `consumer.lane.budget.Budget`."""
        return self._time() and self._rng.random() < GOES_ON
