"""Proves that the graph scores as Keras and scikit-learn do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.detectors.export import floored
from models.detectors.forest import LEAF, Forest
from models.detectors.network import reconstruction_error
from scoring.bundle import ERROR_ATOL, ERROR_RTOL, FOREST_ATOL, Scaler
from scoring.config import Thresholds
from scoring.graph import Graph
from window.samples import Floats

ROWS = 100_000
_CHUNK = 50_000


class ParityError(Exception):
    """The graph does not score as the models it was made from. No bundle may be written."""


@dataclass(frozen=True, slots=True)
class Parity:
    """The result of a comparison: the number of rows, the largest differences, and the verdicts that differ.

    A verdict may differ only where a score equals its threshold within the tolerance. ``verdicts_differ`` counts the
    others, and is 0 in every bundle.
    """

    rows: int
    boundary_rows: int
    worst_error_difference: float
    worst_error_ratio: float
    worst_forest_difference: float
    verdicts_differ: int

    def as_dict(self) -> dict[str, float]:
        """For the manifest."""
        return asdict(self)


def boundary_rows(forest: Forest, features: Floats, seed: int) -> Floats:
    """Three rows for every threshold of the forest: its feature at the threshold's float32, one step below and one step
    above, the other features from a row of ``features`` (n, 14)."""
    rng = np.random.default_rng(seed)
    inner = forest.left != LEAF
    at = floored(forest.threshold[inner])
    column = forest.feature[inner]
    parts = []
    for towards in (-np.inf, None, np.inf):
        value = at if towards is None else np.nextafter(at, np.float32(towards))
        rows = features[rng.integers(len(features), size=len(at))].copy()
        rows[np.arange(len(at)), column] = value
        parts.append(rows)
    return np.concatenate(parts)


def spread_rows(features: Floats, seed: int, count: int) -> Floats:
    """``count`` rows (count, 14): real ones, real ones with more and more noise, and columns mixed between rows."""
    rng = np.random.default_rng(seed)
    third = count // 3
    near = features[rng.integers(len(features), size=third)]
    sigma = features.std(axis=0) * 10.0 ** rng.uniform(-3.0, 1.5, (third, 1))
    shaken = features[rng.integers(len(features), size=third)] + rng.normal(size=near.shape) * sigma
    rest = count - 2 * third
    mixed = np.column_stack([column[rng.integers(len(column), size=rest)] for column in features.T])
    return np.concatenate([near, shaken, mixed])


Oracle = Callable[[Floats], tuple[Floats, Floats]]
"""The models themselves: from features (n, 14) to reconstruction errors and forest scores, each (n,)."""


def oracle_of(autoencoder: Any, trained_forest: Any, scaler: Scaler, weights: Floats | None = None) -> Oracle:
    """Keras and scikit-learn on raw features. ``weights`` (14,): of the squared residuals in the error; None for
    their mean."""

    def oracle(part: Floats) -> tuple[Floats, Floats]:
        error = reconstruction_error(autoencoder, scaler.standardise(part), weights)
        return error, np.asarray(trained_forest.score_samples(part))

    return oracle


def compare(graph: Graph, oracle: Oracle, thresholds: Thresholds, rows: Floats) -> Parity:
    """Compare the graph with the models over ``rows`` (n, 14).

    Raises `ParityError` where they differ by more than the tolerances a bundle is loaded with, or in any verdict.
    """
    far = 0
    worst = np.zeros(3)
    differ = 0
    for begin in range(0, len(rows), _CHUNK):
        part = rows[begin : begin + _CHUNK]
        scores = graph.score(part)
        error, forest = oracle(part)
        off = np.abs(scores.reconstruction_error - error)
        off_forest = np.abs(scores.forest_score - forest)
        worst = np.maximum(worst, [off.max(), (off / (error + 1e-3)).max(), off_forest.max()])
        error_bound = ERROR_ATOL + ERROR_RTOL * error
        far += int((~(off <= error_bound) | ~(off_forest <= FOREST_ATOL)).sum())
        clear = np.abs(error - thresholds.reconstruction_error) > error_bound
        other = (scores.reconstruction_error > thresholds.reconstruction_error) != (
            error > thresholds.reconstruction_error
        )
        clear_forest = np.abs(forest - thresholds.forest_score) > FOREST_ATOL
        other_forest = (scores.forest_score < thresholds.forest_score) != (forest < thresholds.forest_score)
        differ += int(((other & clear) | (other_forest & clear_forest)).sum())
    found = Parity(len(rows), 0, float(worst[0]), float(worst[1]), float(worst[2]), differ)
    if far or differ:
        raise ParityError(
            f"the graph is not the trained models: {far} of {len(rows)} rows differ beyond the tolerance, "
            f"{differ} verdicts differ ({found})"
        )
    return found
