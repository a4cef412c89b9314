"""A bundle's choices, as `config.json` states them."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from window.features import FeatureRules

FORMAT = 1
"""The format of a bundle this code reads and writes."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Range(_Part):
    """Closed ranges of a sample's two readings, in amperes and degrees Celsius."""

    current_a: tuple[Finite, Finite]
    temperature_c: tuple[Finite, Finite]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name, (low, high) in (("current_a", self.current_a), ("temperature_c", self.temperature_c)):
            if low > high:
                raise ValueError(f"{name}: the lower end {low} lies above the upper end {high}")
        return self


class WindowConfig(_Part):
    """``shown_s``: seconds of the past a report shows."""

    shown_s: Positive = 1500.0


class FeaturesConfig(_Part):
    """How the features are made; their names and order stand in `feature_names.json`."""

    rolling: Literal[5] = 5
    # Longer, and features would reach back further than the windows retain.
    session_gap_s: Annotated[float, Field(gt=0, le=75, allow_inf_nan=False)] = 60.0
    rate: Literal["per_second", "diff"] = "per_second"
    ratio_floor_c: Positive = 1e-6

    @property
    def rules(self) -> FeatureRules:
        """The same choices as `window.features` takes them."""
        return FeatureRules(self.session_gap_s, self.rate, self.ratio_floor_c)


class Thresholds(_Part):
    """Anomalous: reconstruction error above, forest score (`score_samples`) below."""

    reconstruction_error: Positive
    forest_score: Finite


class SeverityLimit(_Part):
    """The magnitude of the current or the temperature from which a severity holds; either suffices."""

    current_a: Positive
    temperature_c: Finite


class SeverityLimits(_Part):
    """Limits of an anomaly's severity, not of the anomaly itself; below ``medium`` it is low."""

    medium: SeverityLimit
    high: SeverityLimit
    critical: SeverityLimit

    @model_validator(mode="after")
    def _rising(self) -> Self:
        for lower, upper in pairwise((self.medium, self.high, self.critical)):
            if lower.current_a > upper.current_a or lower.temperature_c > upper.temperature_c:
                raise ValueError("the limits must not fall from medium over high to critical")
        return self


class Calibration(_Part):
    """How often held-out normal charging reached a score.

    Each table holds (score, samples that reached it), from ordinary to rare: errors rise, forest scores fall.
    Its last row is the worst score seen, so what lies beyond it was never seen in ``normal_hours``.
    """

    normal_hours: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    reconstruction_error: tuple[tuple[Finite, int], ...]
    forest_score: tuple[tuple[Finite, int], ...]

    @model_validator(mode="after")
    def _sorted(self) -> Self:
        for name, table, sign in (
            ("reconstruction_error", self.reconstruction_error, 1.0),
            ("forest_score", self.forest_score, -1.0),
        ):
            for (score, times), (next_score, next_times) in pairwise(table):
                if sign * next_score < sign * score or next_times > times:
                    raise ValueError(f"the {name} table must run from ordinary to rare")
        return self


class BundleConfig(_Part):
    """The whole of `config.json`."""

    format: Literal[1] = 1
    window: WindowConfig = WindowConfig()
    features: FeaturesConfig = FeaturesConfig()
    forest_input: Literal["raw", "scaled"] = "raw"
    """What the forest splits: the features, or (some models of the old service) the standardised features."""
    policy: Literal["plain"] = "plain"
    thresholds: Thresholds
    severity: SeverityLimits
    plausible: Range = Range(current_a=(-1e5, 1e5), temperature_c=(-100.0, 500.0))
    training_range: Range
    calibration: Calibration
