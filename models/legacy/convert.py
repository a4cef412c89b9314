"""From the old service's folder to a bundle, proven to score as the old models do."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from models.bundle.converted_card import CONVERTED
from models.bundle.writer import Golden, Parts, write
from models.detectors import export, network, parity
from models.detectors.forest import LEAF, Forest
from models.detectors.parity import Oracle
from models.legacy import choices, estimators, files, forest_input, pickles, trial
from models.legacy import network as old_network
from models.legacy.choices import Choices, Given
from models.legacy.errors import Unanswered
from models.legacy.files import Files
from models.legacy.forest_input import RAW, SCALED
from scoring.bundle import Bundle, Scaler, load
from scoring.config import BundleConfig, Calibration, FeaturesConfig, Range, Thresholds
from scoring.graph import Graph
from window.features import FEATURES
from window.samples import Floats

FEATURES_CONFIG = FeaturesConfig(rate="diff")
_SEED, _DOUBTFUL = 0, 0.5
_READINGS = {
    "current": ("current", "current_roll_mean", "current_roll_min", "current_roll_max", "current_lag1"),
    "temperature": ("temperature", "temp_roll_mean", "temp_lag1"),
}
_AT = {name: column for column, name in enumerate(FEATURES)}
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Models:
    """The old models in our order of features, and the old objects they came from."""

    scaler: Scaler
    forest: Forest
    forest_input: str
    autoencoder: Any
    thresholds: Thresholds
    oracle: Oracle


def convert(
    folder: Path,
    out: Path,
    given: Given,
    tell: Tell,
    *,
    trust_pickle: bool,
    autoencoder: str | None = None,
    rows: int = parity.ROWS,
) -> Bundle:
    """Write the bundle of the old service's files in ``folder`` to ``out``, replacing what is there. Half a minute.

    The same files and choices give the same bundle. ``tell`` gets a line for each thing found out. Raises `Unanswered`
    when the command line must say more (before anything is unpickled without ``trust_pickle``), `LegacyError` for files
    that are not what they should be, and `parity.ParityError` when the graph is not the old models.
    """
    found = files.find(folder, autoencoder)
    if not trust_pickle:
        raise Unanswered(pickles.RISK)
    warnings: list[str] = []

    def warn(text: str) -> None:
        warnings.append(text)
        tell(f"warning: {text}")

    names = choices.feature_names(found.feature_names)
    order = [names.index(name) for name in FEATURES]
    chosen = choices.read(found.config, given)
    _tell_choices(found, names, chosen, tell)
    weights = old_network.read(found.autoencoder)
    tell(f"{found.autoencoder.name}: Keras {weights.keras}, all {len(weights.weights)} weights there and trained")

    old_scaler, scaler_version = pickles.unpickle(found.scaler, "StandardScaler")
    old_forest, forest_version = pickles.unpickle(found.forest, "IsolationForest")
    _warn_versions({found.scaler.name: scaler_version, found.forest.name: forest_version}, warn)
    in_old_order = estimators.scaler_of(old_scaler, names)
    for name in estimators.constant_features(old_scaler, names):
        warn(f"{name} never changed in the old training data: any change of it will look like a fault.")
    trees = estimators.forest_of(old_forest, names)
    tell(f"{found.forest.name}: {trees.trees} trees, anomalous below {old_forest.offset_:.6g}")
    splits, why = _forest_input(trees, in_old_order, given, warn)
    tell(f"forest input: {splits} ({why})")

    original = old_network.original(found.autoencoder, weights)
    scaler = Scaler(in_old_order.mean[order], in_old_order.scale[order])
    forest = estimators.reordered(trees, names)
    model = old_network.converted(weights, order)
    onnx = export.to_onnx(scaler, network.folded(model), forest, forest_input=splits)
    graph = Graph(onnx)
    thresholds = Thresholds(
        reconstruction_error=chosen.reconstruction_threshold, forest_score=float(old_forest.offset_)
    )
    models = _Models(
        scaler, forest, splits, model, thresholds, _oracle(original, old_scaler, old_forest, splits, order)
    )
    tried = trial.made(scaler, forest, splits, FEATURES_CONFIG.rules, _SEED, rows)
    tell(f"comparing the graph with Keras and scikit-learn over {len(tried.rows):,} rows ...")
    proof = replace(parity.compare(graph, models.oracle, thresholds, tried.rows), boundary_rows=tried.boundary)
    tell(
        f"agreed: errors within {proof.worst_error_ratio:.1e} relative, forest scores within "
        f"{proof.worst_forest_difference:.1e}, no verdict differs"
    )
    steady = _steady(graph, thresholds, tried.steady, warn)
    readings, range_from = _range(models, given)
    config = BundleConfig(
        features=FEATURES_CONFIG,
        forest_input=splits,
        thresholds=thresholds,
        severity=chosen.severity,
        training_range=readings,
        calibration=Calibration(normal_hours=0.0, reconstruction_error=(), forest_score=()),
    )
    training = {
        "summary": _summary(found, names, weights.keras, scaler_version, forest_version),
        "source": CONVERTED,
        "files": [{"name": one.name, "bytes": len(one.content), "sha256": one.sha256} for one in found.all],
        "written_by": {
            found.autoencoder.name: f"keras {weights.keras}",
            found.scaler.name: f"scikit-learn {scaler_version}",
            found.forest.name: f"scikit-learn {forest_version}",
        },
        "feature_order": names,
        "choices": {**chosen.sources, "forest input": why},
        "unused": list(chosen.unused),
        "forest_input": f"{splits} features, rounded to float32",
        "range_from": range_from,
        "warnings": warnings,
    }
    metrics = {"parity": proof.as_dict(), "steady": steady}
    golden = Golden.drawn(tried.rows, models.oracle, _SEED)
    write(Parts(model, scaler, forest, onnx, config, golden, _versions(), training, metrics), out)
    return load(out)


def _tell_choices(found: Files, names: list[str], chosen: Choices, tell: Tell) -> None:
    if found.unused:
        tell(f"{found.unused} is left alone: {found.autoencoder.name} is there (--autoencoder names another)")
    same = "in our order" if names == list(FEATURES) else "in another order, rearranged"
    tell(f"{found.feature_names.name}: 14 features {same}")
    for what, source in chosen.sources.items():
        tell(f"{what}: {source}")
    if chosen.unused:
        tell(f"{found.config.name}, not used: {', '.join(chosen.unused)}")


def _warn_versions(written: dict[str, str], warn: Tell) -> None:
    import sklearn

    for name, by in written.items():
        if by != sklearn.__version__:
            warn(
                f"{name} was written by scikit-learn {by} and read by {sklearn.__version__}, which scikit-learn does "
                "not promise to work; the comparison below is with the object as it was read."
            )


def _forest_input(forest: Forest, scaler: Scaler, given: Given, warn: Tell) -> tuple[Any, str]:
    """Raw or scaled, and why. Raises `Unanswered` when neither the command line nor the thresholds say."""
    evidence = forest_input.judge(forest, scaler)
    if given.forest_input is not None:
        if evidence.answer not in (None, given.forest_input):
            warn(
                f"--forest-input says {given.forest_input}, but the forest looks grown on {evidence.answer} features: "
                f"{evidence.sentence}. If that is wrong, every verdict of the forest is."
            )
        return given.forest_input, "--forest-input"
    if evidence.answer is None:
        raise Unanswered(
            "Whether the forest was trained on raw or on scaled features is not clear, and a wrong guess would be "
            f"wrong without a sign: {evidence.sentence}. Look at what the old service passed to the forest's "
            "`predict`: the features as they are (--forest-input raw) or the scaler's output (--forest-input scaled)."
        )
    return evidence.answer, evidence.sentence


def _oracle(original: Any, old_scaler: Any, old_forest: Any, splits: str, order: list[int]) -> Oracle:
    """The old models as the old service ran them, from features in our order."""
    back = np.argsort(order)

    def oracle(ours: Floats) -> tuple[Floats, Floats]:
        rows = ours[:, back]
        scaled = estimators.quietly(old_scaler.transform, rows)
        forest = estimators.quietly(old_forest.score_samples, scaled if splits == SCALED else rows)
        return network.reconstruction_error(original, scaled), forest

    return oracle


def _steady(graph: Graph, thresholds: Thresholds, rows: Floats, warn: Tell) -> dict[str, Any]:
    """What the models say of charges that should be ordinary for them."""
    scores = graph.score(rows)
    far = float((scores.reconstruction_error > thresholds.reconstruction_error).mean())
    apart = float((scores.forest_score < thresholds.forest_score).mean())
    for share, what, look in (
        (far, "autoencoder", "the threshold, and whether scaler and autoencoder belong together"),
        (apart, "forest", "--forest-input, and whether scaler and forest belong together"),
    ):
        if share > _DOUBTFUL:
            warn(
                f"The {what} calls {share:.0%} of made-up steady charges near the training mean anomalous. "
                f"Something does not fit: check the order of the features, {look}."
            )
    return {"samples": len(rows), "reconstruction_anomalous": far, "forest_anomalous": apart}


def _range(models: _Models, given: Given) -> tuple[Range, str]:
    """The readings the models know: a forest only splits inside of what it was shown."""
    inner = models.forest.left != LEAF
    ranges: dict[str, tuple[float, float]] = {}
    for reading, said, option in (
        ("current", given.current_range_a, "--current-range"),
        ("temperature", given.temperature_range_c, "--temperature-range"),
    ):
        column, threshold = models.forest.feature[inner], models.forest.threshold[inner]
        at = [_AT[name] for name in _READINGS[reading]]
        seen = np.isin(column, at)
        if said is None and not seen.any():
            raise Unanswered(
                f"What range of the {reading} the old models know cannot be told from the forest, which never splits "
                f"it: give it with {option} LOW HIGH."
            )
        if models.forest_input != RAW:
            threshold = threshold * models.scaler.scale[column] + models.scaler.mean[column]
        ranges[reading] = said or (round(float(threshold[seen].min()), 3), round(float(threshold[seen].max()), 3))
    where = [
        f"{name} {'given' if said else 'from the splits of the forest'}"
        for name, said in (("current", given.current_range_a), ("temperature", given.temperature_range_c))
    ]
    return Range(current_a=ranges["current"], temperature_c=ranges["temperature"]), ", ".join(where)


def _summary(found: Files, names: list[str], keras: str, scaler_version: str, forest_version: str) -> str:
    order = "the order of Battery Watch" if names == list(FEATURES) else "an order of their own, now rearranged"
    return (
        f"Converted from the old service's {found.autoencoder.name} (Keras {keras}), {found.scaler.name} (scikit-learn "
        f"{scaler_version}) and {found.forest.name} (scikit-learn {forest_version}), with 14 features in {order}. What "
        "they were trained on, the files do not say."
    )


def _versions() -> dict[str, str]:
    libraries = ("battery-watch", "h5py", "keras", "numpy", "onnx", "onnxruntime", "scikit-learn", "tensorflow")
    return {"python": platform.python_version(), **{name: version(name) for name in libraries}}
