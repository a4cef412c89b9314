"""Why a sample is an anomaly: its kinds of fault, the rules it met, what was expected, and a sentence for people; for
machines also shares, forest features and rarity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scoring.bundle import Bundle
from scoring.config import BundleConfig
from scoring.course import ReadingName, courses
from scoring.detectors import DETECTORS, Stage
from scoring.evidence import Past
from scoring.faults import KINDS_OF, FaultKind, Forecast, forecast, kinds_of
from scoring.graph import Scores
from scoring.rules import Rule, rules_of
from scoring.sentence import View, band, normal, sentence
from window.features import FEATURES
from window.samples import Floats

_AT = {name: column for column, name in enumerate(FEATURES)}
"""The column of each feature."""
_FOREST_LISTED = 3
"""So many features of the forest are listed."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A current in amperes and a temperature in degrees Celsius."""

    current_a: float
    temperature_c: float


@dataclass(frozen=True, slots=True)
class Band:
    """The range in which a normal reading would lie, in amperes and degrees Celsius."""

    current_a: tuple[float, float]
    temperature_c: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one sample is an anomaly.

    ``kinds``: what is wrong, none for a sample that is no anomaly; ``sentences``: one for each, at least one.
    ``rules``: what was met. ``expected``: what the samples of the session before the fault lead to, with the ``band``
    of normal readings around it; None where there are too few. ``forecast``: where it leads if it goes on, None where
    that is not to be said.
    ``reconstruction``: the output of the autoencoder for this sample, which is no expectation. ``shares``: the part of
    each feature in the reconstruction error, in the order of `FEATURES`; they sum to 1. ``forest``: by how much the
    forest's score rises when a feature has its training mean instead, for the features that count most; None where the
    forest did not alarm. ``rarity``: how often normal charging reached such a score, as far as it was measured.
    """

    kinds: tuple[FaultKind, ...]
    sentences: tuple[str, ...]
    rules: tuple[Rule, ...]
    expected: Pair | None
    band: Band | None
    forecast: Forecast | None
    reconstruction: Pair
    shares: dict[str, float]
    forest: dict[str, float] | None
    rarity: str

    def about(self, kind: FaultKind) -> str:
        """The sentence of one kind."""
        return self.sentences[self.kinds.index(kind)]

    @property
    def sentence(self) -> str:
        """All that is wrong."""
        return " ".join(self.sentences)


def explain(features_row: Floats, scores_row: Scores, past: Past, stages: Stage, bundle: Bundle) -> Explanation:
    """Explain one sample from its features (14,), in feature units, its scores (a `Scores` of one row), what
    lies before it (a `Past` of one row) and the stages of its verdict.

    Costs some tenths of a millisecond. Raises ValueError for more rows than one, and for scores that are not finite:
    such a sample is unscorable, and there is nothing to explain.
    """
    if len(scores_row) != 1:
        raise ValueError(f"explain takes the scores of one sample, not of {len(scores_row)}")
    error, forest = float(scores_row.reconstruction_error[0]), float(scores_row.forest_score[0])
    if not (np.isfinite(error) and np.isfinite(forest)):
        raise ValueError("a sample without finite scores cannot be explained")
    config = bundle.config
    readings: dict[ReadingName, float] = {
        "current": float(features_row[_AT["current"]]),
        "temperature": float(features_row[_AT["temperature"]]),
    }
    of = courses(past, 0, config)
    rules = rules_of(past, scores_row, [stages], config)[0]
    kinds = kinds_of(stages, of, readings, _changed(rules), config) if stages else ()
    # Only of a reading that is told to be wrong.
    told = {name: of.get(name) if any(kind in kinds for kind in about) else None for name, about in KINDS_OF.items()}
    leads = forecast(told["temperature"], config) or forecast(told["current"], config)
    view = View(of, readings, rules, leads, config)
    expected = scores_row.reconstruction[0]
    return Explanation(
        kinds=kinds,
        sentences=tuple(sentence(kind, view) for kind in kinds) or (normal(view),),
        rules=rules,
        expected=Pair(of["current"].expected, of["temperature"].expected) if of else None,
        band=Band(band(of["current"]), band(of["temperature"])) if of else None,
        forecast=leads,
        reconstruction=Pair(float(expected[_AT["current"]]), float(expected[_AT["temperature"]])),
        shares=_shares(features_row, expected, bundle),
        forest=_isolating(features_row, forest, bundle) if Stage.FOREST in stages else None,
        rarity=_rarity(error, forest, config, stages),
    )


def kinds(past: Past, scores: Scores, stages: list[Stage], config: BundleConfig) -> list[tuple[FaultKind, ...]]:
    """The kinds of fault of n anomalous samples, as `explain` names them; ``past`` and ``scores`` have n rows."""
    found = []
    for row, rules in enumerate(rules_of(past, scores, stages, config)):
        readings: dict[ReadingName, float] = {
            "current": float(past.tails.current_a[row, -1]),
            "temperature": float(past.tails.temperature_c[row, -1]),
        }
        found.append(kinds_of(stages[row], courses(past, row, config), readings, _changed(rules), config))
    return found


def _changed(rules: Sequence[Rule]) -> set[ReadingName]:
    return {rule.reading for rule in rules if rule.name == "change" and rule.reading is not None}


def _shares(features_row: Floats, expected: Floats, bundle: Bundle) -> dict[str, float]:
    residual = bundle.scaler.standardise(features_row) - bundle.scaler.standardise(expected)
    squares = residual * residual
    if bundle.config.error_weights is not None:
        squares = squares * np.asarray(bundle.config.error_weights)
    total = squares.sum()
    parts = squares / total if total > 0 else np.full(len(FEATURES), 1.0 / len(FEATURES))
    return {name: float(part) for name, part in zip(FEATURES, parts, strict=True)}


def _isolating(row: Floats, forest: float, bundle: Bundle) -> dict[str, float]:
    """By how much the forest's score rises when one feature has its training mean instead, the largest rise first. The
    score of a row does not depend on its batch, so neither does this."""
    changed = np.repeat(row[None, :], len(FEATURES), axis=0)
    np.fill_diagonal(changed, bundle.scaler.mean)
    rises = bundle.graph.score(changed).forest_score - forest
    first = np.argsort(-rises, kind="stable")[:_FOREST_LISTED]
    return {FEATURES[k]: float(rises[k]) for k in first if rises[k] > 0}


def _rarity(error: float, forest: float, config: BundleConfig, stages: Stage) -> str:
    """How rare the rarer of both scores is, in words that claim no more than the held-out hours show."""
    calibration = config.calibration
    hours = f"{int(calibration.normal_hours)} h"
    found = [
        _times(each.sign * score, [(each.sign * reached, times) for reached, times in getattr(calibration, each.score)])
        for each, score in zip(DETECTORS, (error, forest), strict=True)
    ]
    counts = [times for times in found if times is not None]
    if not counts or calibration.normal_hours < 1:
        return "how rare this is was not measured"
    if min(counts) == 0:
        return f"not seen in {hours} of normal charging"
    if min(counts) > calibration.normal_hours and not stages & (Stage.RECONSTRUCTION | Stage.FOREST):
        return "its scores alone are ordinary"
    samples = "1 sample" if min(counts) == 1 else f"{min(counts)} samples"
    return f"reached by at most {samples} in {hours} of normal charging"


def _times(score: float, table: Sequence[tuple[float, int]]) -> int | None:
    """At most how many normal samples reached ``score``; None where the table cannot say. Larger scores are rarer.

    A score between two rows gets the count of the more ordinary row, which is never too small.
    """
    if not table or score < table[0][0]:
        return None
    if score > table[-1][0]:
        return 0
    return next(times for reached, times in reversed(table) if reached <= score)
