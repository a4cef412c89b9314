"""The pipeline from recorded charges to a bundle with policy `evidence`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from models import export, forest, network, parity, policy
from models.bundle_writer import Golden, Parts, write
from models.calibration import calibrate, residuals
from models.corruption import spoil
from models.sessions import HELD_OUT, features_of, hours, tails_of
from models.tables import Recording
from models.train import MIN_SESSIONS, Tell, versions
from scoring.bundle import Bundle, Scaler, load
from scoring.config import BundleConfig, FeaturesConfig, Range, SeverityLimit, SeverityLimits
from scoring.graph import Graph, Scores
from window.features import ROLLING, Tails, features
from window.samples import Floats, Samples

FEATURES_CONFIG = FeaturesConfig(ratio_floor_c=5.0)
PLAUSIBLE = Range(current_a=(-1e5, 1e5), temperature_c=(-100.0, 500.0))
LEAST_SAMPLES = 120


@dataclass(frozen=True, slots=True)
class Recipe:
    """The size of a training."""

    rows_per_session: int = 800
    trees: int = 100
    epochs: int = 10
    settle_epochs: int = 40
    parity_rows: int = parity.ROWS
    budget: float = policy.BUDGET


def train_measured(recordings: Sequence[Recording], out: Path, seed: int, recipe: Recipe, tell: Tell) -> Bundle:
    """Make a bundle of recorded charges at ``out``, replacing what is there. Split by recording: all sessions of one
    are learnt from, or all held out.

    Raises ValueError when there is too little data and `parity.ParityError` when the graph is not the models; warns
    when the held-out hours cannot bear out the budget.
    """
    gap_s = FEATURES_CONFIG.session_gap_s
    found = [r.healthy(PLAUSIBLE, gap_s=gap_s, least=LEAST_SAMPLES) for r in recordings]
    found = [sessions for sessions in found if sessions]
    if len(found) < MIN_SESSIONS:
        raise ValueError(
            f"{len(found)} recordings with a session of {LEAST_SAMPLES} good samples are too few to learn from and to "
            f"hold some out: {MIN_SESSIONS} at least, one charge a file"
        )
    learnt, held = split(found, seed)
    _warn(hours(held), recipe.budget)
    shown, wanted = _lessons(learnt, seed, recipe)
    checked = _lessons(held, seed, recipe)
    scaler = Scaler(wanted.mean(axis=0), np.maximum(wanted.std(axis=0), 1e-9))
    total = recipe.epochs + recipe.settle_epochs
    model = network.fit(
        (scaler.standardise(shown), scaler.standardise(wanted)),
        (scaler.standardise(checked[0]), scaler.standardise(checked[1])),
        epochs=recipe.epochs,
        settle_epochs=recipe.settle_epochs,
        seed=seed,
        tell=lambda done, loss: tell(f"training the autoencoder (held-out loss {loss:.4f})", done, total),
    )
    tell("training the autoencoder", total, total)
    tell("growing the forest", 0, 1)
    trained = forest.fit(wanted, trees=recipe.trees, seed=seed)
    trees = forest.Forest.of(trained)
    layers = network.folded(model)
    weights = _weights(Graph(export.to_onnx(scaler, layers, trees)), scaler, learnt)
    onnx = export.to_onnx(scaler, layers, trees, error_weights=weights)
    graph = Graph(onnx)
    tell("growing the forest", 1, 1)

    config = _config(graph, weights, learnt, held, recipe)
    tell("proving parity", 0, 1)
    edge = parity.boundary_rows(trees, wanted, seed)
    tried = np.concatenate([parity.spread_rows(wanted, seed, recipe.parity_rows), edge])
    proof = parity.prove(graph, model, trained, scaler, config.thresholds, tried, np.array(weights))
    tell("proving parity", 1, 1)
    picked = tried[np.random.default_rng(seed).permutation(len(tried))[:64]]
    golden = Golden(
        picked,
        network.reconstruction_error(model, scaler.standardise(picked), np.array(weights)),
        np.asarray(trained.score_samples(picked)),
    )
    training = {
        "summary": f"{len(found)} recordings of charges, {hours([*learnt, *held]):.1f} h, of which "
        f"{HELD_OUT:.0%} were held out for thresholds and calibration.",
        "source": "recordings",
        "seed": seed,
        "recipe": {name: getattr(recipe, name) for name in Recipe.__slots__},
        "hours": round(hours(learnt), 2),
        "held_out_hours": round(hours(held), 2),
        "rows": len(wanted),
        "forest_input": "raw features, rounded to float32",
    }
    metrics = {"parity": replace(proof, boundary_rows=len(edge)).as_dict()}
    write(Parts(model, scaler, trees, onnx, config, golden, versions(), training, metrics), out)
    return load(out)


def split(found: Sequence[Sequence[Samples]], seed: int) -> tuple[list[Samples], list[Samples]]:
    """Sessions to learn from, and held out; never two of one recording on either side."""
    order = np.random.default_rng(seed).permutation(len(found))
    count = max(1, round(HELD_OUT * len(found)))
    return [s for k in sorted(order[count:]) for s in found[k]], [s for k in sorted(order[:count]) for s in found[k]]


def _warn(held_h: float, budget: float) -> None:
    if held_h < policy.needed_hours(budget):
        warnings.warn(
            f"{held_h:.1f} h of held-out charging cannot bear out {budget:g} false episodes an hour, which takes "
            f"{policy.needed_hours(budget):.0f} h; they can bear out {3.0 / held_h:.2g}",
            stacklevel=3,
        )


def _lessons(sessions: Sequence[Samples], seed: int, recipe: Recipe) -> tuple[Floats, Floats]:
    """What the autoencoder is shown and shall give back, (n, 14): equal rows, and rows with a step of the current in
    their newest samples. The first samples of a session are left out: nothing is said of them."""
    rng = np.random.default_rng(seed)
    rules = FEATURES_CONFIG.rules
    shown, wanted = [], []
    for session in sessions:
        of = tails_of(session)
        rows = (ROLLING + rng.permutation(len(session) - ROLLING))[: recipe.rows_per_session]
        straight = features(_take(of, rows), rules)
        half = rows[: len(rows) // 2]
        shown += [straight, features(spoil(_take(of, half), rng), rules)]
        wanted += [straight, straight[: len(half)]]
    return np.concatenate(shown), np.concatenate(wanted)


def _take(of: Tails, rows: Any) -> Tails:
    return Tails(of.ts[rows], of.current_a[rows], of.temperature_c[rows], of.present[rows])


def _scores(graph: Graph, sessions: Sequence[Samples]) -> list[Scores]:
    return [graph.score(rows) for rows in features_of(sessions, FEATURES_CONFIG.rules)]


def _weights(graph: Graph, scaler: Scaler, learnt: Sequence[Samples]) -> tuple[float, ...]:
    """One over the mean square of each feature's residual on what was learnt: each counts by how surprising it is."""
    parts = []
    for rows in features_of(learnt, FEATURES_CONFIG.rules):
        residual = scaler.standardise(rows) - scaler.standardise(graph.score(rows).reconstruction)
        parts.append(residual[2 * ROLLING :])
    squares = np.square(np.concatenate(parts)).mean(axis=0)
    return tuple((1.0 / (len(squares) * np.maximum(squares, 1e-12))).tolist())


