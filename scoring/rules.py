"""The rules that an anomalous sample met, each with its value and its limit: what was really compared with what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scoring.config import BundleConfig, Evidence
from scoring.course import ReadingName
from scoring.detectors import DETECTORS, FOREST, RECONSTRUCTION, Stage
from scoring.evidence import Flags, Past, change_of, session_of
from scoring.graph import Scores
from window.samples import Floats

RuleName = Literal["reconstruction_error", "repeated_errors", "forest", "change", "stuck", "range"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that was met: ``value`` lies beyond ``limit``.

    ``reconstruction_error`` and ``forest`` compare the score of a model. ``repeated_errors``: so many of the last
    reconstruction errors were above a share of the threshold. ``change``: how far the newest readings lie from those
    before, in units of their scatter. ``stuck``: so often a reading repeats. ``range``: a reading, in amperes or
    degrees Celsius. ``reading``: which one, where a rule is about one.
    """

    name: RuleName
    value: float
    limit: float
    reading: ReadingName | None = None


def rules_of(past: Past, scores: Scores, stages: list[Stage], config: BundleConfig) -> list[tuple[Rule, ...]]:
    """The rules that each of n samples met, of those that its ``stages`` name; ``past`` and ``scores`` have n rows."""
    if config.evidence is None:
        limits = config.thresholds
        return [
            tuple(
                Rule(each.key, float(getattr(scores, each.score)[row]), getattr(limits, each.score))
                for each in DETECTORS
                if each.stage in stages[row]
            )
            for row in range(len(stages))
        ]
    session = session_of(past.tails, config.evidence, config.features.session_gap_s)
    changes = [change_of(past.tails, session, change) for change in config.evidence.changes]
    often = _repeated(past, session.settled, config.evidence, config.thresholds.reconstruction_error)
    found = []
    for row, of in enumerate(stages):
        rules: list[Rule] = []
        if Stage.RECONSTRUCTION in of:
            rules += _of_errors(past.error[row, -1], int(often[row]), config.evidence, config)
        if Stage.FOREST in of:
            rules.append(Rule(FOREST.key, float(scores.forest_score[row]), config.thresholds.forest_score))
        if Stage.CHANGE in of:
            rules += [
                Rule("change", float(values[row]), change.limit, change.reading)
                for values, change in zip(changes, config.evidence.changes, strict=True)
                if values[row] > change.limit
            ]
        if Stage.STUCK in of:
            rules += _of_stuck(past, row, session.near[row], config.evidence)
        if Stage.RANGE in of:
            rules += _of_range(past, row, config.evidence)
        found.append(tuple(rules))
    return found


def _repeated(past: Past, settled: Flags, by: Evidence, threshold: float) -> NDArray[np.int64]:
    """How many of the last errors count for the rule of repeated errors, (n,)."""
    newest = slice(-by.out_of, None)
    counted: NDArray[np.int64] = ((past.error[:, newest] > by.share * threshold) & settled[:, newest]).sum(1)
    return counted


def _of_errors(error: float, often: int, by: Evidence, config: BundleConfig) -> Iterator[Rule]:
    threshold = config.thresholds.reconstruction_error
    if RECONSTRUCTION.exceeds(error, by.once * threshold):
        yield Rule(RECONSTRUCTION.key, float(error), by.once * threshold)
    if often >= by.of:
        yield Rule("repeated_errors", float(often), float(by.of))


def _of_stuck(past: Past, row: int, near: Flags, by: Evidence) -> Iterator[Rule]:
    readings: tuple[tuple[ReadingName, Floats, int | None], ...] = (
        ("current", past.tails.current_a[row], by.stuck.current),
        ("temperature", past.tails.temperature_c[row], by.stuck.temperature),
    )
    for reading, values, limit in readings:
        other = np.flatnonzero(~near | (values != values[-1]))
        times = len(values) - (int(other[-1]) + 1 if len(other) else 0)
        flows = reading != "current" or values[-1] != 0.0  # a current of 0 A may repeat: none flows
        if limit is not None and times >= limit and flows:
            yield Rule("stuck", float(times), float(limit), reading)


def _of_range(past: Past, row: int, by: Evidence) -> Iterator[Rule]:
    if by.bounds is None:
        return
    readings: tuple[tuple[ReadingName, float, tuple[float, float]], ...] = (
        ("current", float(past.tails.current_a[row, -1]), by.bounds.current_a),
        ("temperature", float(past.tails.temperature_c[row, -1]), by.bounds.temperature_c),
    )
    for reading, value, (low, high) in readings:
        if not low <= value <= high:
            yield Rule("range", value, low if value < low else high, reading)
