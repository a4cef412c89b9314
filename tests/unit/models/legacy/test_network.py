"""An .h5 file broken in each way is refused, and what it lost is named; the oracle is Keras."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from models.legacy import network, weights
from models.legacy.errors import LegacyError
from models.legacy.files import File

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
DENSE = ["dense", *(f"dense_{k}" for k in range(1, 6))]
NORM = ["batch_normalization", *(f"batch_normalization_{k}" for k in range(1, 5))]


def file(content: bytes) -> File:
    return File("autoencoder_best.h5", content)


def path(opened: h5py.File, layer: str, weight: str) -> str:
    """Where Keras wrote a weight of a layer."""
    names = opened["model_weights"][layer].attrs["weight_names"]
    found = next(name for name in names if str(name).removesuffix(":0").endswith(f"/{weight}"))
    return f"model_weights/{layer}/{found}"


def put(layer: str, weight: str, make: Callable[[np.ndarray], Any]) -> Callable[[h5py.File], None]:
    """A change that puts other numbers in a weight's place."""

    def change(opened: h5py.File) -> None:
        where = path(opened, layer, weight)
        values = make(opened[where][()])
        del opened[where]
        opened[where] = values

    return change


@pytest.mark.parametrize("keras", ["keras2", "keras3"])
def test_every_weight_is_read(old: Any, keras: str) -> None:
    """32 arrays, each the one the model had in memory."""
    found = weights.read(file(old.h5[keras]))
    assert (found.dense, found.norm) == (tuple(DENSE), tuple(NORM))
    assert len(found.weights) == 6 * 2 + 5 * 4
    model = old.models[keras]
    for layer, kinds in ((DENSE, ("kernel", "bias")), (NORM, ("gamma", "beta", "moving_mean", "moving_variance"))):
        for name in layer:
            for weight, values in zip(kinds, model.get_layer(name).get_weights(), strict=True):
                assert np.array_equal(found.weights[name, weight], values), (name, weight)
    assert found.keras.startswith(keras[-1])
    assert network.original(file(old.h5[keras]), found).count_params() == 2710


def lost_kernels(opened: h5py.File) -> None:
    """As a conversion leaves it that copied by other names: the Dense layers have no weights."""
    for layer in DENSE:
        opened["model_weights"][layer].attrs["weight_names"] = np.array([], dtype="S1")


def lost_one(opened: h5py.File) -> None:
    del opened[path(opened, "dense_3", "kernel")]


def lost_group(opened: h5py.File) -> None:
    del opened["model_weights"]["batch_normalization_2"]


def renamed(opened: h5py.File) -> None:
    opened["model_weights"].move("dense_5", "decoder_output")
    group = opened["model_weights"]["decoder_output"]
    first = path(opened, "decoder_output", "kernel")
    group["other/kernel"] = opened[first][()]
    group["other/bias"] = opened[path(opened, "decoder_output", "bias")][()]
    group.attrs["weight_names"] = np.array([b"other/kernel", b"other/bias"])


LOST = [
    (lost_kernels, [f"{layer}/{weight}" for layer in DENSE for weight in ("kernel", "bias")]),
    (lost_one, ["dense_3/kernel"]),
    (lost_group, [f"batch_normalization_2/{weight}" for weight in ("gamma", "beta", "moving_mean", "moving_variance")]),
    (renamed, ["dense_5/kernel", "dense_5/bias"]),
]


@pytest.mark.parametrize("keras", ["keras2", "keras3"])
@pytest.mark.parametrize(("change", "lost"), LOST, ids=[change.__name__ for change, _ in LOST])
def test_lost_weights_are_named(old: Any, changed: Any, keras: str, change: Any, lost: list[str]) -> None:
    """Exactly those that are not there, and no others."""
    with pytest.raises(LegacyError) as caught:
        weights.read(file(changed(old.h5[keras], change)))
    said = str(caught.value)
    assert f"autoencoder_best.h5 has lost weights: {', '.join(lost)}." in said
    assert "random numbers" in said
    assert ("other/bias, other/kernel" in said) == (change is renamed)


