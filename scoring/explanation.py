"""Why a sample is an anomaly: in shares, in amperes and degrees, and in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scoring.bundle import Bundle
from scoring.config import BundleConfig
from scoring.detectors import DETECTORS, Stage
from scoring.graph import Scores
from window.features import FEATURES, ROLLING
from window.samples import Floats

_LAST = f"over the last {ROLLING} samples"
WORDS = {
    "current": ("current", "A"),
    "temperature": ("temperature", "°C"),
    "current_roll_mean": (f"mean of the current {_LAST}", "A"),
    "current_roll_std": (f"scatter of the current {_LAST}", "A"),
    "current_roll_min": (f"lowest current {_LAST}", "A"),
    "current_roll_max": (f"highest current {_LAST}", "A"),
    "temp_roll_mean": (f"mean of the temperature {_LAST}", "°C"),
    "temp_roll_std": (f"scatter of the temperature {_LAST}", "°C"),
    "current_rate": ("change of the current", "A/s"),
    "temp_rate": ("change of the temperature", "°C/s"),
    "current_lag1": ("previous current", "A"),
    "temp_lag1": ("previous temperature", "°C"),
    "current_temp_ratio": ("current by temperature", "A/°C"),
    "current_temp_product": ("current times temperature", "A °C"),
}
"""The features in a technician's words, and their units."""

_AT = {name: column for column, name in enumerate(FEATURES)}
"""The column of each feature."""
_NAMED, _WORTH_NAMING = 2, 0.05
"""The sentence names at most so many features, and only those with at least this share of the error."""
_FOREST_LISTED, _FOREST_WORTH_NAMING = 3, 0.5
"""So many features of the forest are listed; the sentence names those that count at least this part of the first."""
_SCATTER = {"current": "current_roll_std", "temperature": "temp_roll_std"}
_RATE = {"current": "current_rate", "temperature": "temp_rate"}
_JUMP = {"current_rate": 0.2, "temp_rate": 0.5}
"""Faster changes than these, in A/s and °C/s, are jumps."""
_CREDIBLE = 0.2
"""An expectation further outside the training range than this share of its width is left out of the sentence."""


