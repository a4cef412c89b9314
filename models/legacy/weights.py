"""The weights of the old autoencoder, read from its .h5 file and checked one by one.

h5py reads the file, and Keras is only the oracle: where a weight is missing Keras puts random numbers in its place and
says nothing. The old service's own conversion lost its Dense weights that way.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from models.detectors import network
from models.legacy.errors import LegacyError
from models.legacy.files import File
from window.features import FEATURES

_SIZES = (len(FEATURES), *network.HIDDEN, len(FEATURES))
DENSE = ("kernel", "bias")
NORM = ("gamma", "beta", "moving_mean", "moving_variance")
_FRESH = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0}
_ARCHITECTURE = [
    *(text for units in network.HIDDEN for text in (f"Dense {units}", "BatchNormalization", "LeakyReLU 0.2")),
    f"Dense {len(FEATURES)}",
]
_ELSE = "Use the file the training wrote (autoencoder_best.h5), or train a new bundle with `battery-watch train`."


@dataclass(frozen=True, slots=True)
class OldWeights:
    """The weights of the six Dense and five BatchNormalization layers in order, as the file holds them: an array for
    each (layer, weight). ``epsilons``: of the normalisations. ``keras``: the version that wrote the file."""

    dense: tuple[str, ...]
    norm: tuple[str, ...]
    weights: dict[tuple[str, str], Any]
    epsilons: tuple[float, ...]
    keras: str


def read(file: File) -> OldWeights:
    """Read and check the file. Raises `LegacyError` for another architecture, and for weights that are missing, have
    another shape, are not finite, or look untrained."""
    import h5py

    try:
        with h5py.File(io.BytesIO(file.content), "r") as opened:
            config = opened.attrs.get("model_config")
            version = opened.attrs.get("keras_version", "unknown")
            groups = opened.get("model_weights")
            found = dict(_stored(groups)) if groups is not None else {}
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise LegacyError(f"{file.name} is damaged: HDF5 says {str(error)[:200]}. Copy it again.") from error
    if config is None:
        raise LegacyError(
            f"{file.name} holds weights without the model around them, as `save_weights` writes. Save the whole model "
            "(`model.save`) where the old service was trained, or use its other .h5 file (--autoencoder)."
        )
    try:
        layers = list(_flat(json.loads(config)))
        _check_architecture(file, layers)
        dense = tuple(one["config"]["name"] for one in layers if one["class_name"] == "Dense")
        norms = [one["config"] for one in layers if one["class_name"] == "BatchNormalization"]
        norm, epsilons = tuple(one["name"] for one in norms), tuple(float(one["epsilon"]) for one in norms)
    except (KeyError, TypeError, ValueError) as error:
        raise LegacyError(f"{file.name} does not describe its network as Keras does ({error!r}). {_ELSE}") from error
    weights = _complete(file, dense, norm, found)
    _check_trained(file, dense, norm, weights)
    text = version.decode() if isinstance(version, bytes) else str(version)
    return OldWeights(dense, norm, weights, epsilons, text)


def _stored(groups: Any) -> Iterator[tuple[tuple[str, str, str], Any]]:
    """Every weight that Keras would look for, by group, layer and weight."""
    for group in groups:
        for path in groups[group].attrs.get("weight_names", ()):
            text = path.decode() if isinstance(path, bytes) else str(path)
            if text in groups[group]:
                parts = text.split("/")
                layer = parts[-2] if len(parts) > 1 else group
                yield (group, layer, parts[-1].removesuffix(":0")), np.asarray(groups[group][text])


def _flat(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The layers that compute something, also those of nested models."""
    for layer in config["config"]["layers"]:
        if "layers" in layer["config"]:
            yield from _flat(layer)
        elif layer["class_name"] not in ("InputLayer", "Dropout"):
            yield layer


def _check_architecture(file: File, layers: list[dict[str, Any]]) -> None:
    found = [_said(layer) for layer in layers]
    if found != _ARCHITECTURE:
        raise LegacyError(
            f"{file.name} is another network. Wanted: {', '.join(_ARCHITECTURE)}. "
            f"Found: {', '.join(found) or 'no layers'}. Only the old service's architecture can be converted; train a "
            "new bundle with `battery-watch train`."
        )


