"""The pipeline from charges to a bundle."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from models import export, forest, network, parity, simulate, trials
from models.bundle_writer import Golden, Parts, write
from models.calibration import calibrate, residuals, thresholds
from models.logger import START_A
from models.sessions import HELD_OUT, Lessons, Recorded, features_of, hours, lessons, record, split
from models.simulate import Charge
from scoring.bundle import Bundle, Scaler, load
from scoring.config import BundleConfig, FeaturesConfig, Range, SeverityLimit, SeverityLimits
from scoring.graph import Graph, Scores
from window.features import FEATURES
from window.samples import Floats, Samples

MIN_SESSIONS = 8
FEATURES_CONFIG = FeaturesConfig(ratio_floor_c=5.0)
"""Near the freezing point current / temperature would outgrow every other feature."""
_START_SAMPLES = 10
_STARTS_IN_SCALE = 40
_NOISY = {"temp_rate": 2.0, "temp_roll_std": 2.0}
"""A noisy thermometer has twice the scatter of the average one. Scaled by the average, its noise would be the
strangest thing in normal charging, and thresholds above it would hide every step of the current."""

Tell = Callable[[str, int, int], None]
"""Gets the name of a step, how much of it is done, and of how much."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The size of a training. ``fresh`` further charges, seen by neither models nor thresholds, try the result."""

    sessions: int = 70
    fresh: int = 20
    starts: int = 80
    rows_per_session: int = 600
    trees: int = 100
    epochs: int = 5
    settle_epochs: int = 300
    parity_rows: int = parity.ROWS


def train_simulated(out: Path, seed: int, recipe: Recipe, tell: Tell) -> Bundle:
    """Make the bundle of simulated charges at ``out``, replacing what is there; the same seed gives the same bundle
    with the same versions on the same kind of processor. Minutes of work.

    Raises ValueError when there are too few sessions and `parity.ParityError` when the graph is not the models.
    """
    if recipe.sessions < MIN_SESSIONS:
        raise ValueError(
            f"{recipe.sessions} sessions are too few to learn from and to hold some out: {MIN_SESSIONS} at least"
        )
    charges: list[Charge] = []
    total = recipe.sessions + recipe.fresh
    for charge in simulate.charges(total, seed):
        charges.append(charge)
        tell("simulating charges", len(charges), total)
    known, fresh = charges[: recipe.sessions], charges[recipe.sessions :]
    learnt, held = split(record(known, seed, starts=recipe.starts), seed)
    rules = FEATURES_CONFIG.rules
    taught = lessons(learnt, rules, seed, most=recipe.rows_per_session)
    checked = lessons(held, rules, seed, most=recipe.rows_per_session)
    rows = taught.wanted[: taught.clean]
    scaler = _scaler(learnt, seed, recipe)
    model = _autoencoder(scaler, taught, checked, seed, recipe, tell)
    tell("growing the forest", 0, 1)
    trained = forest.fit(rows, trees=recipe.trees, seed=seed)
    trees = forest.Forest.of(trained)
    onnx = export.to_onnx(scaler, network.folded(model), trees)
    graph = Graph(onnx)
    tell("growing the forest", 1, 1)

    config = _config(graph, learnt, held)
    tell("proving parity", 0, 1)
    edge = parity.boundary_rows(trees, rows, seed)
    tried = np.concatenate([parity.spread_rows(rows, seed, recipe.parity_rows), edge])
    proof = replace(parity.prove(graph, model, trained, scaler, config.thresholds, tried), boundary_rows=len(edge))
    tell("proving parity", 1, 1)

    metrics = {
        "parity": proof.as_dict(),
        "held_out": _false_alarms(graph, config, held, fresh, seed),
        "faults": trials.find_faults(fresh or known, graph, config, seed),
    }
    golden = _golden(model, trained, scaler, tried, seed)
    training = _summary(known, learnt, held, rows, seed, recipe)
    write(Parts(model, scaler, trees, onnx, config, golden, versions(), training, metrics), out)
    return load(out)


def _scaler(learnt: Sequence[Recorded], seed: int, recipe: Recipe) -> Scaler:
    """Mean and deviation over the charges and one in 40 of their starts: with none a start would be a hundred
    deviations away, with all of them a fault would be none."""
    few = [Recorded(one.whole, one.starts[::_STARTS_IN_SCALE]) for one in learnt]
    of = lessons(few, FEATURES_CONFIG.rules, seed, most=recipe.rows_per_session)
    rows = of.wanted[: of.clean]
    slack = np.array([_NOISY.get(name, 1.0) for name in FEATURES])
    return Scaler(rows.mean(axis=0), rows.std(axis=0) * slack)


def _autoencoder(scaler: Scaler, taught: Lessons, checked: Lessons, seed: int, recipe: Recipe, tell: Tell) -> Any:
    def pair(of: Lessons) -> network.Pairs:
        return scaler.standardise(of.shown), scaler.standardise(of.wanted)

    total = recipe.epochs + recipe.settle_epochs

    def told(done: int, loss: float) -> None:
        tell(f"training the autoencoder (held-out loss {loss:.4f})", done, total)

    model = network.fit(
        pair(taught),
        pair(checked),
        epochs=recipe.epochs,
        settle_epochs=recipe.settle_epochs,
        seed=seed,
        tell=told,
    )
    # Training may have ended early.
    tell("training the autoencoder", total, total)
    return model