@dataclass(frozen=True, slots=True)
class Band:
    """The range in which a normal reading would lie, in amperes and degrees Celsius."""

    current_a: tuple[float, float]
    temperature_c: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one sample is an anomaly.

    ``shares``: the part of each feature in the reconstruction error, in the order of `FEATURES`; they sum to 1.
    ``expected_current_a`` and ``expected_temperature_c``: the output of the autoencoder. ``band``: the range around it
    in which normal charging lies; None where the bundle does not know. ``forest``: by how much the forest's score rises
    when a feature has its training mean instead, for the features that count most; None where the forest did not alarm.
    ``rarity``: how often normal charging reached such a score, as far as it was measured. ``sentence``: all of it for a
    technician.
    """

    shares: dict[str, float]
    expected_current_a: float
    expected_temperature_c: float
    rarity: str
    sentence: str
    band: Band | None = None
    forest: dict[str, float] | None = None


def explain(features_row: Floats, scores_row: Scores, bundle: Bundle, stages: Stage | None = None) -> Explanation:
    """Explain one sample from its features (14,), in feature units, and its scores (a `Scores` of one row).

    ``stages``: the stages of its verdict; None for those of its own scores.

    Costs tens of microseconds; where the forest alarmed, also the scoring of 14 more rows. Raises ValueError for more
    rows than one, and for scores that are not finite: such a sample is unscorable, and there is nothing to explain.
    """
    if len(scores_row) != 1:
        raise ValueError(f"explain takes the scores of one sample, not of {len(scores_row)}")
    error, forest = float(scores_row.reconstruction_error[0]), float(scores_row.forest_score[0])
    if not (np.isfinite(error) and np.isfinite(forest)):
        raise ValueError("a sample without finite scores cannot be explained")
    expected = scores_row.reconstruction[0]
    residual = bundle.scaler.standardise(features_row) - bundle.scaler.standardise(expected)
    squares = residual * residual
    if bundle.config.error_weights is not None:
        squares = squares * np.asarray(bundle.config.error_weights)
    total = squares.sum()
    parts = squares / total if total > 0 else np.full(len(FEATURES), 1.0 / len(FEATURES))
    shares = {name: float(part) for name, part in zip(FEATURES, parts, strict=True)}
    if stages is None:
        stages = _stages(error, forest, bundle.config)
    rarity = _rarity(error, forest, bundle.config, stages)
    band = _band(expected, bundle.config)
    isolating = _isolating(features_row, forest, bundle) if Stage.FOREST in stages else None
    return Explanation(
        shares=shares,
        expected_current_a=float(expected[_AT["current"]]),
        expected_temperature_c=float(expected[_AT["temperature"]]),
        rarity=rarity,
        sentence=_sentence(features_row, expected, band, shares, isolating or {}, rarity, stages, bundle.config),
        band=band,
        forest=isolating,
    )


def _stages(error: float, forest: float, config: BundleConfig) -> Stage:
    stages = Stage.NONE
    for each, score in zip(DETECTORS, (error, forest), strict=True):
        if each.exceeds(score, getattr(config.thresholds, each.score)):
            stages |= each.stage
    return stages


def _band(expected: Floats, config: BundleConfig) -> Band | None:
    spread = config.calibration.residual
    if spread is None:
        return None
    current_a, temperature_c = float(expected[_AT["current"]]), float(expected[_AT["temperature"]])
    return Band(
        (current_a + spread.current_a[0], current_a + spread.current_a[1]),
        (temperature_c + spread.temperature_c[0], temperature_c + spread.temperature_c[1]),
    )


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


def _sentence(
    row: Floats,
    expected: Floats,
    band: Band | None,
    shares: dict[str, float],
    isolating: dict[str, float],
    rarity: str,
    stages: Stage,
    config: BundleConfig,
) -> str:
    """The reading that is off against its expectation, the other one, what stands out, and how rare it is."""
    about_current = sum(share for name, share in shares.items() if name.startswith("current")) >= 0.5
    reading, other = ("current", "temperature") if about_current else ("temperature", "current")
    off, then = _off(row, expected, band, reading, config)
    said = f"{reading.capitalize()} {off}, at {_value(row, other)}"
    clauses: list[str] = []
    if Stage.RANGE in stages:
        clauses += _outside(row, config)
    if stages == Stage.FOREST:
        near = "each reading is near what was expected, but " if then == _ALSO else ""
        clauses.append(near + _apart(row, isolating))
    if Stage.CHANGE in stages:
        clauses.append("a greater change against the samples before than in normal charging")
    if Stage.STUCK in stages:
        still = " and ".join(name for name, scatter in _SCATTER.items() if row[_AT[scatter]] == 0.0)
        clauses.append(f"the {still or 'reading'} has been repeated to the last digit: a sensor or its logger is stuck")
    leading = sorted((name for name in shares if name not in ("current", "temperature")), key=lambda n: -shares[n])
    named = [
        f"{WORDS[name][0]} {_value(row, name)} instead of {_value(expected, name)} ({shares[name]:.0%})"
        for name in leading[:_NAMED]
        if shares[name] >= _WORTH_NAMING
    ]
    if named and not (isolating and stages == Stage.FOREST):
        found = "" if then != _ALSO and not clauses else "what stands out: "
        clauses.append(found + " and ".join(named))
    if clauses:
        said += then + clauses.pop(0)
    return "; ".join([said, *clauses, f"{rarity}."])


def _outside(row: Floats, config: BundleConfig) -> list[str]:
    """Which readings are out of bounds, and the range of the training data."""
    bounds = config.evidence.bounds if config.evidence else None
    if bounds is None:
        return []
    found = []
    for name, (low, high), (least, most) in (
        ("current", bounds.current_a, config.training_range.current_a),
        ("temperature", bounds.temperature_c, config.training_range.temperature_c),
    ):
        if not low <= row[_AT[name]] <= high:
            found.append(f"the {name} lies far outside the {least:g} to {most:g} {WORDS[name][1]} of the training data")
    return found


def _apart(row: Floats, isolating: dict[str, float]) -> str:
    """The features by which the forest sets a sample apart, where it alone alarmed."""
    most = max(isolating.values(), default=0.0)
    named = [
        f"{WORDS[name][0]} ({_value(row, name)})"
        for name in list(isolating)[:_NAMED]
        if isolating[name] >= _FOREST_WORTH_NAMING * most
    ]
    if not named:
        return "together they lie apart from normal charging"
    return f"set apart from normal charging by {' and '.join(named)}"


_ALSO, _BUT, _NAMELY = "; ", ", but ", ": "
"""What joins the first reason to the reading: one more reason, a contrast, or an explanation."""


def _off(row: Floats, expected: Floats, band: Band | None, reading: str, config: BundleConfig) -> tuple[str, str]:
    """A reading with what was expected, and the words that join the first reason to it.

    The expectation is left out where it misleads. Far outside the training range the autoencoder may expect values
    that no charge shows. After a jump it may expect more than the jump itself, so that a rise would read as a fall. A
    reading that is as expected is called so: then something else about it is not.
    """
    rate, learnt = _RATE[reading], config.training_range
    low, high = learnt.current_a if reading == "current" else learnt.temperature_c
    if not low - _CREDIBLE * (high - low) <= expected[_AT[reading]] <= high + _CREDIBLE * (high - low):
        return _value(row, reading), _NAMELY
    if (row[_AT[reading]] - expected[_AT[reading]]) * row[_AT[rate]] < 0 and abs(row[_AT[rate]]) > _JUMP[rate]:
        return _value(row, reading), _NAMELY
    usually = _expectation(expected, band, reading)
    usual = None if band is None else band.current_a if reading == "current" else band.temperature_c
    if usual is not None and usual[0] <= row[_AT[reading]] <= usual[1]:
        within = f"within the {usually} expected" if usually != _value(row, reading) else "as expected"
        return f"{_value(row, reading)}, {within}", _BUT
    return f"{_value(row, reading)} where {usually} was expected", _ALSO


def _expectation(expected: Floats, band: Band | None, reading: str) -> str:
    if band is None:
        return _value(expected, reading)
    low, high = (_said(end, reading) for end in (band.current_a if reading == "current" else band.temperature_c))
    return f"{low} to {high} {WORDS[reading][1]}" if low != high else _value(expected, reading)


def _value(values: Floats, name: str) -> str:
    return f"{_said(float(values[_AT[name]]), name)} {WORDS[name][1]}"


def _said(value: float, name: str) -> str:
    digits = 1 if WORDS[name][1] == "°C" and not name.endswith("std") else 2
    # Plus 0.0 turns "-0.00" into "0.00".
    return f"{round(value, digits) + 0.0:.{digits}f}"
