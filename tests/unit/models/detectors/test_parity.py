"""The shipped graph against independent oracles, over more than 100,000 rows."""

from collections.abc import Callable

import numpy as np
import pytest
from repository import SHIPPED_BUNDLE

from models.detectors.export import floored
from models.detectors.forest import Forest, fit
from models.detectors.network import reconstruction_error
from models.detectors.parity import boundary_rows, spread_rows
from scoring.bundle import Bundle, load


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """The default bundle."""
    return load(SHIPPED_BUNDLE)


@pytest.fixture(scope="module")
def forest(forest_of: Callable[[bytes], Forest]) -> Forest:
    """Its forest, from the file, which holds no pickle."""
    return forest_of((SHIPPED_BUNDLE / "isolation_forest.npz").read_bytes())


@pytest.fixture(scope="module")
def rows(bundle: Bundle, forest: Forest) -> np.ndarray:
    """100,000 rows around the training data, then three for each threshold of the forest."""
    rng = np.random.default_rng(11)
    scaler = bundle.scaler
    typical = scaler.mean + scaler.scale * rng.normal(size=(20_000, 14))
    return np.concatenate([spread_rows(typical, 12, 100_000), boundary_rows(forest, typical, 13)])


def path_lengths(forest: Forest, rows: np.ndarray) -> np.ndarray:
    """Total path length of each row, walked tree by tree with the thresholds as scikit-learn has them, float64."""

    def unsuccessful(n: np.ndarray) -> np.ndarray:
        harmonic = np.log(np.maximum(n - 1, 1)) + np.euler_gamma
        return np.where(n > 2, 2 * harmonic - 2 * (n - 1) / n, (n == 2).astype(float))

    seen = rows.astype(np.float32).astype(np.float64)
    total = np.zeros(len(rows))
    for start, end in zip(forest.starts[:-1], forest.starts[1:], strict=True):
        left, right = forest.left[start:end], forest.right[start:end]
        at = np.zeros(len(rows), np.intp)
        depth = np.zeros(len(rows))
        for _ in range(end - start):
            inner = np.flatnonzero(left[at] >= 0)
            if not len(inner):
                break
            node = at[inner]
            goes_left = seen[inner, forest.feature[start:end][node]] <= forest.threshold[start:end][node]
            at[inner] = np.where(goes_left, left[node], right[node])
            depth[inner] += 1
        total += depth + unsuccessful(forest.samples[start:end][at].astype(float))
    return total


def test_the_forest_scores_as_its_trees_do(bundle: Bundle, forest: Forest, rows: np.ndarray) -> None:
    """Over all rows, walked in float64: Liu, Ting and Zhou's score."""
    n = forest.max_samples
    normal = forest.trees * (2 * (np.log(n - 1) + np.euler_gamma) - 2 * (n - 1) / n)
    expected = -(2.0 ** (-path_lengths(forest, rows) / normal))
    assert len(rows) >= 100_000 + 3 * (forest.left >= 0).sum()
    assert np.abs(bundle.graph.score(rows).forest_score - expected).max() < 1e-9


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_autoencoder_scores_as_keras_does(bundle: Bundle, rows: np.ndarray) -> None:
    """Over all rows, and with the same verdict but where the error is the threshold to six digits."""
    import keras

    model = keras.models.load_model(SHIPPED_BUNDLE / "autoencoder.keras", compile=False)
    weights = np.array(bundle.config.error_weights)
    expected = reconstruction_error(model, bundle.scaler.standardise(rows), weights)
    found = bundle.graph.score(rows).reconstruction_error
    assert np.allclose(found, expected, rtol=5e-5, atol=1e-6)
    limit = bundle.config.thresholds.reconstruction_error
    unlike = (found > limit) != (expected > limit)
    assert (np.abs(expected[unlike] - limit) < 1e-4 * limit).all()


def test_a_fresh_forest_comes_back_exactly_and_scores_as_scikit_learn(
    rows: np.ndarray, forest_of: Callable[[bytes], Forest]
) -> None:
    """Through the file, with scikit-learn itself as the oracle, on its thresholds and a float32 step around."""
    trained = fit(rows[:5000], trees=30, seed=4)
    forest = forest_of(Forest.of(trained).to_bytes())
    for k, estimator in enumerate(trained.estimators_):
        nodes = slice(forest.starts[k], forest.starts[k + 1])
        assert np.array_equal(forest.threshold[nodes], estimator.tree_.threshold)
        assert np.array_equal(forest.feature[nodes], estimator.tree_.feature)
        assert np.array_equal(forest.left[nodes], estimator.tree_.children_left)
        assert np.array_equal(forest.samples[nodes], estimator.tree_.n_node_samples)
    edge = boundary_rows(forest, rows[:5000], 5)
    score = -(2.0 ** (-path_lengths(forest, edge) / forest.normaliser))
    assert np.abs(score - trained.score_samples(edge)).max() < 1e-12


def test_floored_thresholds_decide_as_float64_ones() -> None:
    """For every float32 next to a threshold, the same side; rounding to nearest would fail."""
    threshold = np.random.default_rng(6).normal(size=20_000) * 40
    near = threshold.astype(np.float32)
    low = floored(threshold)
    wrong_if_nearest = 0
    for step in (-np.inf, 0.0, np.inf):
        x = near if step == 0.0 else np.nextafter(near, np.float32(step))
        assert np.array_equal(x.astype(np.float64) <= threshold, x <= low)
        wrong_if_nearest += int((((x.astype(np.float64)) <= threshold) != (x <= near)).sum())
    assert wrong_if_nearest > 0