def _said(layer: dict[str, Any]) -> str:
    """A layer in a few words, with everything that changes what the network computes."""
    kind, config = str(layer["class_name"]), layer["config"]
    if kind == "Dense":
        activation = config.get("activation")
        odd = [] if activation == "linear" else [f"with activation {activation}"]
        odd += [] if config.get("use_bias", True) else ["without bias"]
        return " ".join([f"Dense {config['units']}", *odd])
    if kind == "LeakyReLU":
        slope = config.get("negative_slope", config.get("alpha"))
        return f"LeakyReLU {slope:.6g}" if isinstance(slope, int | float) else f"LeakyReLU {slope}"
    if kind == "BatchNormalization":
        odd = [f"without {name}" for name in ("center", "scale") if not config.get(name, True)]
        odd += ["with renorm"] if config.get("renorm") else []
        return " ".join([kind, *odd])
    return kind


def _complete(
    file: File, dense: tuple[str, ...], norm: tuple[str, ...], found: dict[tuple[str, str, str], Any]
) -> dict[tuple[str, str], Any]:
    """Every weight that the architecture needs, in its shape. `LegacyError` names each that the file lacks."""
    shapes: dict[tuple[str, str], tuple[int, ...]] = {}
    for name, (inputs, units) in zip(dense, pairwise(_SIZES), strict=True):
        shapes[name, "kernel"], shapes[name, "bias"] = (inputs, units), (units,)
    for name, units in zip(norm, network.HIDDEN, strict=True):
        shapes.update({(name, weight): (units,) for weight in NORM})
    weights: dict[tuple[str, str], Any] = {}
    used, missing, misshapen = set(), [], []
    for (layer, weight), shape in shapes.items():
        # Look by group first: a renamed layer keeps its old name in the paths of its weights.
        keys = [key for key in found if key[0] == layer and key[2] == weight]
        keys = keys if len(keys) == 1 else [key for key in found if key[1:] == (layer, weight)]
        if len(keys) != 1:
            missing.append(f"{layer}/{weight}")
            continue
        used.add(keys[0])
        weights[layer, weight] = found[keys[0]]
        if found[keys[0]].shape != shape:
            misshapen.append(f"{layer}/{weight} is {found[keys[0]].shape} where {shape} is needed")
    if missing:
        spare = sorted({f"{layer}/{weight}" for group, layer, weight in found if (group, layer, weight) not in used})
        raise LegacyError(
            f"{file.name} has lost weights: {', '.join(missing)}. Keras would put random numbers in their place. "
            + (f"It holds weights that no layer asks for: {', '.join(spare)}. " if spare else "")
            + _ELSE
        )
    if misshapen:
        raise LegacyError(f"{file.name}: {'; '.join(misshapen)}. {_ELSE}")
    return weights


def _check_trained(
    file: File, dense: tuple[str, ...], norm: tuple[str, ...], weights: dict[tuple[str, str], Any]
) -> None:
    """Refuse weights that cannot come from a training.

    Training moves every bias, at least in its last digits, so a layer whose biases are all exactly zero was recreated
    afterwards. The same holds for a normalisation that still has its initial values.
    """
    broken = [f"{layer}/{weight}" for (layer, weight), values in weights.items() if not np.isfinite(values).all()]
    broken += [f"{name}/moving_variance" for name in norm if (weights[name, "moving_variance"] < 0).any()]
    if broken:
        raise LegacyError(f"{file.name} holds numbers no network can use (NaN or such) in {', '.join(broken)}. {_ELSE}")
    fresh = []
    for name in dense:
        kernel, bias = (weights[name, weight] for weight in DENSE)
        if np.ptp(kernel) == 0.0:
            fresh.append(f"{name} (every weight is {float(kernel.flat[0]):g})")
        elif not bias.any():
            fresh.append(f"{name} (every bias is 0)")
    fresh += [
        f"{name} (initial values)"
        for name in norm
        if all((weights[name, weight] == start).all() for weight, start in _FRESH.items())
    ]
    if fresh:
        raise LegacyError(
            f"{file.name}: no training has touched the weights of {', '.join(fresh)}. They were lost on the way and "
            f"recreated, as the old service's conversion did. Such a network knows nothing. {_ELSE}"
        )
