"""Made-up charges with faults, and what is said of their samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scoring.bundle import Bundle
from scoring.config import BundleConfig, Change, Evidence
from scoring.course import Course, ReadingName, courses
from scoring.detectors import Stage
from scoring.evidence import LENGTH, Past
from scoring.explanation import Explanation, explain
from scoring.scorer import Scorer
from scoring.severity import Severity
from window.features import tails
from window.samples import Floats, Samples

START = 1_784_937_600.0
"""Midnight, so that sample 60 at 1 Hz is of 00:01:00."""
N = 120
Told = tuple[Explanation, Severity, Stage]


def between(first: int, end: int, by: float) -> Floats:
    """``by`` from one sample to before another, else 0."""
    found = np.zeros(N)
    found[first:end] = by
    return found


def ramp(first: int, by: float, end: int = N) -> Floats:
    """Growing by so much a sample after sample ``first``, until sample ``end``; level before and after."""
    found: Floats = by * np.clip(np.arange(float(N)) - first, 0, end - first)
    return found


def charge(
    current_a: Floats | float = 0.0,
    temperature_c: Floats | float = 0.0,
    *,
    at: tuple[float, float] = (2.5, 26.0),
    step_s: float = 1.0,
    seed: int = 7,
) -> Samples:
    """A steady charge of 120 samples with the noise of good sensors, and what a fault adds to it."""
    rng = np.random.default_rng(seed)
    noise_a, noise_c = rng.normal(0, 0.004, N), rng.normal(0, 0.03, N)
    ts: Floats = START + step_s * np.arange(float(N))
    return Samples.of(ts, at[0] + noise_a + current_a, at[1] + noise_c + temperature_c)


def told(bundle: Bundle, samples: Samples) -> dict[int, Told]:
    """By number of the sample, what is said of each anomaly of one device in order, and why."""
    scored, count = Scorer(bundle).take(samples, most_anomalies=len(samples) + LENGTH)
    assert count == len(samples)
    found: dict[int, Told] = {}
    for row in np.flatnonzero(scored.verdicts.anomaly).tolist():
        stages = Stage(int(scored.verdicts.stages[row]))
        of = scored.features[row], scored.scores.take(slice(row, row + 1)), scored.past_of(row)
        found[row] = explain(*of, stages, bundle), Severity(int(scored.verdicts.severity[row])), stages
    return found


def past_of(samples: Samples, *, errors: int = 1) -> Past:
    """What lies before each sample of one device in order; so many errors of 0."""
    of = tails(samples.ts, samples.current_a, samples.temperature_c, length=LENGTH)
    return Past(of, np.zeros((len(samples), errors)))


def course(
    config: BundleConfig,
    reading: ReadingName,
    values: Sequence[float] | Floats,
    step_s: float = 1.0,
    level: float = 2.5,
) -> Course:
    """The course of one reading up to the last of its values, while the other one stays level."""
    ts: Floats = START + step_s * np.arange(float(len(values)))
    level_too = np.full(len(values), level)
    samples = Samples.of(ts, *((values, level_too) if reading == "current" else (level_too, values)))
    return courses(past_of(samples), len(samples) - 1, config)[reading]


def by_hand(bundle: Bundle, **evidence: object) -> Bundle:
    """The bundle with changes a reader can follow: without scatter, 0.3 A or 0.3 °C is off. No warm-up."""
    changes = (
        Change(reading="current", newest=1, before=10, floor=1.0, limit=5.0),
        Change(reading="current", newest=2, before=10, floor=0.1, limit=3.0),
        Change(reading="temperature", newest=1, before=10, floor=0.1, limit=3.0),
    )
    by = Evidence.model_validate({"warm_up_s": 0.0, "warm_up_samples": 0, "changes": changes, **evidence})
    return replace(bundle, config=bundle.config.model_copy(update={"policy": "evidence", "evidence": by}))
