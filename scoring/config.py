"""The choices of a bundle: `config.json`."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from scoring.detectors import DETECTORS
from window.features import FeatureRules
from window.rolling import SHOWN_S

FORMAT = 1
"""The format of a bundle this code reads and writes."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


EVIDENCE_SAMPLES, EVIDENCE_S = 35, 120.0
"""How far back policy `evidence` looks from a sample: so many samples, and so many seconds at most."""
_EVIDENCE_GAP_S = 60.0
"""The longest session gap that policy `evidence` allows: with a longer one it could look back further."""


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


PLAUSIBLE = Range(current_a=(-1e5, 1e5), temperature_c=(-100.0, 500.0))
"""Readings outside these ranges come from a broken sensor, not from a battery."""


class WindowConfig(_Part):
    """``shown_s``: seconds of the past a report shows. The windows keep `SHOWN_S`. Another value would change
    nothing, so it is refused."""

    shown_s: Positive = SHOWN_S

    @model_validator(mode="after")
    def _as_kept(self) -> Self:
        if self.shown_s != SHOWN_S:
            raise ValueError(f"shown_s: reports show the last {SHOWN_S:g} s, and {self.shown_s:g} s cannot be chosen")
        return self


class FeaturesConfig(_Part):
    """How the features are computed; their names and order stand in `feature_names.json`."""

    rolling: Literal[5] = 5
    # With a longer gap, features would reach back further than the windows retain.
    session_gap_s: Annotated[float, Field(gt=0, le=75, allow_inf_nan=False)] = 60.0
    rate: Literal["per_second", "diff"] = "per_second"
    ratio_floor_c: Positive = 1e-6

    @property
    def rules(self) -> FeatureRules:
        """The same choices as a value for `window.features`."""
        return FeatureRules(self.session_gap_s, self.rate, self.ratio_floor_c)


class Thresholds(_Part):
    """The scores beyond which a sample is anomalous: see `scoring.detectors` for the sides."""

    reconstruction_error: Positive
    forest_score: Finite


class Change(_Part):
    """When a change of a reading is anomalous.

    The mean of the ``newest`` readings lies further than ``limit`` from the mean of those ``before`` them, in units of
    the scatter of the latter, which counts as at least ``floor`` (amperes or degrees). With ``still``, the change must
    also last: the very newest reading lies at least ``still`` times as far, on the same side.
    """

    reading: Literal["current", "temperature"]
    newest: Annotated[int, Field(ge=1)]
    before: Annotated[int, Field(ge=2)]
    floor: Positive
    limit: Positive
    still: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _within_reach(self) -> Self:
        if self.newest + self.before > EVIDENCE_SAMPLES:
            raise ValueError(f"newest and before together are more than {EVIDENCE_SAMPLES} samples")
        return self


class Stuck(_Part):
    """How often a reading must repeat to the last digit to be anomalous; None where normal readings do so too. A
    current of exactly 0 A may repeat: none flows."""

    current: Annotated[int, Field(ge=2, le=EVIDENCE_SAMPLES)] | None = None
    temperature: Annotated[int, Field(ge=2, le=EVIDENCE_SAMPLES)] | None = None


class Evidence(_Part):
    """How policy `evidence` combines a sample with those before it in its session.

    The reconstruction error makes an anomaly when it passes ``once`` times its threshold, or when ``of`` of the last
    ``out_of`` errors pass ``share`` times the threshold. The samples of the first ``warm_up_s`` of a session and its
    first ``warm_up_samples`` are no anomalies and do not count for later ones. A reading outside ``bounds`` is an
    anomaly at once, in the warm-up too; None where the bundle has no bounds (older ones).
    """

    warm_up_s: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 8.0
    warm_up_samples: Annotated[int, Field(ge=0, le=EVIDENCE_SAMPLES)] = 0
    once: Positive = 1.5
    share: Positive = 0.7
    of: Annotated[int, Field(ge=1)] = 10
    # The features of the first of these samples reach back four more.
    out_of: Annotated[int, Field(ge=1, le=EVIDENCE_SAMPLES - 3)] = 15
    changes: tuple[Change, ...] = ()
    stuck: Stuck = Stuck()
    bounds: Range | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.of > self.out_of:
            raise ValueError(f"{self.of} of {self.out_of} samples can never be")
        return self


class SeverityLimit(_Part):
    """The magnitude of the current and the temperature from which on a severity holds; one of them suffices."""

    current_a: Positive
    temperature_c: Finite


class SeverityLimits(_Part):
    """Limits that grade an anomaly; they do not make one. Below ``medium`` its severity is low."""

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

    Each table holds pairs (score, samples that reached it), from ordinary to rare: errors rise, forest scores fall.
    Its last row is the worst score seen: no sample of the ``normal_hours`` went beyond it. ``residual``: the range of
    reading minus expectation in nearly all of these samples; None where that was not measured.
    """

    normal_hours: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    reconstruction_error: tuple[tuple[Finite, int], ...]
    forest_score: tuple[tuple[Finite, int], ...]
    residual: Range | None = None

    @model_validator(mode="after")
    def _sorted(self) -> Self:
        for each in DETECTORS:
            for (score, times), (next_score, next_times) in pairwise(getattr(self, each.score)):
                if each.sign * next_score < each.sign * score or next_times > times:
                    raise ValueError(f"the {each.score} table must run from ordinary to rare")
        return self


class BundleConfig(_Part):
    """The whole of `config.json`. ``error_weights``: the weight of each standardised feature's squared residual in the
    error; None for 1/14 each. The graph holds the same numbers."""

    format: Literal[1] = 1
    window: WindowConfig = WindowConfig()
    features: FeaturesConfig = FeaturesConfig()
    forest_input: Literal["raw", "scaled"] = "raw"
    """What the forest reads: the features, or (in some models of the old service) the standardised features."""
    policy: Literal["plain", "evidence"] = "plain"
    evidence: Evidence | None = None
    error_weights: Annotated[tuple[Positive, ...], Field(min_length=14, max_length=14)] | None = None
    thresholds: Thresholds
    severity: SeverityLimits
    plausible: Range = PLAUSIBLE
    training_range: Range
    calibration: Calibration

    @model_validator(mode="after")
    def _policy_is_whole(self) -> Self:
        if (self.policy == "evidence") != (self.evidence is not None):
            raise ValueError('policy "evidence" needs its part `evidence`, and no other policy has one')
        if self.evidence is not None and self.features.session_gap_s > _EVIDENCE_GAP_S:
            raise ValueError(f'policy "evidence" allows a session_gap_s of {_EVIDENCE_GAP_S:g} at most')
        return self
