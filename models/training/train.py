"""The pipeline from normal sessions to a bundle with policy `evidence`."""

from __future__ import annotations

import platform
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from models.bundle.writer import Golden, Parts, write
from models.data.material import Limit, Material, Tell
from models.data.sessions import features_of, hours, lessons
from models.detectors import export, forest, network, parity
from models.evaluation.outcome import outcome
from models.training import plots as drawing
from models.training import policy, severity
from models.training.calibration import calibrate, residuals
from scoring.bundle import Bundle, Manifest, Scaler, load
from scoring.config import FORMAT, BundleConfig, FeaturesConfig
from scoring.graph import Graph, Scores
from window.features import ROLLING
from window.samples import Floats, Samples

FEATURES_CONFIG = FeaturesConfig(ratio_floor_c=5.0)
"""Near the freezing point current / temperature would outgrow every other feature."""
RUNNING = 2 * ROLLING
"""From this sample of a session on its scores count for calibration."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The size of a training, and ``budget``: false episodes per charge-hour to aim at. ``per_grade``: faults of each
    grade that are put in to see what is found."""

    rows_per_session: int = 800
    trees: int = 100
    epochs: int = 10
    settle_epochs: int = 40
    parity_rows: int = parity.ROWS
    per_grade: int = 10
    budget: float = policy.BUDGET


def train(
    material: Material, out: Path, seed: int, recipe: Recipe, tell: Tell, *, limits: Mapping[str, Limit] | None = None
) -> Bundle:
    """Make a bundle at ``out``, replacing what is there, and beside it the pictures of `pictures`. The same material
    and seed give the same bytes with the same versions on the same kind of processor. ``limits``: of severities, by
    name; the others follow from the data.

    Raises ValueError for limits that cannot be and `parity.ParityError` when the graph is not the models; warns when
    the held-out hours cannot bear out the budget.
    """
    learnt, held = material.learnt, material.held
    every = [*learnt, *held]
    known = policy.known(every)
    severities = severity.limits(limits or {}, known, material.degrees)
    _warn(hours(held), recipe.budget)
    rules = FEATURES_CONFIG.rules
    taught = lessons([*learnt, *material.pieces], rules, seed, most=recipe.rows_per_session)
    # Weights are kept by how well they rebuild normal rows: what nobody can undo of a spoilt one would drown that.
    checked = lessons(held, rules, seed, most=recipe.rows_per_session, spoilt=False)
    scaler = Scaler(taught.wanted.mean(axis=0), np.maximum(taught.wanted.std(axis=0), 1e-9))
    total = recipe.epochs + recipe.settle_epochs
    model, epochs = network.fit(
        (scaler.standardise(taught.shown), scaler.standardise(taught.wanted)),
        (scaler.standardise(checked.shown), scaler.standardise(checked.wanted)),
        epochs=recipe.epochs,
        settle_epochs=recipe.settle_epochs,
        seed=seed,
        tell=lambda done, loss: tell(f"training the autoencoder (held-out loss {loss:.4f})", done, total),
    )
    tell("training the autoencoder", total, total)  # it may have ended early
    tell("growing the forest", 0, 1)
    trained = forest.fit(taught.wanted, trees=recipe.trees, seed=seed)
    trees = forest.Forest.of(trained)
    layers = network.folded(model)
    weights = _weights(Graph(export.to_onnx(scaler, layers, trees)), scaler, learnt)
    onnx = export.to_onnx(scaler, layers, trees, error_weights=weights)
    graph = Graph(onnx)
    tell("growing the forest", 1, 1)

    scores = [graph.score(rows) for rows in features_of(held, rules)]
    thresholds, evidence = policy.fit(
        policy.Sessions(held, scores), every, gap_s=FEATURES_CONFIG.session_gap_s, budget=recipe.budget
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
            *_running(scores), hours(held), residuals(held, np.concatenate([s.reconstruction for s in scores]))
        ),
    )
    tell("proving parity", 0, 1)
    edge = parity.boundary_rows(trees, taught.wanted, seed)
    tried = np.concatenate([parity.spread_rows(taught.wanted, seed, recipe.parity_rows), edge])
    oracle = parity.oracle_of(model, trained, scaler, np.array(weights))
    proof = parity.compare(graph, oracle, thresholds, tried)
    tell("proving parity", 1, 1)

    manifest = Manifest(format=FORMAT, id="candidate", sha256={}, versions={}, training={}, metrics={})
    candidate = Bundle("candidate", {}, config, scaler, graph, manifest)
    tell("trying it", 0, 1)
    metrics = {
        "parity": replace(proof, boundary_rows=len(edge)).as_dict(),
        **outcome(candidate, material, seed, recipe.per_grade),
    }
    tell("trying it", 1, 1)
    training = {
        **material.training,
        "seed": seed,
        "recipe": asdict(recipe),
        "hours": round(hours(learnt), 2),
        "held_out_hours": round(hours(held), 2),
        "sessions": len(every),
        "rows": len(taught.wanted),
        "forest_input": "raw features, rounded to float32",
    }
    golden = Golden.drawn(tried, oracle, seed)
    made_by = _versions(training["source"])
    write(Parts(model, scaler, trees, onnx, config, golden, made_by, training, metrics), out)
    curve, histogram = pictures(out)
    curve.write_bytes(drawing.training_curve(epochs))
    histogram.write_bytes(drawing.score_histograms(*_running(scores), config))
    return load(out)


def pictures(out: Path) -> tuple[Path, Path]:
    """Where the training curve and the histograms of held-out scores lie: beside the bundle's folder, not in it, since
    a bundle is what its id vouches for."""
    folder = out.resolve()
    return folder.with_name(f"{folder.name}-training.png"), folder.with_name(f"{folder.name}-scores.png")


def _warn(held_h: float, budget: float) -> None:
    if held_h < policy.needed_hours(budget):
        warnings.warn(
            f"{held_h:.1f} h of held-out charging cannot bear out {budget:g} false episodes an hour, which takes "
            f"{policy.needed_hours(budget):.0f} h; they can bear out {3.0 / held_h:.2g}",
            stacklevel=3,
        )


def _weights(graph: Graph, scaler: Scaler, learnt: Sequence[Samples]) -> tuple[float, ...]:
    """One over the mean square of each feature's residual on what was learnt: each counts by how surprising it is."""
    parts = []
    for rows in features_of(learnt, FEATURES_CONFIG.rules):
        residual = scaler.standardise(rows) - scaler.standardise(graph.score(rows).reconstruction)
        parts.append(residual[RUNNING:])
    squares = np.square(np.concatenate(parts)).mean(axis=0)
    return tuple((1.0 / (len(squares) * np.maximum(squares, 1e-12))).tolist())


def _running(scores: Sequence[Scores]) -> tuple[Floats, Floats]:
    """Errors and forest scores of all samples but the first of each session."""
    return (
        np.concatenate([s.reconstruction_error[RUNNING:] for s in scores]),
        np.concatenate([s.forest_score[RUNNING:] for s in scores]),
    )


def _versions(source: str) -> dict[str, str]:
    """Of what made the bundle."""
    libraries = ["battery-watch", "keras", "numpy", "onnx", "onnxruntime", "scikit-learn", "tensorflow"]
    libraries += ["pybamm"] if source == "simulation" else []
    return {"python": platform.python_version(), **{name: version(name) for name in libraries}}