def _scores(graph: Graph, sessions: Sequence[Samples], *, skip: int = 0) -> Scores:
    """Scores of all samples but the first ``skip`` of each session."""
    parts = [graph.score(rows[skip:]) for rows in features_of(sessions, FEATURES_CONFIG.rules)]
    return Scores(
        np.concatenate([p.reconstruction_error for p in parts]),
        np.concatenate([p.forest_score for p in parts]),
        np.concatenate([p.reconstruction for p in parts]),
    )


def _config(graph: Graph, learnt: Sequence[Recorded], held: Sequence[Recorded]) -> BundleConfig:
    """Rarity is counted over whole charges only: the drawn starts are far more frequent than in life."""
    whole_sessions = [one.whole for one in held]
    whole = _scores(graph, whole_sessions)
    running = _scores(graph, whole_sessions, skip=_START_SAMPLES)
    starts = _scores(graph, [s for one in held for s in one.starts])
    seen = [one.whole for one in learnt]
    highest_a = max(float(s.current_a.max()) for s in seen)
    lowest_c = min(float(s.temperature_c.min()) for s in seen)
    highest_c = max(float(s.temperature_c.max()) for s in seen)

    def limit(share: float, temperature_c: float) -> SeverityLimit:
        return SeverityLimit(current_a=round(share * highest_a, 2), temperature_c=temperature_c)

    return BundleConfig(
        features=FEATURES_CONFIG,
        thresholds=thresholds(running, starts),
        severity=SeverityLimits(medium=limit(1.0, 50.0), high=limit(1.2, 55.0), critical=limit(1.5, 60.0)),
        training_range=Range(
            current_a=(0.0, round(highest_a, 3)), temperature_c=(round(lowest_c, 2), round(highest_c, 2))
        ),
        calibration=calibrate(
            whole.reconstruction_error,
            whole.forest_score,
            hours(whole_sessions),
            residuals(whole_sessions, whole.reconstruction),
        ),
    )


def _false_alarms(
    graph: Graph, config: BundleConfig, held: Sequence[Recorded], fresh: Sequence[Charge], seed: int
) -> dict[str, Any]:
    """Anomalous samples in charges without a fault: the held-out ones, fresh ones, and fresh drawn starts."""
    known = [one.whole for one in held]
    recorded = record(fresh, seed + 1, starts=50)
    new = [one.whole for one in recorded]
    starts = [s for one in recorded for s in one.starts]

    def false_samples(sessions: Sequence[Samples]) -> int:
        return sum(int(trials.anomalous(s, graph, config).sum()) for s in sessions)

    return {
        "hours": round(hours(known), 2),
        "samples": sum(map(len, known)),
        "false_samples": false_samples(known),
        "fresh_hours": round(hours(new), 2),
        "fresh_samples": sum(map(len, new)),
        "fresh_false_samples": false_samples(new),
        "start_samples": sum(map(len, starts)),
        "start_false_samples": false_samples(starts),
        "starts_quiet_below_a": round(min((_level_a(s) for s in starts if false_samples([s])), default=START_A), 2),
    }


def _level_a(session: Samples) -> float:
    return float(np.median(session.current_a))


def _golden(model: Any, trained: Any, scaler: Scaler, rows: Floats, seed: int) -> Golden:
    picked = rows[np.random.default_rng(seed).permutation(len(rows))[:64]]
    error = network.reconstruction_error(model, scaler.standardise(picked))
    return Golden(picked, error, np.asarray(trained.score_samples(picked)))


def _summary(
    known: Sequence[Charge],
    learnt: Sequence[Recorded],
    held: Sequence[Recorded],
    rows: Floats,
    seed: int,
    recipe: Recipe,
) -> dict[str, Any]:
    rates = [c.conditions.c_rate for c in known]
    ambients = [c.conditions.ambient_c for c in known]
    summary = (
        f"Simulated charges only: {len(known)} charges of a {simulate.CAPACITY_AH:g} Ah cell (PyBaMM, parameter set "
        f"{simulate.CELL}, single-particle model, lumped thermal model), constant current then constant voltage at "
        f"{min(rates):.2f} to {max(rates):.2f} C in surroundings of {min(ambients):.0f} to {max(ambients):.0f} °C, "
        f"new and aged, recorded by simulated loggers. {HELD_OUT:.0%} of the charges were held out for thresholds "
        "and calibration."
    )
    return {
        "summary": summary,
        "source": "simulation",
        "seed": seed,
        "recipe": {name: getattr(recipe, name) for name in Recipe.__slots__},
        "charges": len(known),
        "held_out_charges": len(held),
        "hours": round(hours([one.whole for one in learnt]), 2),
        "rows": len(rows),
        "forest_input": "raw features, rounded to float32",
    }


def versions() -> dict[str, str]:
    libraries = ("battery-watch", "keras", "numpy", "onnx", "onnxruntime", "pybamm", "scikit-learn", "tensorflow")
    return {"python": platform.python_version(), **{name: version(name) for name in libraries}}
