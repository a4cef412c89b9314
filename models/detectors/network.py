"""The autoencoder: its layers, its training, its weights as plain arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from window.features import FEATURES
from window.samples import Floats

HIDDEN = (32, 16, 8, 16, 32)
BOTTLENECK = 8
PARAMETERS, TRAINABLE = 2710, 2502
SLOPE = 0.2
DROPOUT = 0.25
_BATCH = 8192

Pairs = tuple[Floats, Floats]


@dataclass(frozen=True, slots=True)
class Epoch:
    """The losses of one epoch in training and validation. ``dropout``: it belongs to the first part."""

    loss: float
    held_out: float
    dropout: bool


@dataclass(frozen=True, slots=True)
class Layer:
    """A dense layer with its batch normalisation folded in: ``x @ weights + bias``, in float64."""

    weights: Floats
    bias: Floats


def build() -> Any:
    """A new, compiled Keras model with the design's layers, (n, 14) to (n, 14) in standardised features."""
    import keras

    rows = keras.Input((len(FEATURES),), name="features")
    x = rows
    for k, units in enumerate(HIDDEN):
        x = keras.layers.Dense(units, name=f"dense_{k}")(x)
        x = keras.layers.BatchNormalization(name=f"norm_{k}")(x)
        x = keras.layers.LeakyReLU(negative_slope=SLOPE, name=f"leaky_{k}")(x)
        if units != BOTTLENECK:
            x = keras.layers.Dropout(DROPOUT, name=f"dropout_{k}")(x)
    model = keras.Model(rows, keras.layers.Dense(len(FEATURES), name="reconstruction")(x), name="autoencoder")
    check(model)
    model.compile(optimizer=keras.optimizers.Adam(2e-3), loss="mse", steps_per_execution=32)
    return model


def check(model: Any) -> None:
    """Raise ValueError unless ``model`` has the parameters of the design's autoencoder."""
    trainable = sum(math.prod(w.shape) for w in model.trainable_weights)
    if (model.count_params(), trainable) != (PARAMETERS, TRAINABLE):
        raise ValueError(
            f"the autoencoder has {model.count_params()} parameters, {trainable} trainable; "
            f"the design says {PARAMETERS} and {TRAINABLE}"
        )


def fit(
    train: Pairs,
    held_out: Pairs,
    *,
    epochs: int,
    settle_epochs: int,
    seed: int,
    progress: Callable[[int, float], None],
) -> tuple[Any, list[Epoch]]:
    """A trained model and its epochs. Both sets are (inputs, targets) in standardised features (n, 14).

    First ``epochs`` with dropout, then ``settle_epochs`` of the network as it will score: no dropout, normalisation
    with fixed statistics. Without the second part rare rows, such as a charge's start, stay badly rebuilt. The first
    part ends early when the held-out loss stops falling. In the second part the loss falls most at the very end, where
    the steps are smallest. Both keep the weights that are best on ``held_out``. The same seed gives the same weights on
    one machine. ``progress`` gets the number of epochs done and the held-out loss.
    """
    import keras
    import tensorflow as tf

    # Keras numbers the tensors of a process and writes the numbers into its file: start at the same number.
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    model = build()
    rows = keras.Input((len(FEATURES),))
    scoring = keras.Model(rows, model(rows, training=False))
    batch = 512
    steps = settle_epochs * -(-len(train[0]) // batch)
    decay = keras.optimizers.schedules.CosineDecay(3e-3, max(steps, 1))
    scoring.compile(optimizer=keras.optimizers.Adam(decay), loss="mse", steps_per_execution=32)

    done_epochs: list[Epoch] = []
    for part, done, count, patience in ((model, 0, epochs, 8), (scoring, epochs, settle_epochs, settle_epochs)):
        history = part.fit(
            *(x.astype(np.float32) for x in train),
            validation_data=tuple(x.astype(np.float32) for x in held_out),
            validation_batch_size=8192,
            epochs=count,
            batch_size=batch,
            verbose=0,
            callbacks=[
                keras.callbacks.LambdaCallback(on_epoch_end=_on_epoch_end(done, progress)),
                keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True),
            ],
        ).history
        losses = zip(history.get("loss", ()), history.get("val_loss", ()), strict=True)
        done_epochs += [Epoch(loss, held_out, part is model) for loss, held_out in losses]
    return model, done_epochs


def _on_epoch_end(done: int, progress: Callable[[int, float], None]) -> Callable[[int, dict[str, float]], None]:
    return lambda epoch, logs: progress(done + epoch + 1, logs["val_loss"])


def folded(model: Any) -> list[Layer]:
    """The six dense layers of ``model``, each hidden one with its batch normalisation folded in."""
    layers = []
    for k in range(len(HIDDEN)):
        weights, bias = (np.asarray(w, np.float64) for w in model.get_layer(f"dense_{k}").get_weights())
        norm = model.get_layer(f"norm_{k}")
        gamma, beta, mean, variance = (np.asarray(w, np.float64) for w in norm.get_weights())
        factor = gamma / np.sqrt(variance + norm.epsilon)
        layers.append(Layer(weights * factor, (bias - mean) * factor + beta))
    weights, bias = (np.asarray(w, np.float64) for w in model.get_layer("reconstruction").get_weights())
    return [*layers, Layer(weights, bias)]


def reconstruct(model: Any, standardised: Floats) -> Floats:
    """What Keras returns for standardised features (n, 14): the oracle of the graph."""
    rows = standardised.astype(np.float32)
    # Not `predict`, which compiles the model again for every call.
    parts = [model(rows[k : k + _BATCH], training=False) for k in range(0, len(rows), _BATCH)]
    return np.concatenate([np.asarray(part, np.float64) for part in parts])


def reconstruction_error(model: Any, standardised: Floats, weights: Floats | None = None) -> Floats:
    """Keras' squared residual (n,) of standardised features: its mean, or with ``weights`` (14,) its weighted sum."""
    residual = standardised - reconstruct(model, standardised)
    squares = residual * residual
    return np.asarray(np.mean(squares, axis=1) if weights is None else squares @ weights)
