"""A model bundle: a folder that holds both models and all they need, verified when it is loaded."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from scoring.config import FORMAT, BundleConfig
from scoring.graph import Graph
from window.features import FEATURES
from window.samples import Floats

MANIFEST = "manifest.json"
CARD = "MODEL_CARD.md"
FILES = (
    "autoencoder.keras",
    "scaler.json",
    "isolation_forest.npz",
    "model.onnx",
    "feature_names.json",
    "config.json",
    "golden.json",
    CARD,
)
"""The files that the manifest lists with their hashes: all of a bundle but the manifest."""
POINTER, DEFAULT = "current", "default"
"""In a folder of bundles: the file that names the bundle to use, and the bundle to use where there is no such file."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
Read = Callable[[str], bytes | None]
"""Gives the content of a file by its path below a place (a folder, a bucket); None where there is no such file."""

ERROR_RTOL, ERROR_ATOL = 5e-5, 1e-6
"""How far the graph (float64) may be from Keras (float32) in the reconstruction error, relative and absolute."""
FOREST_ATOL = 1e-9
"""How far the graph may be from scikit-learn: both are exact but for the last bits of one power."""


class BundleError(Exception):
    """A bundle cannot be used. The message says what is wrong, where, and what to do."""


class UnfinishedError(BundleError):
    """Files are missing, or their hashes are not those in the manifest: damage, or a copy that is not done yet."""


@dataclass(frozen=True, slots=True)
class Scaler:
    """Standardisation of the features: ``(x - mean) / scale``, each of shape (14,)."""

    mean: Floats
    scale: Floats

    def standardise(self, features: Floats) -> Floats:
        """Features of shape (..., 14) in standard deviations from their training mean."""
        return (features - self.mean) / self.scale


