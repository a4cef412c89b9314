"""Rows to compare converted models on, made without data: from the scaler's means and deviations alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.detectors import parity
from models.detectors.forest import Forest
from models.legacy.forest_input import SCALED
from scoring.bundle import Scaler
from window.features import FEATURES, FeatureRules, features, tails
from window.samples import Floats

_CHARGES, _SAMPLES, _SETTLED = 40, 120, 5


@dataclass(frozen=True, slots=True)
class TrialRows:
    """``steady``: features (n, 14) of made-up charges near the training mean. ``rows``: those, rows scattered around
    them and around the mean, and the last ``boundary`` at the thresholds of the forest."""

    steady: Floats
    rows: Floats
    boundary: int


def made(scaler: Scaler, forest: Forest, forest_input: str, rules: FeatureRules, seed: int, count: int) -> TrialRows:
    """About ``count`` rows and three for each split of the forest; scaler and forest in the order of `FEATURES`."""
    rng = np.random.default_rng(seed)
    steady = _steady(scaler, rules, rng)
    gauss = scaler.mean + scaler.scale * rng.normal(size=(len(steady), len(FEATURES))) * 2.0
    base = np.concatenate([steady, gauss])
    spread = parity.spread_rows(base, seed, count)
    if forest_input == SCALED:
        edge = parity.boundary_rows(forest, scaler.standardise(base), seed) * scaler.scale + scaler.mean
    else:
        edge = parity.boundary_rows(forest, base, seed)
    return TrialRows(steady, np.concatenate([base, spread, edge]), len(edge))


def _steady(scaler: Scaler, rules: FeatureRules, rng: np.random.Generator) -> Floats:
    """Charges at a constant current each, within one deviation of the mean, warming slowly, one sample per second."""
    parts = []
    ts = np.arange(float(_SAMPLES))
    (mean_a, mean_c), (scale_a, scale_c) = scaler.mean[:2], scaler.scale[:2]
    for _ in range(_CHARGES):
        current_a = mean_a + scale_a * (rng.uniform(-1, 1) + 0.005 * rng.normal(size=_SAMPLES))
        temperature_c = mean_c + scale_c * (rng.uniform(-1, 1) + ts / _SAMPLES / 20)
        parts.append(features(tails(ts, current_a, temperature_c), rules)[_SETTLED:])
    return np.concatenate(parts)
