"""The old scaler and forest as plain arrays, after a check of what they are."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from models.detectors.forest import LEAF, Forest
from models.legacy.errors import LegacyError
from models.legacy.files import FOREST, NAMES, SCALER
from scoring.bundle import Scaler
from window.features import FEATURES
from window.samples import Floats


def scaler_of(loaded: Any, names: list[str]) -> Scaler:
    """The scaler's numbers in the old order. Raises `LegacyError` if it was not fitted to these features."""
    _check_fitted(loaded, SCALER, names, ("mean_", "scale_", "with_mean"))
    width = len(FEATURES)
    try:
        # scikit-learn keeps None for what the scaler does not scale.
        mean = np.zeros(width) if loaded.mean_ is None or not loaded.with_mean else np.asarray(loaded.mean_, np.float64)
        scale = np.ones(width) if loaded.scale_ is None else np.asarray(loaded.scale_, np.float64)
    except (TypeError, ValueError) as error:
        raise LegacyError(f"{SCALER} holds something else than numbers ({error}).") from error
    for what, values in (("mean", mean), ("scale", scale)):
        if values.shape != (width,):
            raise LegacyError(f"{SCALER} has a {what} of shape {values.shape}; one number for each of 14 is needed.")
        broken = ~np.isfinite(values) | ((values <= 0) if what == "scale" else False)
        if broken.any():
            said = ", ".join(f"{names[k]} = {values[k]:g}" for k in np.flatnonzero(broken))
            raise LegacyError(
                f"{SCALER} has a {what} that nothing can be scaled by: {said}. It was fitted to broken data; "
                "train a new bundle with `battery-watch train`."
            )
    return Scaler(mean, scale)


def constant_features(loaded: Any, names: list[str]) -> list[str]:
    """Features that never changed in the old training data. The model takes any change of them for an anomaly."""
    variance = getattr(loaded, "var_", None)
    return [] if variance is None else [name for name, var in zip(names, variance, strict=True) if var == 0]


def forest_of(loaded: Any, names: list[str]) -> Forest:
    """The forest's trees, features numbered in the old order. Raises `LegacyError` for another forest or one that was
    not fitted.

    A forest from scikit-learn before 1.3 gets the two tables that later versions keep beside the trees.
    """
    _check_fitted(loaded, FOREST, names, ("estimators_", "estimators_features_", "offset_", "_max_features"))
    try:
        forest = _trees_of(loaded)
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise LegacyError(f"{FOREST} has trees that cannot be read ({type(error).__name__}: {error}).") from error
    if not -1.0 <= float(loaded.offset_) <= 0.0:
        raise LegacyError(f"{FOREST} calls anomalous what scores below {loaded.offset_}; scores lie between -1 and 0.")
    if not (forest.left != LEAF).any() or not np.isfinite(forest.threshold).all():
        raise LegacyError(f"{FOREST} has no splits, or splits at numbers that are not finite: it separates nothing.")
    return forest


def _trees_of(loaded: Any) -> Forest:
    if not hasattr(loaded, "_decision_path_lengths"):
        from sklearn.ensemble._iforest import _average_path_length

        loaded._average_path_length_per_tree, loaded._decision_path_lengths = zip(
            *(
                (_average_path_length(e.tree_.n_node_samples), e.tree_.compute_node_depths())
                for e in loaded.estimators_
            ),
            strict=True,
        )
    forest = Forest.of(loaded)
    if loaded._max_features == len(FEATURES):
        return forest
    # Each tree saw some columns only, and numbers those.
    feature = forest.feature.copy()
    for k, columns in enumerate(loaded.estimators_features_):
        nodes = slice(forest.starts[k], forest.starts[k + 1])
        inner = forest.left[nodes] != LEAF
        feature[nodes][inner] = np.asarray(columns, np.int32)[feature[nodes][inner]]
    return replace(forest, feature=feature)


def reordered(forest: Forest, names: list[str]) -> Forest:
    """The same trees with the features numbered as `FEATURES` is."""
    ours = np.array([FEATURES.index(name) for name in names], np.int32)
    inner = forest.left != LEAF
    return replace(forest, feature=np.where(inner, ours[np.where(inner, forest.feature, 0)], forest.feature))


def quietly(call: Any, rows: Floats) -> Floats:
    """``call(rows)`` without scikit-learn's warning about missing column names: the order was checked already."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        return np.asarray(call(rows), np.float64)


def _check_fitted(loaded: Any, name: str, names: list[str], needed: tuple[str, ...]) -> None:
    absent = [attribute for attribute in needed if not hasattr(loaded, attribute)]
    if absent:
        raise LegacyError(f"{name} holds a {type(loaded).__name__} that was never fitted (no {', '.join(absent)}).")
    width = getattr(loaded, "n_features_in_", None)
    if width != len(FEATURES):
        raise LegacyError(f"{name} was fitted to {width} features; the old service's models take {len(FEATURES)}.")
    own = getattr(loaded, "feature_names_in_", None)
    if own is not None and [str(one) for one in own] != names:
        first = next(k for k, (a, b) in enumerate(zip(own, names, strict=True)) if str(a) != b)
        raise LegacyError(
            f"{name} and {NAMES} contradict each other from column {first + 1} on: {name} says {own[first]}, {NAMES} "
            f"says {names[first]}. The order {name} was fitted with: {', '.join(str(one) for one in own)}. "
            f"Correct {NAMES} if the autoencoder has that order too; otherwise the files do not belong together."
        )
