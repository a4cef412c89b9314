"""Writes a bundle folder: the same models give the same bytes, whenever and wherever they are written."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from models.bundle.card import card
from models.bundle.converted_card import CONVERTED, converted_card
from models.detectors.forest import Forest
from models.detectors.parity import Oracle
from scoring.bundle import CARD, FILES, MANIFEST, Scaler, identity
from scoring.config import FORMAT, BundleConfig
from window.features import FEATURES
from window.samples import Floats

GOLDEN_ROWS = 64
_SHARED = re.compile(rb'("shared_object_id": )(\d+)')
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Golden:
    """Rows (n, 14) and the scores of Keras and scikit-learn for them, each (n,)."""

    features: Floats
    reconstruction_error: Floats
    forest_score: Floats

    @classmethod
    def drawn(cls, rows: Floats, oracle: Oracle, seed: int) -> Golden:
        """`GOLDEN_ROWS` of ``rows``, drawn by ``seed``, and the models' scores for them."""
        picked = rows[np.random.default_rng(seed).permutation(len(rows))[:GOLDEN_ROWS]]
        return cls(picked, *oracle(picked))


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that goes into a bundle. ``training`` and ``metrics`` are JSON objects without clock or path."""

    autoencoder: Any
    scaler: Scaler
    forest: Forest
    onnx: bytes
    config: BundleConfig
    golden: Golden
    versions: Mapping[str, str]
    training: Mapping[str, Any]
    metrics: Mapping[str, Any]


def write(parts: Parts, out: Path) -> str:
    """Write the bundle to ``out``, replacing what is there, and return its id.

    It appears as a whole: the files are written to a folder beside ``out``, which is then renamed.
    """
    contents = {
        "autoencoder.keras": _keras_bytes(parts.autoencoder),
        "scaler.json": _json({"mean": parts.scaler.mean.tolist(), "scale": parts.scaler.scale.tolist()}),
        "isolation_forest.npz": parts.forest.to_bytes(),
        "model.onnx": parts.onnx,
        "feature_names.json": _json(list(FEATURES)),
        "config.json": _json(parts.config.model_dump(mode="json", exclude_none=True)),
        "golden.json": _json(
            {
                "features": parts.golden.features.tolist(),
                "reconstruction_error": parts.golden.reconstruction_error.tolist(),
                "forest_score": parts.golden.forest_score.tolist(),
            }
        ),
    }
    sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    bundle_id = identity(sha256)
    words = converted_card if parts.training.get("source") == CONVERTED else card
    contents[CARD] = words(bundle_id, parts.config, parts.training, parts.metrics).encode()
    sha256[CARD] = hashlib.sha256(contents[CARD]).hexdigest()
    contents[MANIFEST] = _json(
        {
            "format": FORMAT,
            "id": bundle_id,
            "sha256": {name: sha256[name] for name in sorted(FILES)},
            "versions": dict(sorted(parts.versions.items())),
            "training": dict(parts.training),
            "metrics": dict(parts.metrics),
        }
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        fresh.chmod(0o755)
        for name, content in contents.items():
            (fresh / name).write_bytes(content)
        if out.exists():
            shutil.rmtree(out)
        fresh.rename(out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return bundle_id


def _json(content: Any) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _keras_bytes(model: Any) -> bytes:
    """The `.keras` archive of ``model`` without what differs at each write: the time, and the numbers of shared
    objects, which are addresses in memory."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "autoencoder.keras"
        model.save(path)
        target = io.BytesIO()
        with zipfile.ZipFile(path) as saved, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as clean:
            for name in sorted(saved.namelist()):
                content = saved.read(name)
                if name == "config.json":
                    content = _renumbered(content)
                if name == "metadata.json":
                    metadata = orjson.loads(content)
                    metadata.pop("date_saved", None)
                    content = orjson.dumps(metadata)
                clean.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _renumbered(config: bytes) -> bytes:
    numbers: dict[bytes, bytes] = {}
    return _SHARED.sub(lambda found: found[1] + numbers.setdefault(found[2], b"%d" % (len(numbers) + 1)), config)
