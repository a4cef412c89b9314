"""Normal sessions as training data: the split, the rows to train on, their features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from models.data.corruption import corrupt
from window.features import ROLLING, FeatureRules, Tails, features, tails
from window.samples import Floats, Samples

One = TypeVar("One")
HELD_OUT = 0.3
"""Share of the charges for validation: thresholds and calibration see them, the models do not."""


def split(units: Sequence[One], seed: int) -> tuple[list[One], list[One]]:
    """Training and validation, split by charge or file: rows next to each other are almost copies."""
    order = np.random.default_rng(seed).permutation(len(units))
    count = max(1, round(HELD_OUT * len(units)))
    return [units[k] for k in sorted(order[count:])], [units[k] for k in sorted(order[:count])]


def tails_of(session: Samples) -> Tails:
    """The tails of every sample of one session."""
    return tails(session.ts, session.current_a, session.temperature_c)


def features_of(sessions: Iterable[Samples], rules: FeatureRules) -> list[Floats]:
    """The features of each session, each of shape (n, 14)."""
    return [features(tails_of(s), rules) for s in sessions]


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Pairs of rows (n, 14) for the autoencoder. Some pairs are equal; in the others ``inputs`` is a corrupted version
    of ``targets``."""

    inputs: Floats
    targets: Floats


def training_rows(
    sessions: Iterable[Samples], rules: FeatureRules, seed: int, *, most: int, corrupted: bool = True
) -> TrainingRows:
    """At most ``most`` rows of each session, so that slow charges do not outweigh fast ones. With ``corrupted`` half of
    them also in a corrupted version. Leaves out the first samples of a session, which are not judged."""
    rng = np.random.default_rng(seed)
    inputs, targets = [], []
    for session in sessions:
        of = tails_of(session)
        rows = (ROLLING + rng.permutation(len(session) - ROLLING))[:most]
        clean = features(_take(of, rows), rules)
        half = rows[: len(rows) // 2 if corrupted else 0]
        inputs += [clean, features(corrupt(_take(of, half), rng), rules)]
        targets += [clean, clean[: len(half)]]
    return TrainingRows(np.concatenate(inputs), np.concatenate(targets))


def _take(of: Tails, rows: Any) -> Tails:
    return Tails(of.ts[rows], of.current_a[rows], of.temperature_c[rows], of.present[rows])


def hours(sessions: Iterable[Samples]) -> float:
    """The time the sessions cover, without the holes in them."""
    return float(sum(np.minimum(np.diff(s.ts), 60.0).sum() for s in sessions) / 3600.0)
