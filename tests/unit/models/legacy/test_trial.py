"""The rows a converted bundle is tried with lie where they are meant to lie."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from models.detectors.forest import Forest
from models.legacy import trial
from scoring.bundle import Scaler
from window.features import FeatureRules

RNG = np.random.default_rng(3)
SCALER = Scaler(RNG.uniform(-5, 30, 14), RNG.uniform(0.01, 9, 14))


@pytest.mark.parametrize("forest_input", ["raw", "scaled"])
def test_boundary_rows_are_on_the_boundary(forest_input: str) -> None:
    """As the forest sees them, in float32: below, at and above each threshold, to one step."""
    seen = RNG.normal(size=(500, 14))
    seen = seen if forest_input == "scaled" else seen * SCALER.scale + SCALER.mean
    forest = Forest.of(IsolationForest(n_estimators=10, random_state=1).fit(seen))
    made = trial.made(SCALER, forest, forest_input, FeatureRules(rate="diff"), 0, 900)
    inner = forest.left >= 0
    assert made.boundary == 3 * inner.sum()
    rows = made.rows[-made.boundary :]
    looked_at = (rows - SCALER.mean) / SCALER.scale if forest_input == "scaled" else rows
    column = np.tile(forest.feature[inner], 3)
    values = looked_at[np.arange(len(rows)), column].astype(np.float32).reshape(3, -1)
    threshold = forest.threshold[inner]
    assert (values[1] <= threshold).all()
    assert (values[2] > threshold).all()
    assert np.array_equal(np.nextafter(values[1], np.float32(np.inf)), values[2])
    assert np.array_equal(np.nextafter(values[1], np.float32(-np.inf)), values[0])


def test_steady_charges_are_near_the_mean() -> None:
    """Current and temperature within a deviation or so; the rest follows from them by the very feature code."""
    forest = Forest.of(IsolationForest(n_estimators=5, random_state=1).fit(RNG.normal(size=(100, 14))))
    made = trial.made(SCALER, forest, "raw", FeatureRules(rate="diff"), 0, 900)
    scaled = (made.steady[:, :2] - SCALER.mean[:2]) / SCALER.scale[:2]
    assert np.abs(scaled).max() < 1.2
    assert np.allclose(made.steady[:, 13], made.steady[:, 0] * made.steady[:, 1])
    assert np.isfinite(made.rows).all()
