"""Trains a bundle with policy `evidence` from normal sessions."""

from __future__ import annotations

import platform
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from models.bundle.writer import Golden, Parts, write
from models.data.material import Limit, Material, StepProgress
from models.data.sessions import features_of, hours, training_rows
from models.detectors import export, forest, network, parity
from models.evaluation.outcome import outcome
from models.training import plots, policy, severity
from models.training.calibration import calibrate, residuals
from scoring.bundle import Bundle, Manifest, Scaler, load
from scoring.config import FORMAT, BundleConfig, FeaturesConfig
from scoring.graph import Graph, Scores
from window.features import ROLLING
from window.samples import Floats, Samples

FEATURES_CONFIG = FeaturesConfig(ratio_floor_c=5.0)
"""Near 0 °C current / temperature would become larger than every other feature."""
RUNNING = 2 * ROLLING
"""From this sample of a session on, scores count for calibration."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The size of a training. ``budget``: false episodes per charge-hour to aim at. ``per_grade``: injected faults of
    each grade."""

    rows_per_session: int = 800
    trees: int = 100
    epochs: int = 10
    settle_epochs: int = 40
    parity_rows: int = parity.ROWS
    per_grade: int = 10
    budget: float = policy.BUDGET


def train(
    material: Material,
    out: Path,
    seed: int,
    recipe: Recipe,
    progress: StepProgress,
    *,
    limits: Mapping[str, Limit] | None = None,
) -> Bundle:
    """Make a bundle at ``out``, replacing what is there, and the two `pictures` beside it. The same material and seed
    give the same bytes with the same versions on the same kind of processor. ``limits``: of severities, by name; the
    others follow from the data.

    Raises ValueError for impossible limits, and `parity.ParityError` if the graph does not score as the models. Warns
    if there are too few held-out hours to confirm the budget.
    """
    train, validation = material.train, material.validation
    every = [*train, *validation]
    known = policy.known(every)
    severities = severity.limits(limits or {}, known, material.degrees)
    _warn(hours(validation), recipe.budget)
    rules = FEATURES_CONFIG.rules
    taught = training_rows([*train, *material.pieces], rules, seed, most=recipe.rows_per_session)
    # Choose the weights by how well they rebuild clean rows. The loss on corrupted rows, which nothing can fully undo,
    # would hide that.
    checked = training_rows(validation, rules, seed, most=recipe.rows_per_session, corrupted=False)
    scaler = Scaler(taught.targets.mean(axis=0), np.maximum(taught.targets.std(axis=0), 1e-9))
    total = recipe.epochs + recipe.settle_epochs
    model, epochs = network.fit(
        (scaler.standardise(taught.inputs), scaler.standardise(taught.targets)),
        (scaler.standardise(checked.inputs), scaler.standardise(checked.targets)),
        epochs=recipe.epochs,
        settle_epochs=recipe.settle_epochs,
        seed=seed,
        progress=lambda done, loss: progress(f"training the autoencoder (held-out loss {loss:.4f})", done, total),
    )
    progress("training the autoencoder", total, total)  # it may have ended early
    progress("growing the forest", 0, 1)
    trained = forest.fit(taught.targets, trees=recipe.trees, seed=seed)
    trees = forest.Forest.of(trained)
    layers = network.folded(model)
    weights = _weights(Graph(export.to_onnx(scaler, layers, trees)), scaler, train)
    onnx = export.to_onnx(scaler, layers, trees, error_weights=weights)
    graph = Graph(onnx)
    progress("growing the forest", 1, 1)

    scores = [graph.score(rows) for rows in features_of(validation, rules)]
    thresholds, evidence = policy.fit(
        policy.Sessions(validation, scores), every, gap_s=FEATURES_CONFIG.session_gap_s, budget=recipe.budget
    )
    config = BundleConfig(
        features=FEATURES_CONFIG,
        policy="evidence",
        evidence=evidence,
        error_weights=weights,
        thresholds=thresholds,
        severity=severities,
        training_range=known,
        calibration=calibrate(
            *_running(scores),
            hours(validation),
            residuals(validation, np.concatenate([s.reconstruction for s in scores])),
        ),
    )
    progress("proving parity", 0, 1)
    edge = parity.boundary_rows(trees, taught.targets, seed)
    tried = np.concatenate([parity.spread_rows(taught.targets, seed, recipe.parity_rows), edge])
    oracle = parity.oracle_of(model, trained, scaler, np.array(weights))
    proof = parity.compare(graph, oracle, thresholds, tried)
    progress("proving parity", 1, 1)

    manifest = Manifest(format=FORMAT, id="candidate", sha256={}, versions={}, training={}, metrics={})
    candidate = Bundle("candidate", {}, config, scaler, graph, manifest)
    progress("trying it", 0, 1)
    metrics = {
        "parity": replace(proof, boundary_rows=len(edge)).as_dict(),
        **outcome(candidate, material, seed, recipe.per_grade),
    }
    progress("trying it", 1, 1)
    training = {
        **material.training,
        "seed": seed,
        "recipe": asdict(recipe),
        "hours": round(hours(train), 2),
        "held_out_hours": round(hours(validation), 2),
        "sessions": len(every),
        "rows": len(taught.targets),
        "forest_input": "raw features, rounded to float32",
    }
    golden = Golden.drawn(tried, oracle, seed)
    made_by = _versions(training["source"])
    write(Parts(model, scaler, trees, onnx, config, golden, made_by, training, metrics), out)
    curve, histogram = pictures(out)
    curve.write_bytes(plots.training_curve(epochs))
    histogram.write_bytes(plots.score_histograms(*_running(scores), config))
    return load(out)


def pictures(out: Path) -> tuple[Path, Path]:
    """The paths of the training curve and of the score histograms: beside the bundle's folder, not in it, because the
    id vouches for everything in a bundle."""
    folder = out.resolve()
    return folder.with_name(f"{folder.name}-training.png"), folder.with_name(f"{folder.name}-scores.png")


def _warn(held_h: float, budget: float) -> None:
    if held_h < policy.needed_hours(budget):
        warnings.warn(
            f"{held_h:.1f} h of held-out charging cannot bear out {budget:g} false episodes an hour, which takes "
            f"{policy.needed_hours(budget):.0f} h; they can bear out {3.0 / held_h:.2g}",
            stacklevel=3,
        )


def _weights(graph: Graph, scaler: Scaler, train: Sequence[Samples]) -> tuple[float, ...]:
    """One over the mean square of each feature's residual in training: each counts by how surprising it is."""
    parts = []
    for rows in features_of(train, FEATURES_CONFIG.rules):
        residual = scaler.standardise(rows) - scaler.standardise(graph.score(rows).reconstruction)
        parts.append(residual[RUNNING:])
    squares = np.square(np.concatenate(parts)).mean(axis=0)
    return tuple((1.0 / (len(squares) * np.maximum(squares, 1e-12))).tolist())


def _running(scores: Sequence[Scores]) -> tuple[Floats, Floats]:
    """Errors and forest scores of all samples except the first of each session."""
    return (
        np.concatenate([s.reconstruction_error[RUNNING:] for s in scores]),
        np.concatenate([s.forest_score[RUNNING:] for s in scores]),
    )


def _versions(source: str) -> dict[str, str]:
    """Versions of everything that made the bundle."""
    libraries = ["battery-watch", "keras", "numpy", "onnx", "onnxruntime", "scikit-learn", "tensorflow"]
    libraries += ["pybamm"] if source == "simulation" else []
    return {"python": platform.python_version(), **{name: version(name) for name in libraries}}
