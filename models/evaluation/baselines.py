"""Simpler detectors on the same data, to show what the bundle's models and policy are worth.

Each is calibrated on normal charges: its threshold is the lowest that stays within the same budget of false episodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from models.data.sessions import features_of, hours
from models.evaluation.evaluate import Detector, episodes, of_bundle
from scoring.bundle import Bundle
from scoring.config import Thresholds
from window.samples import Floats, Samples

Score = Callable[[Samples], Floats]
"""How strange each sample of a session is, (n,). Larger is stranger."""
PLAIN_QUANTILE = 0.999
_WINDOW = 30
_TRAINING_ROWS = 20_000
_NEVER = 1e300


def baselines(bundle: Bundle, normal: Sequence[Samples], *, budget: float, seed: int) -> dict[str, Detector]:
    """Detectors by name, calibrated on ``normal`` sessions: the plain rule, each model alone, the policy without the
    models, a rolling z-score, and river's HalfSpaceTrees if river is installed."""
    error, forest = _error(bundle), _forest(bundle)
    found = {
        "plain rule (MSE, 99.9 % quantile)": _above(
            error, float(np.quantile(np.concatenate([error(s) for s in normal]), PLAIN_QUANTILE))
        ),
        "autoencoder alone": _calibrated(error, normal, budget),
        "isolation forest alone": _calibrated(forest, normal, budget),
        "rolling z-score": _calibrated(rolling_z, normal, budget),
    }
    if bundle.config.evidence is not None:
        found["changes, repeats and range alone, no model"] = of_bundle(_without_models(bundle))
    trees = _half_space_trees(bundle, normal, seed)
    if trees is not None:
        found["HalfSpaceTrees (river)"] = _calibrated(trees, normal, budget)
    return found


def rolling_z(session: Samples) -> Floats:
    """For each sample the larger distance of both readings from the mean of the 30 samples before it, in their standard
    deviations."""
    found = np.zeros(len(session))
    if len(session) <= _WINDOW:
        return found
    for readings in (session.current_a, session.temperature_c):
        past = np.lib.stride_tricks.sliding_window_view(readings, _WINDOW)[:-1]
        off = np.abs(readings[_WINDOW:] - past.mean(axis=1)) / np.maximum(past.std(axis=1), 1e-3)
        found[_WINDOW:] = np.maximum(found[_WINDOW:], off)
    return found


def threshold(scores: Sequence[Floats], sessions: Sequence[Samples], budget: float) -> float:
    """The lowest threshold, among the highest scores, above which there are at most ``budget`` episodes per hour."""
    most = int(budget * hours(sessions))
    candidates = np.unique(np.concatenate([np.sort(s)[-200:] for s in scores]))
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high) // 2
        count = sum(
            episodes(s.ts, score > candidates[middle], np.zeros(len(s), bool))
            for s, score in zip(sessions, scores, strict=True)
        )
        low, high = (low, middle) if count <= most else (middle + 1, high)
    return float(candidates[low])


def _without_models(bundle: Bundle) -> Bundle:
    never = Thresholds(reconstruction_error=_NEVER, forest_score=-_NEVER)
    return replace(bundle, config=bundle.config.model_copy(update={"thresholds": never}))


def _above(score: Score, limit: float) -> Detector:
    return lambda sessions: [score(s) > limit for s in sessions]


def _calibrated(score: Score, normal: Sequence[Samples], budget: float) -> Detector:
    return _above(score, threshold([score(s) for s in normal], normal, budget))


def _error(bundle: Bundle) -> Score:
    """The plain mean squared residual, without the bundle's weights."""

    def score(session: Samples) -> Floats:
        (rows,) = features_of([session], bundle.config.features.rules)
        residual = (rows - bundle.graph.score(rows).reconstruction) / bundle.scaler.scale
        return np.asarray(np.square(residual).mean(axis=1))

    return score


def _forest(bundle: Bundle) -> Score:
    def score(session: Samples) -> Floats:
        (rows,) = features_of([session], bundle.config.features.rules)
        return -bundle.graph.score(rows).forest_score

    return score


def _half_space_trees(bundle: Bundle, normal: Sequence[Samples], seed: int) -> Score | None:
    try:
        from river.anomaly import HalfSpaceTrees
    except ImportError:
        return None
    rows = np.concatenate(features_of(normal, bundle.config.features.rules))
    low, high = rows.min(axis=0), rows.max(axis=0)
    names = range(rows.shape[1])
    model = HalfSpaceTrees(n_trees=25, height=8, window_size=250, seed=seed)

    def scaled(of: Floats) -> list[dict[int, float]]:
        unit = np.clip((of - low) / np.maximum(high - low, 1e-9), 0.0, 1.0)
        return [dict(zip(names, row, strict=True)) for row in unit.tolist()]

    drawn = rows[np.sort(np.random.default_rng(seed).permutation(len(rows))[:_TRAINING_ROWS])]
    for row in scaled(drawn):
        model.learn_one(row)

    def score(session: Samples) -> Floats:
        (found,) = features_of([session], bundle.config.features.rules)
        return np.array([model.score_one(row) for row in scaled(found)])

    return score
