"""Policy `evidence`: what the samples before a sample say about it.

Sums run over named columns in a fixed order, as in `window.features`, for equal bits in batches of any size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.config import EVIDENCE_S, EVIDENCE_SAMPLES, Change, Evidence, Range
from window.features import Tails
from window.samples import Floats

Flags = NDArray[np.bool_]
LENGTH = EVIDENCE_SAMPLES + 1
"""Samples in the tails of a `Past`: the judged one and all that the policy may look at."""


@dataclass(frozen=True, slots=True)
class Past:
    """What lies before each of n judged samples: the last `LENGTH` samples up to it, and the last reconstruction errors
    (n, any number), newest last. Where there is no sample the error is undefined."""

    tails: Tails
    error: Floats

    def take(self, rows: Any) -> Past:
        """The rows named by an index array, a mask or a slice, in that order."""
        return Past(self.tails.take(rows), self.error[rows])


@dataclass(frozen=True, slots=True)
class Weighed:
    """What makes each of n samples anomalous: errors, a change of the current or of the temperature, a reading that
    repeats (``stuck``), a reading out of bounds (``outside``). ``warming``: those in the warm-up of their session."""

    error: Flags
    current: Flags
    temperature: Flags
    stuck: Flags
    outside: Flags
    warming: Flags


@dataclass(frozen=True, slots=True)
class Session:
    """Which samples of n tails count, (n, length). ``near``: of the session of the newest sample, and not too old.
    ``settled``: those of them after the warm-up. ``warming`` (n,): the newest sample is in the warm-up."""

    near: Flags
    settled: Flags
    warming: Flags


def weigh(past: Past, threshold: float, by: Evidence, gap_s: float) -> Weighed:
    """Weigh the evidence; ``threshold`` is the reconstruction error's, ``gap_s`` the longest gap in a session."""
    session = session_of(past.tails, by, gap_s)
    changed = {"current": np.zeros(len(past.error), bool), "temperature": np.zeros(len(past.error), bool)}
    for one in by.changes:
        changed[one.reading] |= change_of(past.tails, session, one) > one.limit
    stuck = np.zeros(len(past.error), bool)
    for readings, times, but in (
        (past.tails.current_a, by.stuck.current, 0.0),
        (past.tails.temperature_c, by.stuck.temperature, np.nan),
    ):
        if times is not None:
            stuck |= _repeats(readings, session, times) & (readings[:, -1] != but)
    often = np.zeros(len(past.error), np.int64)
    for k in range(1, by.out_of + 1):
        often += (past.error[:, -k] > by.share * threshold) & session.settled[:, -k]
    error = (past.error[:, -1] > by.once * threshold) | (often >= by.of)
    return Weighed(error, **changed, stuck=stuck, outside=_outside(past.tails, by.bounds), warming=session.warming)


def session_of(of: Tails, by: Evidence | None, gap_s: float) -> Session:
    """The session of the newest sample of each tail, as far as the tail reaches. Without ``by`` there is no warm-up."""
    newest = of.ts[:, -1:]
    follows = of.present[:, :-1] & of.present[:, 1:] & (of.ts[:, 1:] - of.ts[:, :-1] <= gap_s)
    inside = np.ones(of.ts.shape, bool)
    inside[:, :-1] = np.logical_and.accumulate(follows[:, ::-1], axis=1)[:, ::-1]
    # The first sample of the session: the oldest inside. Where that is the end of the tail, the session began before.
    first = np.argmax(inside, axis=1)
    began = np.where(first > 0, of.ts[np.arange(len(first)), first], -np.inf)[:, None]
    near = inside & (newest - of.ts <= EVIDENCE_S)
    if by is None:
        return Session(near, near, np.zeros(len(first), bool))
    warm = of.ts - began < by.warm_up_s
    place = np.arange(of.ts.shape[1])
    warm |= (first > 0)[:, None] & (place < first[:, None] + by.warm_up_samples)
    return Session(near, near & ~warm, warm[:, -1])


def change_of(of: Tails, session: Session, by: Change) -> Floats:
    """How far the mean of the newest readings lies from the mean of those before, in units of the scatter of the
    latter: a t statistic with a floor. 0 where the session is too short, or where the very newest reading is back."""
    readings = of.current_a if by.reading == "current" else of.temperature_c
    total = np.zeros(len(readings))
    for k in range(1, by.newest + 1):
        total = total + readings[:, -k]
    behind = range(by.newest + 1, by.newest + by.before + 1)
    before = np.zeros(len(readings))
    for k in behind:
        before = before + readings[:, -k]
    before = before / by.before
    squares = np.zeros(len(readings))
    for k in behind:
        deviation = readings[:, -k] - before
        squares = squares + deviation * deviation
    off = total / by.newest - before
    found = np.abs(off) / np.sqrt(squares / by.before + by.floor * by.floor)
    there = session.near[:, -(by.newest + by.before)]
    if by.still is not None:
        there = there & ((readings[:, -1] - before) * np.sign(off) >= by.still * np.abs(off))
    return np.where(there, found, 0.0)


def _outside(of: Tails, bounds: Range | None) -> Flags:
    found = np.zeros(len(of.ts), bool)
    if bounds is not None:
        for readings, (low, high) in ((of.current_a, bounds.current_a), (of.temperature_c, bounds.temperature_c)):
            found |= (readings[:, -1] < low) | (readings[:, -1] > high)
    return found


def _repeats(readings: Floats, session: Session, times: int) -> Flags:
    same: Flags = session.near[:, -times].copy()
    for k in range(2, times + 1):
        same &= readings[:, -k] == readings[:, -1]
    return same