class Manifest(BaseModel):
    """The whole of `manifest.json`: the hashes of the bundle's files, and where the bundle comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    id: str
    sha256: dict[str, str]
    versions: dict[str, str]
    training: dict[str, Any]
    metrics: dict[str, Any]


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Bundle:
    """A verified bundle, ready to score. ``files``: the contents of its files by name, so that it can be stored
    elsewhere even if the place from which it was loaded has changed since."""

    id: str
    files: Mapping[str, bytes] = field(repr=False, compare=False)
    config: BundleConfig
    scaler: Scaler
    graph: Graph
    manifest: Manifest


def identity(sha256: Mapping[str, str]) -> str:
    """A bundle's id from the hashes of its files: the same models and choices have the same id everywhere.

    The card does not count: it names the id itself, and a corrected sentence in it does not make a new model.
    """
    lines = "".join(f"{sha256[name]}  {name}\n" for name in sorted(sha256) if name != CARD)
    return f"bw-{hashlib.sha256(lines.encode()).hexdigest()[:12]}"


def load(path: Path | str) -> Bundle:
    """The bundle of a folder, see `load_from`. Raises `BundleError` for any damage."""
    folder = Path(path)
    return load_from(in_folder(folder), str(path))


def in_folder(folder: Path) -> Read:
    """Reads below a folder. Raises OSError where something is there and cannot be read."""

    def read(name: str) -> bytes | None:
        try:
            return (folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    return read


def load_from(read: Read, where: str) -> Bundle:
    """The bundle at a place called ``where``, after checking hashes, features and golden rows.

    The place is a bundle or a folder of bundles. In a folder, the file `current` names the bundle to use; without that
    file it is `default/`. Reads a few hundred kilobytes and takes some tenths of a second. Raises `BundleError` for any
    damage.
    """
    below = chosen(read, where)
    folder = f"{where}/{below}".rstrip("/")
    manifest = _manifest(read, below, folder)
    contents = _verified(read, below, folder, manifest)
    names = _json(contents, "feature_names.json", folder)
    if names != list(FEATURES):
        raise _damaged(folder, "feature_names.json", "does not name the 14 features in their order")
    config = _config(contents["config.json"], folder)
    scaler = _scaler(contents, folder)
    try:
        graph = Graph(contents["model.onnx"])
    # ONNX Runtime's errors share no base class but Exception.
    except Exception as error:
        raise _damaged(folder, "model.onnx", f"cannot be opened ({_first_line(error)})") from error
    _check_golden(graph, contents, folder)
    return Bundle(manifest.id, contents, config, scaler, graph, manifest)


def chosen(read: Read, where: str) -> str:
    """The folder of the bundle to use, below a place, with a slash at its end; empty where the place is the bundle.
    Raises `UnfinishedError` where there is no bundle."""
    pointer = _read(read, POINTER, where)
    if pointer is not None:
        name = pointer.decode(errors="replace").strip().rstrip("/")
        if not _NAME.fullmatch(name):
            raise UnfinishedError(
                f"Model bundles {where}: {POINTER} names no folder beside it. Write one name into it."
            )
        if _read(read, f"{name}/{MANIFEST}", where) is None:
            raise UnfinishedError(
                f"Model bundles {where}: {POINTER} names {name}, and there is no {name}/{MANIFEST}. "
                f"Copy the bundle there first, then write its name into {POINTER}."
            )
        return f"{name}/"
    for below in ("", f"{DEFAULT}/"):
        if _read(read, below + MANIFEST, where) is not None:
            return below
    raise UnfinishedError(
        f"Model bundle {where} holds neither {MANIFEST} nor {DEFAULT}/{MANIFEST} nor a file {POINTER} that names one. "
        "Point MODEL_DIR at a bundle or at a folder of bundles, or make one with `battery-watch train`."
    )


def named(read: Read, where: str) -> str:
    """The id of the bundle at a place, as its manifest says; nothing is verified. Raises `BundleError`."""
    below = chosen(read, where)
    return _manifest(read, below, f"{where}/{below}".rstrip("/")).id


def _damaged(folder: str, name: str, what: str, kind: type[BundleError] = BundleError) -> BundleError:
    return kind(
        f"Model bundle {folder}: {name} {what}. Copy the bundle again from where it was made, "
        "or make a new one with `battery-watch train`."
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _read(read: Read, name: str, where: str) -> bytes | None:
    try:
        return read(name)
    except OSError as error:
        raise _damaged(where, name, f"cannot be read ({error.strerror})", UnfinishedError) from error


def _manifest(read: Read, below: str, folder: str) -> Manifest:
    content = _read(read, below + MANIFEST, folder)
    try:
        manifest = Manifest.model_validate_json(content or b"")
    except ValidationError as error:
        raise _damaged(folder, MANIFEST, f"is not a manifest ({_faults(error)})", UnfinishedError) from error
    if manifest.format != FORMAT:
        raise BundleError(
            f"Model bundle {folder}: its format is {manifest.format}, this version reads {FORMAT}. "
            "Use the version of battery-watch that made it, or make a new bundle with `battery-watch train`."
        )
    return manifest


def _verified(read: Read, below: str, folder: str, manifest: Manifest) -> dict[str, bytes]:
    if sorted(manifest.sha256) != sorted(FILES):
        odd = sorted(set(manifest.sha256) ^ set(FILES))
        raise _damaged(folder, MANIFEST, f"does not list the files of a bundle (look at: {', '.join(odd)})")
    if identity(manifest.sha256) != manifest.id:
        raise _damaged(folder, MANIFEST, "has an id that does not belong to its files")
    contents: dict[str, bytes] = {}
    for name in FILES:
        content = _read(read, below + name, folder)
        if content is None:
            raise _damaged(folder, name, "is missing", UnfinishedError)
        if hashlib.sha256(content).hexdigest() != manifest.sha256[name]:
            raise _damaged(folder, name, "is not the file that was made (its sha256 differs)", UnfinishedError)
        contents[name] = content
    return contents


def _json(contents: Mapping[str, bytes], name: str, folder: str) -> Any:
    try:
        return orjson.loads(contents[name])
    except orjson.JSONDecodeError as error:
        raise _damaged(folder, name, f"is not JSON ({_first_line(error)})") from error


def _config(content: bytes, folder: str) -> BundleConfig:
    try:
        return BundleConfig.model_validate_json(content)
    except ValidationError as error:
        raise _damaged(folder, "config.json", f"is not valid ({_faults(error)})") from error


def _faults(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'all of it'}: {e['msg']}" for e in error.errors())


def _columns(content: Any, name: str, shapes: Mapping[str, tuple[int, ...]], folder: str) -> list[Floats]:
    """The named arrays of a JSON object; -1 in a shape stands for the number of rows."""
    try:
        columns = [np.asarray(content[key], np.float64) for key in shapes]
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(folder, name, f"lacks numbers it needs ({_first_line(error)})") from error
    for column, (key, shape) in zip(columns, shapes.items(), strict=True):
        fits = column.ndim == len(shape) and all(
            want in (-1, have) for have, want in zip(column.shape, shape, strict=True)
        )
        if not fits or column.size == 0 or not np.isfinite(column).all():
            raise _damaged(folder, name, f"has no usable {key}")
    return columns


def _scaler(contents: Mapping[str, bytes], folder: str) -> Scaler:
    shape = (len(FEATURES),)
    mean, scale = _columns(
        _json(contents, "scaler.json", folder), "scaler.json", {"mean": shape, "scale": shape}, folder
    )
    if not (scale > 0).all():
        raise _damaged(folder, "scaler.json", "has a scale that is not positive")
    return Scaler(mean, scale)


def _check_golden(graph: Graph, contents: Mapping[str, bytes], folder: str) -> None:
    """Score the golden rows and compare with the scores of Keras and scikit-learn from when the bundle was made."""
    shapes = {
        "features": (-1, len(FEATURES)),
        "reconstruction_error": (-1,),
        "forest_score": (-1,),
    }
    rows, error, forest = _columns(_json(contents, "golden.json", folder), "golden.json", shapes, folder)
    if not len(rows) == len(error) == len(forest):
        raise _damaged(folder, "golden.json", "has columns of unequal length")
    try:
        scores = graph.score(rows)
    except Exception as problem:
        raise _damaged(folder, "model.onnx", f"cannot score ({_first_line(problem)})") from problem
    if not np.allclose(scores.reconstruction_error, error, rtol=ERROR_RTOL, atol=ERROR_ATOL):
        worst = _worst(scores.reconstruction_error, error)
        raise _damaged(folder, "model.onnx", f"does not score as the trained autoencoder (off by {worst:.3g})")
    if not np.allclose(scores.forest_score, forest, rtol=0.0, atol=FOREST_ATOL):
        worst = _worst(scores.forest_score, forest)
        raise _damaged(folder, "model.onnx", f"does not score as the trained forest (off by {worst:.3g})")


def _worst(found: Floats, expected: Floats) -> float:
    off = float(np.max(np.abs(found - expected)))
    return off if math.isfinite(off) else math.inf
