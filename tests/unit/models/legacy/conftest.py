"""The old service's files as it wrote them: Keras 2, Keras 3 and scikit-learn themselves, trained once a session."""

from __future__ import annotations

import io
import json
import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest

from window.features import FEATURES, FeatureRules, features, tails

NAMES = [FEATURES[k] for k in (6, 1, 13, 0, 9, 4, 2, 12, 3, 8, 11, 5, 10, 7)]
CONFIG = {
    "reconstruction_threshold": 0.6,
    "severity": {
        "current": {"medium": 3.0, "high": 4.0, "critical": 5.0},
        "temperature": {"medium": 40, "high": 50, "critical": 60},
    },
}
H5Change = Callable[[h5py.File], None]


def charges(seed: int, count: int) -> np.ndarray:
    """Features (n, 14) in our order: charges with a start, a constant and a falling current."""
    rng = np.random.default_rng(seed)
    parts = []
    ts = np.arange(200.0)
    for _ in range(count):
        current_a = rng.uniform(1, 4) * np.minimum(1.0, np.exp((120 - ts) / 40)) + 0.02 * rng.normal(size=200)
        current_a[:2] = 0.0
        temperature_c = rng.uniform(18, 35) + 0.02 * np.minimum(ts, 120) + 0.05 * rng.normal(size=200)
        parts.append(features(tails(ts, current_a, temperature_c), FeatureRules(rate="diff")))
    return np.concatenate(parts)


def layers(keras: Any, *, slope: float = 0.2, hidden: tuple[int, ...] = (32, 16, 8, 16, 32)) -> list[Any]:
    """The old service's layers, made by either Keras."""
    slopes = {"alpha": slope} if keras.__name__ == "tf_keras" else {"negative_slope": slope}
    made = []
    for units in hidden:
        made += [keras.layers.Dense(units), keras.layers.BatchNormalization(), keras.layers.LeakyReLU(**slopes)]
        if units != 8:
            made.append(keras.layers.Dropout(0.25))
    return [*made, keras.layers.Dense(14)]


def chained(keras: Any, made: list[Any]) -> Any:
    """A functional model of ``made``."""
    x = rows = keras.Input((14,))
    for layer in made:
        x = layer(x)
    return keras.Model(rows, x)


def saved(model: Any, folder: Path) -> bytes:
    """What ``model.save`` writes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(folder / "model.h5")
    return (folder / "model.h5").read_bytes()


@dataclass(frozen=True)
class Old:
    """The old service: ``rows`` it learnt, in its own order, its objects, and the .h5 of either Keras."""

    rows: np.ndarray
    scaler: Any
    forests: dict[str, Any]
    models: dict[str, Any]
    h5: dict[str, bytes]

    def answers(self, ours: np.ndarray, keras: str, forest_input: str) -> tuple[np.ndarray, np.ndarray]:
        """What the old service computed for features in our order: errors, and whether `predict` says -1."""
        rows = ours[:, [FEATURES.index(name) for name in NAMES]]
        scaled = self.scaler.transform(rows)
        rebuilt = np.asarray(self.models[keras](scaled, training=False))
        apart = self.forests[forest_input].predict(scaled if forest_input == "scaled" else rows) == -1
        return np.mean((scaled - rebuilt) ** 2, axis=1), apart


@pytest.fixture(scope="session")
def old(tmp_path_factory: pytest.TempPathFactory) -> Old:
    """A few steps and forty trees: enough to move every weight."""
    from sklearn.ensemble import IsolationForest
    from sklearn.preprocessing import StandardScaler

    rows = charges(1, 12)[:, [FEATURES.index(name) for name in NAMES]]
    scaler = StandardScaler().fit(rows)
    scaled = scaler.transform(rows).astype(np.float32)
    models, h5 = {}, {}
    with warnings.catch_warnings():
        # Both Keras and TensorFlow warn about their own insides.
        warnings.simplefilter("ignore")
        import keras
        import tf_keras

        for name, module in (("keras2", tf_keras), ("keras3", keras)):
            # Names of layers count on from what a process has made before.
            module.backend.clear_session()
            module.utils.set_random_seed(5)
            first = module.layers.InputLayer(input_shape=(14,)) if name == "keras2" else module.layers.InputLayer((14,))
            model = module.Sequential([first, *layers(module)])
            # Eagerly: to compile the few steps would take far longer than to make them.
            model.compile(module.optimizers.Adam(0.01), "mse", run_eagerly=True)
            model.fit(scaled, scaled, epochs=4, batch_size=300, verbose=0)
            models[name], h5[name] = model, saved(model, tmp_path_factory.mktemp(name))

    def forest(of: np.ndarray) -> Any:
        return IsolationForest(n_estimators=40, contamination=0.02, random_state=2).fit(of)

    forests = {"raw": forest(rows), "scaled": forest(scaler.transform(rows))}
    return Old(rows, scaler, forests, models, h5)


@pytest.fixture
def legacy(old: Old, tmp_path: Path) -> Callable[..., Path]:
    """Makes the old service's folder: Keras 2 and a forest on raw features unless said otherwise."""

    def make(
        *,
        keras: str = "keras2",
        forest_input: str = "raw",
        config: Any = CONFIG,
        names: Any = NAMES,
        h5: bytes | None = None,
        scaler: Any = None,
        forest: Any = None,
    ) -> Path:
        folder = tmp_path / "old"
        folder.mkdir(exist_ok=True)
        (folder / "autoencoder_best.h5").write_bytes(h5 or old.h5[keras])
        (folder / "scaler.pkl").write_bytes(pickle.dumps(scaler or old.scaler))
        (folder / "isolation_forest.pkl").write_bytes(pickle.dumps(forest or old.forests[forest_input]))
        (folder / "feature_names.json").write_text(json.dumps(names))
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    return make


@pytest.fixture
def keras_files() -> SimpleNamespace:
    """Makes other networks: `layers`, `chained` to a model, `saved` to the bytes of a file."""
    return SimpleNamespace(layers=layers, chained=chained, saved=saved)


@pytest.fixture
def changed() -> Callable[[bytes, H5Change], bytes]:
    """An .h5 file after a change made to it with h5py."""

    def change(content: bytes, by: H5Change) -> bytes:
        memory = io.BytesIO(content)
        with h5py.File(memory, "r+") as opened:
            by(opened)
        return memory.getvalue()

    return change
