"""Raw or scaled: told from the split thresholds, or not told at all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from repository import SHIPPED_BUNDLE
from sklearn.ensemble import IsolationForest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from models.detectors.forest import Forest
from models.legacy.forest_input import ForestInput, judge
from scoring.bundle import Scaler, load
from window.features import FeatureRules, features, tails


def charges(seed: int, *, sessions: int = 10) -> np.ndarray:
    """Features of charges with starts, noise, and a spike now and then: tails as heavy as a logger's."""
    rng = np.random.default_rng(seed)
    ts = np.arange(400.0)
    parts = []
    for _ in range(sessions):
        current_a = rng.uniform(0.5, 5) + 0.01 * rng.normal(size=400)
        current_a[:2] = 0
        current_a[rng.integers(400, size=2)] += 3
        temperature_c = rng.uniform(10, 35) + 0.01 * ts + 0.02 * rng.normal(size=400)
        parts.append(features(tails(ts, current_a, temperature_c), FeatureRules(rate="diff")))
    return np.concatenate(parts)


def evidence(grown_on: np.ndarray, scaled_by: np.ndarray, trees: int = 60) -> ForestInput:
    fitted = StandardScaler().fit(scaled_by)
    forest = IsolationForest(n_estimators=trees, max_samples=min(256, len(grown_on)), random_state=1).fit(grown_on)
    return judge(Forest.of(forest), Scaler(fitted.mean_, fitted.scale_))


@pytest.mark.parametrize("seed", range(6))
def test_charges_tell(seed: int) -> None:
    """Both ways, for whatever charges."""
    rows = charges(seed)
    assert evidence(rows, rows).answer == "raw"
    assert evidence(StandardScaler().fit_transform(rows), rows).answer == "scaled"


def test_the_shipped_forest_is_raw(forest_of: Callable[[bytes], Forest]) -> None:
    """Trained by other code on other charges."""
    forest = forest_of((SHIPPED_BUNDLE / "isolation_forest.npz").read_bytes())
    assert judge(forest, load(SHIPPED_BUNDLE).scaler).answer == "raw"


def test_another_scaler_is_unclear() -> None:
    """Values from 0 to 1 are small, as scaled ones are, but do not lie around the mean."""
    rows = charges(1)
    found = evidence(MinMaxScaler().fit_transform(rows), rows)
    assert (found.answer, found.straddling) == (None, 0.0)
    assert "on both sides of the scaler's mean" in found.sentence


def test_features_that_were_standard_before_are_unclear() -> None:
    """Mean 0 and deviation 1 on the way in: both readings fit equally."""
    rows = StandardScaler().fit_transform(charges(2))
    found = evidence(rows, rows)
    assert found.answer is None
    assert np.abs(found.likelihood).max() < 0.01


def test_a_scaler_of_other_data_is_unclear() -> None:
    """Half of the columns scaled, half not."""
    rows = charges(3)
    mixed = rows.copy()
    mixed[:, ::2] = StandardScaler().fit_transform(rows)[:, ::2]
    assert evidence(mixed, rows).answer is None


def test_too_few_splits_are_unclear() -> None:
    """One tree of eight rows."""
    rows = charges(4)
    found = evidence(rows[:8], rows, trees=1)
    assert found.answer is None
    assert "too few splits" in found.sentence
