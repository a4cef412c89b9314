"""The old autoencoder in Keras: the design's network with the old weights, and the old model as Keras opens it."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.detectors import network
from models.legacy.errors import LegacyError
from models.legacy.files import File
from models.legacy.weights import DENSE, NORM, OldWeights


def converted(old: OldWeights, order: list[int]) -> Any:
    """The design's Keras network with the old weights; ``order[j]``: where the old file has our feature j."""
    import keras

    # Keras numbers the tensors of a process and writes the numbers into its file: start at the same number.
    keras.utils.clear_session()
    model = network.build()
    for k, name in enumerate(old.dense):
        kernel, bias = (old.weights[name, weight] for weight in DENSE)
        if k == 0:
            kernel = kernel[order]
        last = k == len(old.dense) - 1
        if last:
            kernel, bias = kernel[:, order], bias[order]
        model.get_layer("reconstruction" if last else f"dense_{k}").set_weights([kernel, bias])
    for k, (name, epsilon) in enumerate(zip(old.norm, old.epsilons, strict=True)):
        layer = model.get_layer(f"norm_{k}")
        layer.set_weights([old.weights[name, weight] for weight in NORM])
        layer.epsilon = epsilon
    # Without an optimizer: Keras would miss its state when it opens the file.
    return keras.Model(model.inputs, model.outputs, name=model.name)


def original(file: File, old: OldWeights) -> Any:
    """The old model as Keras itself opens it, after checking that every weight Keras has is the file's."""
    import keras

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "autoencoder.h5"
        path.write_bytes(file.content)
        try:
            with warnings.catch_warnings():
                # Keras warns about the older spelling of the file's settings.
                warnings.simplefilter("ignore")
                model = keras.models.load_model(path, compile=False)
        except Exception as error:  # Keras raises anything here
            raise LegacyError(
                f"{file.name} cannot be opened by Keras {keras.__version__}, so nothing can be proven about it: "
                f"{type(error).__name__}: {str(error)[:300]}"
            ) from error
    loaded = {layer.name: layer for layer in _layers(model)}
    wrong = []
    for names, weights in ((old.dense, DENSE), (old.norm, NORM)):
        for name in names:
            values = loaded[name].get_weights() if name in loaded else []
            for k, weight in enumerate(weights):
                if k >= len(values) or not np.array_equal(values[k], old.weights[name, weight]):
                    wrong.append(f"{name}/{weight}")
    if wrong:
        raise LegacyError(f"Keras {keras.__version__} did not load from {file.name}: {', '.join(wrong)}.")
    return model


def _layers(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _layers(layer)
        else:
            yield layer
