"""Was the old forest grown on raw or on scaled features? Its split thresholds show it.

A forest splits between the values of its training rows. If it was grown on raw features, its thresholds lie where the
scaler says that raw features lie. If it was grown on scaled ones, they lie around zero, a few deviations wide. For each
feature this module takes the mean log likelihood ratio under a broad density (Cauchy). A feature whose mean is near 0
and whose deviation is near 1 says nothing, so it must not decide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.detectors.forest import LEAF, Forest
from scoring.bundle import Scaler
from window.samples import Floats

RAW, SCALED = "raw", "scaled"
_FEW = 5
"""Features with fewer splits are left out."""
_CLEAR, _AGAINST, _AGREEING = 1.0, -2.0, 0.75
"""The mean log likelihood ratio from which the answer is clear, the value at which a single feature contradicts it, and
the share of the features that must agree. A feature whose deviation comes from a few spikes leans to raw by about 1."""
_STRADDLING = 0.75
"""Share of the features whose thresholds must lie on both sides of the scaler's mean. Those of standardised values do;
those of another scaler (0 to 1, say) do not."""


@dataclass(frozen=True, slots=True)
class ForestInput:
    """What the thresholds say. ``likelihood``: each feature's mean log likelihood ratio, positive for raw, NaN with too
    few splits. ``straddling``: share of the features whose thresholds lie on both sides of the scaler's mean, for the
    more likely answer. ``answer``: raw, scaled, or None if unclear."""

    likelihood: Floats
    straddling: float
    answer: str | None

    @property
    def sentence(self) -> str:
        """The figures in words."""
        known = self.likelihood[np.isfinite(self.likelihood)]
        if len(known) == 0:
            return "the forest has too few splits to tell"
        return (
            f"the split thresholds are {np.exp(min(abs(known.mean()), 50.0)):.3g} times likelier as "
            f"{RAW if known.mean() > 0 else SCALED} features per split, {int((known > 0).sum())} of {len(known)} "
            f"features speak for raw, and of {self.straddling:.0%} of them the thresholds lie on both sides of the "
            "scaler's mean"
        )


def judge(forest: Forest, scaler: Scaler) -> ForestInput:
    """Weigh the forest's thresholds against the scaler; both in the same order of features."""
    inner = forest.left != LEAF
    column, threshold = forest.feature[inner], forest.threshold[inner]
    likelihood = np.full(len(scaler.mean), np.nan)
    around = {RAW: [], SCALED: []}  # type: dict[str, list[bool]]
    for k, (mean, scale) in enumerate(zip(scaler.mean, scaler.scale, strict=True)):
        taken_as_scaled = threshold[column == k]
        if len(taken_as_scaled) < _FEW:
            continue
        taken_as_raw = (taken_as_scaled - mean) / scale
        likelihood[k] = float(np.mean(_density(taken_as_raw) - np.log(scale) - _density(taken_as_scaled)))
        for reading, values in ((RAW, taken_as_raw), (SCALED, taken_as_scaled)):
            around[reading].append(bool(values.min() < 0 < values.max()))
    known = likelihood[np.isfinite(likelihood)]
    if len(known) == 0:
        return ForestInput(likelihood, 0.0, None)
    answer, sign = (RAW, 1.0) if known.mean() > 0 else (SCALED, -1.0)
    straddling = float(np.mean(around[answer]))
    for_it = sign * known
    clear = for_it.mean() >= _CLEAR and for_it.min() > _AGAINST and (for_it > 0).mean() >= _AGREEING
    clear = clear and straddling >= _STRADDLING
    return ForestInput(likelihood, straddling, answer if clear else None)


def _density(values: Floats) -> Floats:
    """Logarithm of Cauchy's density, without its constant."""
    return -np.log1p(values * values)
