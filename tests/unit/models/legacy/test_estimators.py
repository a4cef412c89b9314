"""Scalers and forests that are not what they are taken for, and those that are."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.preprocessing import StandardScaler

from models.detectors.export import to_onnx
from models.detectors.network import Layer
from models.legacy import estimators
from models.legacy.errors import LegacyError
from scoring.bundle import Scaler
from scoring.graph import Graph
from window.features import FEATURES

NAMES = [FEATURES[k] for k in (3, 1, 13, 0, 9, 4, 2, 12, 6, 8, 11, 5, 10, 7)]
RNG = np.random.default_rng(2)
ROWS = RNG.normal(size=(400, 14)) * RNG.uniform(0.5, 9, 14) + RNG.uniform(-5, 20, 14)


@pytest.fixture
def scaler() -> Any:
    return StandardScaler().fit(ROWS)


@pytest.fixture(scope="module")
def fitted() -> Any:
    return IsolationForest(n_estimators=10, random_state=1).fit(ROWS)


@pytest.fixture
def forest(fitted: Any) -> Any:
    return copy.deepcopy(fitted)


@pytest.mark.parametrize(("with_mean", "with_std"), [(True, True), (False, True), (True, False)])
def test_a_scaler_scales_as_scikit_learn(with_mean: bool, with_std: bool) -> None:
    """Told to leave the mean or the deviation alone, too."""
    fitted = StandardScaler(with_mean=with_mean, with_std=with_std).fit(ROWS)
    assert np.array_equal(estimators.scaler_of(fitted, NAMES).standardise(ROWS), fitted.transform(ROWS))


@pytest.mark.parametrize(
    ("attribute", "value", "said"),
    [
        ("scale_", 0.0, f"a scale that nothing can be scaled by: {NAMES[3]} = 0"),
        ("scale_", -1.0, f"{NAMES[3]} = -1"),
        ("scale_", np.nan, f"{NAMES[3]} = nan"),
        ("mean_", np.inf, f"a mean that nothing can be scaled by: {NAMES[3]} = inf"),
    ],
)
def test_a_broken_scaler(scaler: Any, attribute: str, value: float, said: str) -> None:
    """The feature is named, in the old order."""
    getattr(scaler, attribute)[3] = value
    with pytest.raises(LegacyError, match=said):
        estimators.scaler_of(scaler, NAMES)


def test_another_number_of_features() -> None:
    """13 or 15, of either object."""
    for rows in (ROWS[:, :13], np.column_stack([ROWS, ROWS[:, 0]])):
        with pytest.raises(LegacyError, match=f"scaler.pkl was fitted to {rows.shape[1]} features"):
            estimators.scaler_of(StandardScaler().fit(rows), NAMES)
        forest = IsolationForest(n_estimators=2, random_state=1).fit(rows)
        with pytest.raises(LegacyError, match=f"isolation_forest.pkl was fitted to {rows.shape[1]} features"):
            estimators.forest_of(forest, NAMES)


def test_objects_that_were_never_fitted() -> None:
    """Saved before training."""
    with pytest.raises(LegacyError, match="StandardScaler that was never fitted"):
        estimators.scaler_of(StandardScaler(), NAMES)
    with pytest.raises(LegacyError, match="IsolationForest that was never fitted"):
        estimators.forest_of(IsolationForest(), NAMES)


def test_names_that_contradict_each_other() -> None:
    """Where they part, and both orders; the right names pass."""
    frame = pd.DataFrame(ROWS, columns=NAMES)
    assert len(estimators.scaler_of(StandardScaler().fit(frame), NAMES).mean) == 14
    turned = [NAMES[0], NAMES[2], NAMES[1], *NAMES[3:]]
    said = f"from column 2 on: {{}} says {NAMES[1]}, feature_names.json says {NAMES[2]}"
    with pytest.raises(LegacyError, match=said.format("scaler.pkl")):
        estimators.scaler_of(StandardScaler().fit(frame), turned)
    forest = IsolationForest(n_estimators=2, random_state=1).fit(frame)
    with pytest.raises(LegacyError, match=said.format("isolation_forest.pkl")):
        estimators.forest_of(forest, turned)


def test_features_that_never_changed() -> None:
    """Named; a scaler with variance in each names none."""
    rows = ROWS.copy()
    rows[:, 5] = 3.0
    assert estimators.constant_features(StandardScaler().fit(rows), NAMES) == [NAMES[5]]
    assert estimators.constant_features(StandardScaler().fit(ROWS), NAMES) == []


@pytest.mark.parametrize("offset", [np.nan, 0.5, -1.5])
def test_a_forest_with_an_impossible_boundary(forest: Any, offset: float) -> None:
    """Scores lie between -1 and 0."""
    forest.offset_ = offset
    with pytest.raises(LegacyError, match="calls anomalous what scores below"):
        estimators.forest_of(forest, NAMES)


def test_a_forest_that_separates_nothing() -> None:
    """Grown on rows that are all the same."""
    with pytest.raises(LegacyError, match="no splits"):
        estimators.forest_of(IsolationForest(n_estimators=3, random_state=1).fit(np.ones((50, 14))), NAMES)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("max_features", [1.0, 5])
@pytest.mark.parametrize("contamination", ["auto", 0.05])
def test_rearranged_trees_predict_as_scikit_learn(
    scaler: Any, scaled: bool, max_features: Any, contamination: Any
) -> None:
    """On raw and scaled features, with trees that saw five columns each, for either meaning of the boundary: below
    `offset_` is exactly what `predict` calls -1."""
    old = IsolationForest(n_estimators=12, max_features=max_features, contamination=contamination, random_state=4)
    seen = scaler.transform(ROWS) if scaled else ROWS
    old.fit(seen)
    order = [NAMES.index(name) for name in FEATURES]
    forest = estimators.reordered(estimators.forest_of(old, NAMES), NAMES)
    ours = Scaler(scaler.mean_[order], scaler.scale_[order])
    layers = [Layer(np.eye(14), np.zeros(14))]
    graph = Graph(to_onnx(ours, layers, forest, forest_input="scaled" if scaled else "raw"))
    score = graph.score(ROWS[:, order]).forest_score
    assert np.abs(score - old.score_samples(seen)).max() < 1e-9
    assert np.array_equal(score < old.offset_, old.predict(seen) == -1)


def test_a_graph_on_scaled_features_says_nothing_of_what_is_not_finite(scaler: Any, forest: Any) -> None:
    """As one on raw features: NaN, never a verdict."""
    ours = Scaler(scaler.mean_, scaler.scale_)
    graph = Graph(
        to_onnx(ours, [Layer(np.eye(14), np.zeros(14))], estimators.forest_of(forest, NAMES), forest_input="scaled")
    )
    rows = ROWS[:4].copy()
    rows[0, 0], rows[1, 5], rows[2, 13] = np.nan, np.inf, 1e300
    scores = graph.score(rows)
    assert np.isnan(scores.forest_score).tolist() == [True, True, True, False]
    assert np.isnan(scores.reconstruction_error[:3]).all()