def _config(
    graph: Graph, weights: tuple[float, ...], learnt: Sequence[Samples], held: Sequence[Samples], recipe: Recipe
) -> BundleConfig:
    scores = _scores(graph, held)
    every = [*learnt, *held]
    limits, evidence = policy.fit(
        policy.Sessions(held, scores), every, gap_s=FEATURES_CONFIG.session_gap_s, budget=recipe.budget
    )
    highest_a = max(float(np.abs(s.current_a).max()) for s in every)
    lowest_a = min(float(s.current_a.min()) for s in every)
    lowest_c = min(float(s.temperature_c.min()) for s in every)
    highest_c = max(float(s.temperature_c.max()) for s in every)

    def limit(share: float, over_c: float) -> SeverityLimit:
        return SeverityLimit(
            current_a=round(max(share * highest_a, 1e-3), 3), temperature_c=round(highest_c + over_c, 1)
        )

    running = 2 * ROLLING
    return BundleConfig(
        features=FEATURES_CONFIG,
        policy="evidence",
        evidence=evidence,
        error_weights=weights,
        thresholds=limits,
        severity=SeverityLimits(medium=limit(1.0, 5.0), high=limit(1.2, 10.0), critical=limit(1.5, 20.0)),
        plausible=PLAUSIBLE,
        training_range=Range(
            current_a=(round(lowest_a, 3), round(highest_a, 3)), temperature_c=(round(lowest_c, 2), round(highest_c, 2))
        ),
        calibration=calibrate(
            np.concatenate([s.reconstruction_error[running:] for s in scores]),
            np.concatenate([s.forest_score[running:] for s in scores]),
            hours(held),
            residuals(
                [s.take(slice(running, None)) for s in held],
                np.concatenate([s.reconstruction[running:] for s in scores]),
            ),
        ),
    )
