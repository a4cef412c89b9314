"""Normal sessions as training data: which are held out, which rows are learnt from, their features."""

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
"""Share of the charges that thresholds and calibration see and the models do not."""


def split(units: Sequence[One], seed: int) -> tuple[list[One], list[One]]:
    """To learn from, and held out: by charge or file, since neighbouring rows are near copies of each other."""
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
    """Pairs of rows (n, 14) for the autoencoder: what it is shown and what it shall give back. Some are equal; in the
    others ``inputs`` is a corrupted version of ``targets``."""

    inputs: Floats
    targets: Floats


def training_rows(
    sessions: Iterable[Samples], rules: FeatureRules, seed: int, *, most: int, corrupted: bool = True
) -> TrainingRows:
    """At most ``most`` rows of each session, so that slow charges do not outweigh fast ones, and half of them spoilt
    as well, unless not ``corrupted``. The first samples of a session are left out: nothing is said of them."""
    rng = np.random.default_rng(seed)
    inputs, targets = [], []
    for session in sessions:
        of = tails_of(session)
        rows = (ROLLING + rng.permutation(len(session) - ROLLING))[:most]
        straight = features(_take(of, rows), rules)
        half = rows[: len(rows) // 2 if corrupted else 0]
        inputs += [straight, features(corrupt(_take(of, half), rng), rules)]
        targets += [straight, straight[: len(half)]]
    return TrainingRows(np.concatenate(inputs), np.concatenate(targets))


def _take(of: Tails, rows: Any) -> Tails:
    return Tails(of.ts[rows], of.current_a[rows], of.temperature_c[rows], of.present[rows])


def hours(sessions: Iterable[Samples]) -> float:
    """The time the sessions cover, without the holes in them."""
    return float(sum(np.minimum(np.diff(s.ts), 60.0).sum() for s in sessions) / 3600.0)
