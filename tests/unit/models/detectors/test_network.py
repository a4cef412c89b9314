"""The autoencoder has the layers and the parameters of the design."""

from itertools import pairwise

import numpy as np
import pytest

from models.detectors import network

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_parameters() -> None:
    """2,710, of which 2,502 are trainable: counted by hand from the layers."""
    sizes = (14, 32, 16, 8, 16, 32, 14)
    dense = sum(a * b + b for a, b in pairwise(sizes))
    normed = sum(sizes[1:-1])
    assert (dense + 4 * normed, dense + 2 * normed) == (2710, 2502)
    model = network.build()
    assert model.count_params() == 2710
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == 2502


def test_layers() -> None:
    """Dense, batch normalisation, leaky ReLU of 0.2; dropout of 0.25 after all but the bottleneck."""
    layers = network.build().layers[1:]
    kinds = [type(layer).__name__ for layer in layers]
    block = ["Dense", "BatchNormalization", "LeakyReLU"]
    assert kinds == [*[*block, "Dropout"] * 2, *block, *[*block, "Dropout"] * 2, "Dense"]
    assert [layer.units for layer in layers if hasattr(layer, "units")] == [32, 16, 8, 16, 32, 14]
    assert {layer.rate for layer in layers if hasattr(layer, "rate")} == {0.25}
    slopes = {round(float(layer.negative_slope), 9) for layer in layers if hasattr(layer, "negative_slope")}
    assert slopes == {0.2}


def test_another_network_is_refused() -> None:
    """A layer more or less is not the design's."""
    import keras

    other = keras.Sequential([keras.Input((14,)), keras.layers.Dense(14)])
    with pytest.raises(ValueError, match="210 parameters"):
        network.check(other)


def test_folded_layers_are_the_network() -> None:
    """With random statistics in every normalisation, plain matrix products give what Keras predicts."""
    rng = np.random.default_rng(2)
    model = network.build()
    for layer in model.layers:
        # Matrices of either sign; biases, factors and variances positive.
        layer.set_weights(
            [
                rng.normal(size=w.shape) / 4 if w.ndim == 2 else rng.uniform(0.5, 1.5, w.shape)
                for w in layer.get_weights()
            ]
        )
    rows = rng.normal(size=(50, 14))
    x = rows
    folded = network.folded(model)
    for k, layer in enumerate(folded):
        x = x @ layer.weights + layer.bias
        if k < 5:
            x = np.where(x > 0, x, 0.2 * x)
    expected = network.reconstruct(model, rows)
    assert np.allclose(x, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
