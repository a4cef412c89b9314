"""From the old service's folder to a bundle, proven to score as the old models do."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from models.bundle.converted_card import CONVERTED
from models.bundle.writer import Golden, Parts, write
from models.detectors import export, parity
from models.detectors.forest import Forest
from models.detectors.network import folded, reconstruction_error
from models.detectors.parity import Oracle
from models.legacy import choices, doubts, estimators, files, network, pickles, trial, weights
from models.legacy.choices import Choices, Given
from models.legacy.errors import Unanswered
from models.legacy.files import Files
from models.legacy.forest_input import SCALED
from models.legacy.weights import OldWeights
from scoring.bundle import Bundle, Scaler, load
from scoring.config import BundleConfig, Calibration, FeaturesConfig, Thresholds
from scoring.graph import Graph
from window.features import FEATURES
from window.samples import Floats

FEATURES_CONFIG = FeaturesConfig(rate="diff")
_SEED = 0
Report = Callable[[str], None]
"""Gets a line for each thing found out."""


@dataclass(frozen=True, slots=True)
class _Old:
    """What the files hold. Scaler and forest are scikit-learn's objects, with the versions that wrote them. ``names``:
    the features in the order of the old models."""

    files: Files
    names: list[str]
    chosen: Choices
    weights: OldWeights
    scaler: Any
    scaler_version: str
    forest: Any
    forest_version: str

    @property
    def order(self) -> list[int]:
        """For each of our features its column in the old order."""
        return [self.names.index(name) for name in FEATURES]


@dataclass(frozen=True, slots=True)
class _Models:
    """The old models in our order of features, and the old objects they came from. ``forest_input``: raw or scaled,
    ``reason`` why."""

    scaler: Scaler
    forest: Forest
    forest_input: Any
    reason: str
    autoencoder: Any
    oracle: Oracle


@dataclass(frozen=True, slots=True)
class _Notes:
    """What is reported on the way; ``warnings`` go into the bundle too."""

    report: Report
    warnings: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        self.warnings.append(text)
        self.report(f"warning: {text}")


def convert(
    folder: Path, out: Path, given: Given, report: Report, *, trust_pickle: bool, rows: int = parity.ROWS
) -> Bundle:
    """Write the bundle of the old service's files in ``folder`` to ``out``, replacing what is there. Half a minute.

    The same files and choices give the same bundle. ``rows``: how many made-up rows the models are compared on.
    Raises `Unanswered` when the command line must say more (before anything is unpickled without ``trust_pickle``),
    `LegacyError` for files that are not what they should be, and `parity.ParityError` when the graph is not the old
    models.
    """
    found = files.find(folder, given.autoencoder)
    if not trust_pickle:
        raise Unanswered(pickles.RISK)
    notes = _Notes(report)
    old = _read(found, given, notes)
    models = _rebuilt(old, given, notes)
    thresholds = Thresholds(
        reconstruction_error=old.chosen.reconstruction_threshold, forest_score=float(old.forest.offset_)
    )
    onnx = export.to_onnx(models.scaler, folded(models.autoencoder), models.forest, forest_input=models.forest_input)
    graph = Graph(onnx)
    tried = trial.made(models.scaler, models.forest, models.forest_input, FEATURES_CONFIG.rules, _SEED, rows)
    report(f"comparing the graph with Keras and scikit-learn over {len(tried.rows):,} rows ...")
    proof = replace(parity.compare(graph, models.oracle, thresholds, tried.rows), boundary_rows=tried.boundary)
    report(
        f"agreed: errors within {proof.worst_error_ratio:.1e} relative, forest scores within "
        f"{proof.worst_forest_difference:.1e}, no verdict differs"
    )
    steady = doubts.steady_shares(graph, thresholds, tried.steady, notes.warn)
    readings, range_from = doubts.known_range(models.forest, models.scaler, models.forest_input, given)
    config = BundleConfig(
        features=FEATURES_CONFIG,
        forest_input=models.forest_input,
        thresholds=thresholds,
        severity=old.chosen.severity,
        training_range=readings,
        calibration=Calibration(normal_hours=0.0, reconstruction_error=(), forest_score=()),
    )
    parts = Parts(
        models.autoencoder,
        models.scaler,
        models.forest,
        onnx,
        config,
        Golden.drawn(tried.rows, models.oracle, _SEED),
        _versions(),
        training=_record(old, models) | {"range_from": range_from, "warnings": notes.warnings},
        metrics={"parity": proof.as_dict(), "steady": steady},
    )
    write(parts, out)
    return load(out)


def _read(found: Files, given: Given, notes: _Notes) -> _Old:
    """Read all files, in an order in which cheap faults come before slow ones."""
    names = choices.feature_names(found.feature_names)
    chosen = choices.read(found.config, given)
    _report_choices(found, names, chosen, notes.report)
    old = weights.read(found.autoencoder)
    notes.report(f"{found.autoencoder.name}: Keras {old.keras}, all {len(old.weights)} weights there and trained")
    scaler, scaler_version = pickles.unpickle(found.scaler, "StandardScaler")
    forest, forest_version = pickles.unpickle(found.forest, "IsolationForest")
    doubts.warn_of_versions({found.scaler.name: scaler_version, found.forest.name: forest_version}, notes.warn)
    return _Old(found, names, chosen, old, scaler, scaler_version, forest, forest_version)


def _rebuilt(old: _Old, given: Given, notes: _Notes) -> _Models:
    """The old models with their features in our order."""
    in_old_order = estimators.scaler_of(old.scaler, old.names)
    for name in estimators.constant_features(old.scaler, old.names):
        notes.warn(f"{name} never changed in the old training data: any change of it will look like a fault.")
    trees = estimators.forest_of(old.forest, old.names)
    notes.report(f"{old.files.forest.name}: {trees.trees} trees, anomalous below {old.forest.offset_:.6g}")
    splits, reason = doubts.chosen_forest_input(trees, in_old_order, given, notes.warn)
    notes.report(f"forest input: {splits} ({reason})")
    original = network.original(old.files.autoencoder, old.weights)
    order = old.order
    return _Models(
        Scaler(in_old_order.mean[order], in_old_order.scale[order]),
        estimators.reordered(trees, old.names),
        splits,
        reason,
        network.converted(old.weights, order),
        _oracle(original, old, splits),
    )


def _oracle(original: Any, old: _Old, splits: str) -> Oracle:
    """The old models as the old service ran them, from features in our order."""
    back = np.argsort(old.order)

    def oracle(ours: Floats) -> tuple[Floats, Floats]:
        rows = ours[:, back]
        scaled = estimators.quietly(old.scaler.transform, rows)
        forest = estimators.quietly(old.forest.score_samples, scaled if splits == SCALED else rows)
        return reconstruction_error(original, scaled), forest

    return oracle


def _report_choices(found: Files, names: list[str], chosen: Choices, report: Report) -> None:
    if found.unused:
        report(f"{found.unused} is left alone: {found.autoencoder.name} is there (--autoencoder names another)")
    same = "in our order" if names == list(FEATURES) else "in another order, rearranged"
    report(f"{found.feature_names.name}: 14 features {same}")
    for what, source in chosen.sources.items():
        report(f"{what}: {source}")
    if chosen.unused:
        report(f"{found.config.name}, not used: {', '.join(chosen.unused)}")


def _record(old: _Old, models: _Models) -> dict[str, Any]:
    """Where the models come from, for the manifest and the card."""
    found = old.files
    order = "the order of Battery Watch" if old.names == list(FEATURES) else "an order of their own, now rearranged"
    return {
        "summary": f"Converted from the old service's {found.autoencoder.name} (Keras {old.weights.keras}), "
        f"{found.scaler.name} (scikit-learn {old.scaler_version}) and {found.forest.name} (scikit-learn "
        f"{old.forest_version}), with 14 features in {order}. What they were trained on, the files do not say.",
        "source": CONVERTED,
        "files": [{"name": one.name, "bytes": len(one.content), "sha256": one.sha256} for one in found.all],
        "written_by": {
            found.autoencoder.name: f"keras {old.weights.keras}",
            found.scaler.name: f"scikit-learn {old.scaler_version}",
            found.forest.name: f"scikit-learn {old.forest_version}",
        },
        "feature_order": old.names,
        "choices": {**old.chosen.sources, "forest input": models.reason},
        "unused": list(old.chosen.unused),
        "forest_input": f"{models.forest_input} features, rounded to float32",
    }


def _versions() -> dict[str, str]:
    libraries = ("battery-watch", "h5py", "keras", "numpy", "onnx", "onnxruntime", "scikit-learn", "tensorflow")
    return {"python": platform.python_version(), **{name: version(name) for name in libraries}}