@pytest.mark.parametrize("keras", ["keras2", "keras3"])
def test_dense_weights_made_anew_are_named(old: Any, keras_files: Any, tmp_path: Path, keras: str) -> None:
    """What the old service's conversion wrote: trained normalisations, and Dense layers as they are born."""
    module = __import__("tf_keras" if keras == "keras2" else "keras")
    fresh = module.models.clone_model(old.models[keras])
    for layer in fresh.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.set_weights(old.models[keras].get_layer(layer.name).get_weights())
    content = keras_files.saved(fresh, tmp_path)
    with pytest.raises(LegacyError) as caught:
        weights.read(file(content))
    assert ", ".join(f"{name} (every bias is 0)" for name in DENSE) in str(caught.value)
    assert "no training has touched" in str(caught.value)
    assert "batch_normalization" not in str(caught.value)


UNFIT = [
    (put("dense_1", "kernel", np.zeros_like), r"dense_1 \(every weight is 0\)"),
    (put("dense_2", "kernel", lambda w: np.full_like(w, 0.5)), r"dense_2 \(every weight is 0\.5\)"),
    (put("dense_4", "kernel", lambda w: w * np.nan), "dense_4/kernel"),
    (put("dense_5", "bias", lambda w: w + np.inf), "dense_5/bias"),
    (put("batch_normalization_1", "moving_variance", lambda w: -w - 1), "batch_normalization_1/moving_variance"),
    (put("dense", "kernel", lambda w: w[:13]), r"dense/kernel is \(13, 32\) where \(14, 32\) is needed"),
    (put("dense", "kernel", np.transpose), r"dense/kernel is \(32, 14\) where"),
]


@pytest.mark.parametrize(("change", "said"), UNFIT, ids=[said[:24] for _, said in UNFIT])
def test_weights_that_cannot_be_are_named(old: Any, changed: Any, change: Any, said: str) -> None:
    """All zero, all the same, NaN, infinite, a negative variance, another shape."""
    with pytest.raises(LegacyError, match=said):
        weights.read(file(changed(old.h5["keras2"], change)))


def test_a_fresh_normalisation_is_named(old: Any, changed: Any) -> None:
    """Each of its four weights as Keras makes them."""

    def change(opened: h5py.File) -> None:
        for weight, start in (("gamma", 1.0), ("beta", 0.0), ("moving_mean", 0.0), ("moving_variance", 1.0)):
            opened[path(opened, "batch_normalization_3", weight)][...] = start

    with pytest.raises(LegacyError, match=r"of batch_normalization_3 \(initial values\)\."):
        weights.read(file(changed(old.h5["keras3"], change)))


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"slope": 0.3}, "LeakyReLU 0.3"),
        ({"hidden": (32, 16, 4, 16, 32)}, "Dense 4"),
        ({"hidden": (32, 8, 32)}, "Dense 8"),
    ],
)
def test_another_architecture_is_told_apart(
    keras_files: Any, tmp_path: Path, options: dict[str, Any], found: str
) -> None:
    """Wanted and found are both in the message."""
    import keras

    content = keras_files.saved(keras_files.chained(keras, keras_files.layers(keras, **options)), tmp_path)
    with pytest.raises(LegacyError, match=f"is another network. Wanted: Dense 32, .*Found: .*{found}"):
        weights.read(file(content))


def test_layers_that_compute_something_else_are_told_apart(keras_files: Any, tmp_path: Path) -> None:
    """An activation in a Dense layer, a normalisation without its factor, a layer nobody knows."""
    import keras

    for place, layer, said in (
        (0, keras.layers.Dense(32, activation="relu"), "Dense 32 with activation relu"),
        (0, keras.layers.Dense(32, use_bias=False), "Dense 32 without bias"),
        (1, keras.layers.BatchNormalization(scale=False), "BatchNormalization without scale"),
        (3, keras.layers.GaussianNoise(0.1), "GaussianNoise"),
    ):
        made = keras_files.layers(keras)
        made[place] = layer
        with pytest.raises(LegacyError, match=f"Found: .*{said}"):
            weights.read(file(keras_files.saved(keras_files.chained(keras, made), tmp_path)))


