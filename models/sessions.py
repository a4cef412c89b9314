"""Recorded sessions as training data: which are kept back, which rows are learnt from, their features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from models import logger
from models.corruption import spoil
from models.simulate import Charge
from window.features import FeatureRules, Tails, features, tails
from window.samples import Floats, Samples

One = TypeVar("One")
HELD_OUT = 0.3
"""Share of the charges that thresholds and calibration see and the models do not."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was recorded of one charge: the session as a whole, and short sessions that only just begin."""

    whole: Samples
    starts: tuple[Samples, ...]

    @property
    def every(self) -> tuple[Samples, ...]:
        """All its sessions."""
        return (self.whole, *self.starts)


def record(charges: Iterable[Charge], seed: int, *, starts: int) -> list[Recorded]:
    """Each charge as some logger saw it, with ``starts`` short sessions; the same seed gives the same bits."""
    recorded = []
    for number, charge in enumerate(charges):
        rng = np.random.default_rng([seed, number])
        whole = logger.record(charge, logger.draw(rng, charge), rng)
        recorded.append(Recorded(whole, tuple(logger.start(rng) for _ in range(starts))))
    return recorded


def split(recorded: Sequence[One], seed: int) -> tuple[list[One], list[One]]:
    """To learn from, and held out: by charge, since neighbouring rows are near copies of each other."""
    order = np.random.default_rng(seed).permutation(len(recorded))
    held = max(1, round(HELD_OUT * len(recorded)))
    return [recorded[k] for k in sorted(order[held:])], [recorded[k] for k in sorted(order[:held])]


def tails_of(session: Samples) -> Tails:
    """The tails of every sample of one session."""
    return tails(session.ts, session.current_a, session.temperature_c)


def features_of(sessions: Iterable[Samples], rules: FeatureRules) -> list[Floats]:
    """The features of each session, each of shape (n, 14)."""
    return [features(tails_of(s), rules) for s in sessions]


@dataclass(frozen=True, slots=True)
class Lessons:
    """Pairs of rows (n, 14) for the autoencoder: what it is shown and what it shall give back.

    The first ``clean`` pairs are equal; in the others ``shown`` is a spoilt version of ``wanted``.
    """

    shown: Floats
    wanted: Floats
    clean: int


def lessons(recorded: Iterable[Recorded], rules: FeatureRules, seed: int, *, most: int) -> Lessons:
    """At most ``most`` rows of each whole session, so that slow charges do not outweigh fast ones; all of each start;
    and spoilt versions of half of the former."""
    rng = np.random.default_rng(seed)
    clean: list[Floats] = []
    shown: list[Floats] = []
    wanted: list[Floats] = []
    for one in recorded:
        rows = _take(tails_of(one.whole), rng.permutation(len(one.whole))[:most])
        found = features(rows, rules)
        clean.append(found)
        clean.extend(features_of(one.starts, rules))
        half = slice(0, len(found) // 2)
        shown.append(features(spoil(_take(rows, half), rng), rules))
        wanted.append(found[half])
    straight = np.concatenate(clean)
    return Lessons(np.concatenate([straight, *shown]), np.concatenate([straight, *wanted]), clean=len(straight))


def _take(of: Tails, rows: Any) -> Tails:
    return Tails(of.ts[rows], of.current_a[rows], of.temperature_c[rows], of.present[rows])


def hours(sessions: Iterable[Samples]) -> float:
    """The time the sessions cover, without the holes in them."""
    return float(sum(np.minimum(np.diff(s.ts), 60.0).sum() for s in sessions) / 3600.0)
