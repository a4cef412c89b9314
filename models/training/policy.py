"""Finds the thresholds of policy `evidence` for a budget of false episodes on normal charging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from models.data.sessions import hours
from scoring.config import Change, Evidence, Range, Stuck, Thresholds
from scoring.evidence import LENGTH, change_of, session_of
from scoring.graph import Scores
from window.features import tails
from window.samples import Floats, Samples

BUDGET = 0.05
"""False episodes per charge-hour."""
SCORE_MARGIN, FOREST_MARGIN, CHANGE_MARGIN = 1.1, 0.01, 1.05
"""How far thresholds lie beyond the worst sample that must not alarm: the next charge has a worst sample too."""
SPANS = (("current", 1, 20), ("current", 10, 25), ("current", 15, 20), ("temperature", 2, 20), ("temperature", 15, 20))
"""What is compared: the mean of so many newest samples with that of so many before them."""
STILL = 0.5
WARM_UP_S, WARM_UP_SAMPLES = 8.0, 8
"""A charge begins with up to three samples of 0 A, and the features of four more samples look back to them."""
BEYOND_A, BEYOND_C = 0.2, 10.0
"""A reading this far outside of the training range is an anomaly alone: a share of the largest current, and degrees."""
_SCATTER = 20
_FLOOR_SHARE = 0.95
_STUCK_TIMES, _STUCK_LEAST, _STUCK_MOST = 3, 12, 35
_OPEN = 1e9


@dataclass(frozen=True, slots=True)
class Sessions:
    """Normal sessions, and the scores of each."""

    samples: Sequence[Samples]
    scores: Sequence[Scores]


def needed_hours(budget: float) -> float:
    """Hours without a false episode that confirm the budget (rule of three, 95 %)."""
    return 3.0 / budget


def fit(validation: Sessions, every: Sequence[Samples], *, gap_s: float, budget: float) -> tuple[Thresholds, Evidence]:
    """The thresholds of the models come from ``validation``, which they have not seen. Those of changes and of repeated
    readings come from ``every`` session, as nothing was fitted to them. Each part gets half of the budget."""
    floors = {"current": _floor([s.current_a for s in every]), "temperature": _floor([s.temperature_c for s in every])}
    blank = Evidence(
        warm_up_s=WARM_UP_S,
        warm_up_samples=WARM_UP_SAMPLES,
        changes=tuple(
            Change(reading=r, newest=m, before=n, floor=floors[r], limit=_OPEN, still=STILL) for r, m, n in SPANS
        ),
        stuck=Stuck(
            current=_stuck([s.current_a[s.current_a != 0.0] for s in every]),
            temperature=_stuck([s.temperature_c for s in every]),
        ),
    )
    changes = _within(
        np.array([_change_peaks(s, blank, gap_s) for s in every]), int(budget / 2 * hours(every)), CHANGE_MARGIN
    )
    alone, often, forest = _within(
        np.array(
            [_score_peaks(s, of, blank, gap_s) for s, of in zip(validation.samples, validation.scores, strict=True)]
        ),
        int(budget / 2 * hours(validation.samples)),
        1.0,
    )
    threshold = float(alone) * SCORE_MARGIN / blank.once
    fitted = blank.model_copy(
        update={
            "share": float(often) * SCORE_MARGIN / threshold,
            "changes": tuple(
                c.model_copy(update={"limit": float(x)}) for c, x in zip(blank.changes, changes, strict=True)
            ),
            "bounds": bounds(known(every)),
        }
    )
    return Thresholds(reconstruction_error=threshold, forest_score=-float(forest) - FOREST_MARGIN), fitted


def known(sessions: Sequence[Samples]) -> Range:
    """The currents and temperatures in ``sessions``, in amperes and degrees Celsius."""
    return Range(
        current_a=_ends([s.current_a for s in sessions], 3), temperature_c=_ends([s.temperature_c for s in sessions], 2)
    )


def _ends(readings: Sequence[Floats], digits: int) -> tuple[float, float]:
    return round(min(float(r.min()) for r in readings), digits), round(max(float(r.max()) for r in readings), digits)


def bounds(known: Range) -> Range:
    """Bounds far outside of the ``known`` range. A reading beyond them is an anomaly without further evidence."""
    (low_a, high_a), (low_c, high_c) = known.current_a, known.temperature_c
    beyond_a = max(BEYOND_A * max(abs(low_a), abs(high_a)), 1e-3)
    return Range(
        current_a=(round(low_a - beyond_a, 3), round(high_a + beyond_a, 3)),
        temperature_c=(round(low_c - BEYOND_C, 2), round(high_c + BEYOND_C, 2)),
    )


def _within(peaks: Floats, spare: int, margin: float) -> Floats:
    """Limits (k,) beyond the peaks (sessions, k) of all sessions except the ``spare`` ones that raise the limits
    most."""
    kept = peaks
    for _ in range(min(spare, len(peaks) - 1)):
        worth = [np.log(np.delete(kept, row, axis=0).max(axis=0)).sum() for row in range(len(kept))]
        kept = np.delete(kept, int(np.argmin(worth)), axis=0)
    return np.asarray(kept.max(axis=0) * margin)


def _score_peaks(session: Samples, scores: Scores, by: Evidence, gap_s: float) -> list[float]:
    """The session's highest error, the highest error that ``of`` of ``out_of`` samples pass, the worst forest score."""
    of = tails(session.ts, session.current_a, session.temperature_c, length=LENGTH)
    seen = session_of(of, by, gap_s)
    lead = np.full(by.out_of - 1, -np.inf)
    errors = sliding_window_view(np.concatenate([lead, scores.reconstruction_error]), by.out_of)
    often = np.sort(np.where(seen.settled[:, -by.out_of :], errors, 0.0), axis=1)[:, by.out_of - by.of]
    running = ~seen.warming
    return [
        float(np.max(scores.reconstruction_error, where=running, initial=1e-9)),
        float(np.max(often, where=running, initial=1e-9)),
        float(np.max(-scores.forest_score, where=running, initial=1e-9)),
    ]


def _change_peaks(session: Samples, by: Evidence, gap_s: float) -> list[float]:
    of = tails(session.ts, session.current_a, session.temperature_c, length=LENGTH)
    seen = session_of(of, by, gap_s)
    return [float(change_of(of, seen, one).max(where=~seen.warming, initial=1e-9)) for one in by.changes]


def _floor(readings: Sequence[Floats]) -> float:
    """The scatter that hardly any run of samples exceeds: the noise where it is largest."""
    found = [sliding_window_view(r, _SCATTER).std(axis=1) for r in readings if len(r) >= _SCATTER]
    return max(float(np.quantile(np.concatenate(found), _FLOOR_SHARE)), 1e-6) if found else 1.0


def _stuck(readings: Sequence[Floats]) -> int | None:
    """Three times the longest repetition of normal readings, at least 12. None if that is more than the policy can
    see."""
    times = max(_STUCK_LEAST, _STUCK_TIMES * max((_longest(r) for r in readings), default=1))
    return times if times <= _STUCK_MOST else None


def _longest(readings: Floats) -> int:
    ends = np.flatnonzero(np.diff(readings) != 0)
    return int(np.diff(np.concatenate([[-1], ends, [len(readings) - 1]])).max(initial=0))