def test_an_encoder_and_a_decoder_within_the_model(keras_files: Any, tmp_path: Path) -> None:
    """As autoencoders are often written; the weights are those Keras loads."""
    import keras

    rng = np.random.default_rng(3)
    made = keras_files.layers(keras)
    encoder, decoder = keras.Sequential(made[:11], name="encoder"), keras.Sequential(made[11:], name="decoder")
    rows = keras.Input((14,))
    model = keras.Model(rows, decoder(encoder(rows)))
    for layer in made:
        layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    content = file(keras_files.saved(model, tmp_path))
    old = weights.read(content)
    assert np.array_equal(old.weights[made[0].name, "kernel"], made[0].get_weights()[0])
    assert network.original(content, old).count_params() == 2710


def test_the_converted_network_is_the_old_one_in_our_order(keras_files: Any, tmp_path: Path) -> None:
    """Column by column, with normalisations of an epsilon of their own, and again after Keras has saved and loaded."""
    import keras

    rng = np.random.default_rng(4)
    made = keras_files.layers(keras)
    for k, layer in enumerate(made):
        if isinstance(layer, keras.layers.BatchNormalization):
            made[k] = keras.layers.BatchNormalization(epsilon=0.05)
    model = keras_files.chained(keras, made)
    for layer in made:
        layer.set_weights([rng.uniform(-0.5, 0.9, w.shape) ** 2 for w in layer.get_weights()])
    old = weights.read(file(keras_files.saved(model, tmp_path)))
    rows = rng.normal(size=(50, 14)).astype(np.float32)
    wanted = model.predict(rows, verbose=0)
    order = list(rng.permutation(14))
    found = network.converted(old, order)
    assert np.allclose(found.predict(rows[:, order], verbose=0), wanted[:, order], rtol=1e-4, atol=1e-5)
    found.save(tmp_path / "again.keras")
    again = keras.models.load_model(tmp_path / "again.keras")
    assert np.allclose(again.predict(rows[:, order], verbose=0), wanted[:, order], rtol=1e-4, atol=1e-5)


def test_weights_that_keras_does_not_load_are_named(old: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should a version of Keras lose weights silently, it is noticed."""
    import keras

    content = file(old.h5["keras2"])
    found = weights.read(content)
    other = keras.models.clone_model(old.models["keras3"])
    other.set_weights(old.models["keras2"].get_weights())
    other.get_layer("dense_2").set_weights([w + 1 for w in other.get_layer("dense_2").get_weights()])
    monkeypatch.setattr(keras.models, "load_model", lambda *_, **__: other)
    with pytest.raises(LegacyError, match=r"did not load from autoencoder_best.h5: dense_2/kernel, dense_2/bias\."):
        network.original(content, found)


def test_weights_alone(tmp_path: Path, old: Any) -> None:
    """What `save_weights` writes says nothing of the network."""
    old.models["keras2"].save_weights(tmp_path / "alone.h5")
    with pytest.raises(LegacyError, match="weights without the model"):
        weights.read(file((tmp_path / "alone.h5").read_bytes()))


def test_a_damaged_file(old: Any, changed: Any) -> None:
    """Cut off, or with a description that is none."""
    with pytest.raises(LegacyError, match="is damaged: HDF5 says"):
        weights.read(file(old.h5["keras2"][:20_000]))
    for text in ("{}", "[]", "no JSON", '{"config": {"layers": [{"class_name": "Dense", "config": {}}]}}'):

        def change(opened: h5py.File, text: str = text) -> None:
            opened.attrs["model_config"] = text

        with pytest.raises(LegacyError, match="does not describe its network"):
            weights.read(file(changed(old.h5["keras2"], change)))
