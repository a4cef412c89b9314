"""A bundle whose scores are plain arithmetic: fast, and no trained number is relied on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np

from consumer.bundles.store import BundleStore
from scoring.bundle import Bundle, BundleError, Manifest, Scaler
from scoring.config import (
    BundleConfig,
    Calibration,
    Change,
    Evidence,
    FeaturesConfig,
    Range,
    SeverityLimit,
    SeverityLimits,
    Stuck,
    Thresholds,
)
from scoring.graph import Graph, Scores
from window.features import FEATURES
from window.samples import Floats

NORMAL_A, NORMAL_C = 4.0, 25.0
"""What the workload charges with; the further off, the larger the error."""
_WEIGHTS = {
    "current_roll_std": 4.0,
    "current_rate": 2.0,
    "temp_rate": 2.0,
    "temp_roll_std": 1.0,
    "current_lag1": 0.01,
    "temp_roll_mean": 0.001,
}


class ArithmeticGraph:
    """Scores that lean on the history of a sample: a window that lacks one sample gives other scores.

    Column by column in a fixed order, so a row has the same bits in a batch of any size. ``strictness``: by how much
    more it says of the same sample.
    """

    def __init__(self, strictness: float = 1.0) -> None:
        self._strictness = strictness

    def score(self, features: Floats) -> Scores:
        """See `scoring.graph.Graph`."""
        expected = np.empty(features.shape)
        for column in range(len(FEATURES)):
            expected[:, column] = features[:, column] * 0.5
        expected[:, 0], expected[:, 1] = NORMAL_A, NORMAL_C
        error = (features[:, 0] - NORMAL_A) * (features[:, 0] - NORMAL_A) * 0.1
        for name, weight in _WEIGHTS.items():
            column = features[:, FEATURES.index(name)]
            error = error + column * column * (weight * self._strictness)
        error = np.where(np.isfinite(features).all(axis=1), error, np.nan)
        forest = -0.3 - 0.3 * np.minimum(np.abs(features[:, 1] - NORMAL_C) / 30.0, 1.0)
        return Scores(error, np.where(np.isnan(error), np.nan, forest), expected)


def arithmetic_bundle(name: str = "bw-arithmetic", *, strictness: float = 1.0, session_gap_s: float = 60.0) -> Bundle:
    """The bundle. Equal everywhere."""
    config = BundleConfig(
        features=FeaturesConfig(session_gap_s=session_gap_s),
        thresholds=Thresholds(reconstruction_error=3.0, forest_score=-0.5),
        severity=SeverityLimits(
            medium=SeverityLimit(current_a=6.0, temperature_c=40.0),
            high=SeverityLimit(current_a=8.0, temperature_c=50.0),
            critical=SeverityLimit(current_a=10.0, temperature_c=60.0),
        ),
        training_range=Range(current_a=(0.0, 6.0), temperature_c=(0.0, 45.0)),
        calibration=Calibration(
            normal_hours=10.0, reconstruction_error=((0.1, 1000), (2.5, 1)), forest_score=((-0.3, 1000), (-0.45, 1))
        ),
    )
    columns = len(FEATURES)
    manifest = Manifest(format=1, id=name, sha256={}, versions={}, training={}, metrics={})
    scaler = Scaler(np.zeros(columns), np.ones(columns))
    return Bundle(name, {}, config, scaler, cast("Graph", ArithmeticGraph(strictness)), manifest)


def neighbours_bundle() -> Bundle:
    """One whose verdicts lean on half a minute of neighbours."""
    plain = arithmetic_bundle("bw-neighbours")
    evidence = Evidence(
        warm_up_s=4.0,
        share=0.3,
        of=4,
        out_of=12,
        changes=(
            Change(reading="current", newest=3, before=20, floor=0.2, limit=3.0),
            Change(reading="temperature", newest=15, before=20, floor=0.2, limit=2.0),
        ),
        stuck=Stuck(current=4),
    )
    config = plain.config.model_copy(update={"policy": "evidence", "evidence": evidence})
    return replace(plain, config=BundleConfig.model_validate(config.model_dump()))


def stricter_bundle() -> Bundle:
    """Another one: its errors are larger, its sessions shorter."""
    return arithmetic_bundle("bw-stricter", strictness=3.0, session_gap_s=7.0)


NAMELESS = "model"
"""Where a host looks for its bundle: what lies there has no id when it is none."""


class LiesThere:
    """`consumer.bundles.watcher.Location` over what a test says."""

    where = NAMELESS

    def __init__(self, lies_there: Callable[[], Bundle | BundleError]) -> None:
        self._lies_there = lies_there

    def named(self) -> str:
        """See `Source`."""
        return self.load().id

    def load(self) -> Bundle:
        """See `Source`."""
        found = self._lies_there()
        if isinstance(found, BundleError):
            raise found
        return found


class ArithmeticBundles(BundleStore):
    """The store of bundles, for bundles that are made of no files: the name alone is stored."""

    @staticmethod
    def packed(bundle: Bundle) -> bytes:
        """See `BundleStore`."""
        return bundle.id.encode()

    @staticmethod
    def unpacked(body: bytes, where: str) -> Bundle:
        """See `BundleStore`."""
        return next(
            made for made in (arithmetic_bundle(), stricter_bundle(), neighbours_bundle()) if made.id.encode() == body
        )
