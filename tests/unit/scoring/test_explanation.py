"""Why a sample was flagged, in numbers. Its words have their own tests (`test_sentence.py`)."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
from charges import between, charge, past_of, ramp, told
from repository import SHIPPED_BUNDLE

from scoring.bundle import Bundle, load
from scoring.config import Calibration
from scoring.detectors import Stage
from scoring.evidence import Past
from scoring.explanation import Band, Explanation, Pair, explain, kinds
from scoring.faults import FaultKind
from scoring.graph import Graph, Scores
from scoring.scorer import Scorer
from window.features import FEATURES
from window.samples import Floats, Samples


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """The default bundle with a calibration, thresholds and weights a reader can follow."""
    loaded = load(SHIPPED_BUNDLE)
    config = loaded.config.model_copy(
        update={
            "error_weights": None,
            "thresholds": loaded.config.thresholds.model_copy(
                update={"reconstruction_error": 2.0, "forest_score": -0.7}
            ),
            "calibration": Calibration(
                normal_hours=52.6,
                reconstruction_error=((0.1, 1000), (0.5, 20), (1.0, 3), (1.5, 1)),
                forest_score=((-0.4, 900), (-0.5, 40), (-0.65, 1)),
            ),
        }
    )
    return replace(loaded, config=config)


def row(**readings: float) -> Floats:
    return np.array([readings.get(name, 1.0) for name in FEATURES])


def scored(error: float, forest: float, expected: Floats) -> Scores:
    return Scores(np.array([error]), np.array([forest]), expected[None, :])


def nothing_before() -> Past:
    """The first sample of a device: 1 A and 1 °C, as in `row`."""
    return past_of(Samples.of([0.0], [1.0], [1.0]), errors=15)


def why(actual: Floats, scores: Scores, bundle: Bundle, stages: Stage = Stage.RECONSTRUCTION) -> Explanation:
    """The explanation of a device's first sample."""
    return explain(actual, scores, nothing_before(), stages, bundle)


def test_shares_are_the_squared_residuals_in_standard_deviations(bundle: Bundle) -> None:
    """Two features off by 1 and 3 sigma share 1 to 9, and all shares add up to one."""
    expected = row(current=2.5, temperature=25.0)
    actual = expected.copy()
    actual[FEATURES.index("current")] += 3.0 * bundle.scaler.scale[FEATURES.index("current")]
    actual[FEATURES.index("temp_rate")] -= bundle.scaler.scale[FEATURES.index("temp_rate")]
    shares = why(actual, scored(5.0, -0.5, expected), bundle).shares
    assert list(shares) == list(FEATURES)
    assert sum(shares.values()) == pytest.approx(1.0, abs=1e-12)
    assert shares["current"] == pytest.approx(0.9)
    assert shares["temp_rate"] == pytest.approx(0.1)


def strange_to_the_forest(bundle: Bundle, **off: float) -> Floats:
    """An ordinary sample but for some features that lie so many deviations from their mean."""
    found = bundle.scaler.mean.copy()
    for name, sigmas in off.items():
        found[FEATURES.index(name)] += sigmas * bundle.scaler.scale[FEATURES.index(name)]
    return found


def test_the_forests_features_are_those_that_bring_its_score_up(bundle: Bundle) -> None:
    """Each put right alone, in a batch of its own: to the bit the same rises, the three largest, the largest first."""
    actual = strange_to_the_forest(bundle, temp_rate=6.0, temp_roll_std=9.0, current_rate=3.0, current=1.0)
    scores = bundle.graph.score(actual[None, :])
    forest = float(scores.forest_score[0])
    found = why(actual, scores, bundle, Stage.FOREST).forest
    rises = {}
    for column, name in enumerate(FEATURES):
        right = actual.copy()
        right[column] = bundle.scaler.mean[column]
        rises[name] = float(bundle.graph.score(right[None, :]).forest_score[0]) - forest
    expected = sorted(rises.items(), key=lambda each: -each[1])[:3]
    assert found is not None
    assert list(found.items()) == expected
    assert {*list(found)[:2]} == {"temp_roll_std", "temp_rate"}


def test_the_forest_has_features_only_where_it_flagged_the_sample(bundle: Bundle) -> None:
    """Whoever did not speak has no reasons; and its rows cost nothing."""
    actual = strange_to_the_forest(bundle, temp_rate=6.0)

    class Refuses:
        def score(self, _: Floats) -> Scores:
            raise AssertionError("scored")

    silent = replace(bundle, graph=cast("Graph", Refuses()))
    for stages in (Stage.RECONSTRUCTION, Stage.CHANGE, Stage.STUCK):
        assert why(actual, scored(5.0, -0.5, row()), silent, stages).forest is None
    assert why(actual, scored(5.0, -0.9, row()), bundle, Stage.FOREST).forest


def test_a_forest_without_a_feature_of_its_own(bundle: Bundle) -> None:
    """None that would bring its score up alone: the combination is the matter."""

    class Level:
        def score(self, features: Floats) -> Scores:
            return Scores(np.zeros(len(features)), np.full(len(features), -0.8), features)

    found = why(row(), scored(0.2, -0.8, row()), replace(bundle, graph=cast("Graph", Level())), Stage.FOREST)
    assert found.forest == {}


@pytest.mark.parametrize(
    ("error", "forest", "rarity"),
    [
        (1.51, -0.45, "not seen in 52 h of normal charging"),
        (1.5, -0.45, "reached by at most 1 sample in 52 h of normal charging"),
        (0.7, -0.45, "reached by at most 20 samples in 52 h of normal charging"),
        (0.7, -0.66, "not seen in 52 h of normal charging"),
        (0.01, -0.55, "reached by at most 40 samples in 52 h of normal charging"),
        (0.01, -0.1, "how rare this is was not measured"),
    ],
)
def test_rarity_never_claims_more_than_the_evidence(bundle: Bundle, error: float, forest: float, rarity: str) -> None:
    """Between two rows of the table the larger count holds; the rarer of both scores counts."""
    assert why(row(current=2.0), scored(error, forest, row()), bundle).rarity == rarity


def test_ordinary_scores_are_not_told_as_rare(bundle: Bundle) -> None:
    """Where another stage made the anomaly, scores that hundreds of normal samples reached are ordinary."""
    of = (row(current=2.0), scored(0.2, -0.45, row()), bundle)
    assert why(*of, Stage.CHANGE).rarity == "its scores alone are ordinary"
    assert why(*of, Stage.RECONSTRUCTION).rarity == "reached by at most 900 samples in 52 h of normal charging"


def test_too_little_evidence_claims_nothing(bundle: Bundle) -> None:
    """Under an hour of held-out charging there is no rarity."""
    none = bundle.config.model_copy(
        update={"calibration": Calibration(normal_hours=0.5, reconstruction_error=((0.1, 5),), forest_score=())}
    )
    found = why(row(current=2.0), scored(9.0, -0.9, row()), replace(bundle, config=none))
    assert found.rarity == "how rare this is was not measured"


def test_a_perfect_reconstruction_still_has_shares(bundle: Bundle) -> None:
    """No residual at all: every feature the same."""
    shares = why(row(), scored(0.0, -0.9, row()), bundle).shares
    assert set(shares.values()) == {1.0 / 14.0}


def test_what_cannot_be_explained(bundle: Bundle) -> None:
    """Two samples, or none that could be scored."""
    with pytest.raises(ValueError, match="one sample"):
        why(row(), Scores(np.zeros(2), np.zeros(2), np.zeros((2, 14))), bundle)
    with pytest.raises(ValueError, match="finite"):
        why(row(), scored(np.nan, -0.5, row()), bundle)
    with pytest.raises(ValueError, match="finite"):
        why(row(), scored(5.0, -np.inf, row()), bundle)


def test_shares_count_by_the_errors_weights(bundle: Bundle) -> None:
    """Two features off by one sigma each, of which one weighs four times as much."""
    names = ("current", "temp_rate")
    weights = tuple(4.0 if name == "current" else 1.0 for name in FEATURES)
    expected = row(current=2.5, temperature=25.0)
    actual = expected.copy()
    for name in names:
        actual[FEATURES.index(name)] += bundle.scaler.scale[FEATURES.index(name)]
    weighed = replace(bundle, config=bundle.config.model_copy(update={"error_weights": weights}))
    shares = why(actual, scored(5.0, -0.5, expected), weighed).shares
    assert [shares[name] for name in names] == pytest.approx([0.8, 0.2])


def test_what_was_expected_is_what_the_samples_before_lead_to(default_bundle: Bundle) -> None:
    """2.5 A and 26 °C before an over-current, with the reach of the bundle's finest change to either side. What the
    autoencoder made of the sample stands apart: it reads the sample itself."""
    found = told(default_bundle, charge(between(60, 70, 2.0)))[65][0]
    assert found.expected is not None
    assert found.band is not None
    assert found.expected.current_a == pytest.approx(2.5, abs=0.01)
    assert found.expected.temperature_c == pytest.approx(26.0, abs=0.05)
    (low_a, high_a), (low_c, high_c) = found.band.current_a, found.band.temperature_c
    assert (low_a + high_a) / 2 == pytest.approx(found.expected.current_a)
    assert (low_c + high_c) / 2 == pytest.approx(found.expected.temperature_c)
    assert high_a - low_a == pytest.approx(2 * 3.149 * 0.07327, rel=0.01)
    assert high_c - low_c == pytest.approx(2 * 5.18 * (0.0607**2 + 0.03**2) ** 0.5, rel=0.1)
    assert found.reconstruction.current_a > 3.0


def test_of_a_session_too_young_nothing_was_expected(bundle: Bundle) -> None:
    """Neither a value nor a band nor a forecast."""
    found = why(row(), scored(5.0, -0.5, row(current=2.0, temperature=24.0)), bundle)
    assert (found.expected, found.band, found.forecast) == (None, None, None)
    assert found.reconstruction == Pair(2.0, 24.0)
    assert isinstance(told(bundle, charge(between(60, 70, 2.0)))[60][0].band, Band)


def test_a_sample_that_is_no_anomaly_is_told_as_normal(bundle: Bundle) -> None:
    """For whoever asks: no kind, no rule, and one sentence."""
    found = why(row(current=2.5, temperature=26.0), scored(0.2, -0.4, row()), bundle, Stage.NONE)
    assert (found.kinds, found.rules) == ((), ())
    assert found.sentences == ("Current 2.50 A and temperature 26.0 °C are as in normal charging.",)


def test_the_sentence_of_a_kind_that_is_not_there_is_refused(default_bundle: Bundle) -> None:
    """Each kind has one, another has none."""
    found = told(default_bundle, charge(between(60, 70, 2.0)))[60][0]
    assert found.about(FaultKind.OVER_CURRENT) == found.sentence
    with pytest.raises(ValueError, match="tuple"):
        found.about(FaultKind.HEATING)


def test_all_kinds_at_once_are_those_of_each_explanation(default_bundle: Bundle) -> None:
    """As a chart asks for them."""
    series = charge(between(60, 70, 2.0), ramp(64, 0.3) + between(80, 84, -9.0))
    scored_now, _ = Scorer(default_bundle).take(series, most_anomalies=120)
    rows = np.flatnonzero(scored_now.verdicts.anomaly)
    stages = [Stage(int(of)) for of in scored_now.verdicts.stages[rows]]
    found = kinds(scored_now.past, scored_now.scores.take(rows), stages, default_bundle.config)
    alone = told(default_bundle, series)
    assert dict(zip(rows.tolist(), found, strict=True)) == {k: each[0].kinds for k, each in alone.items()}
    assert len({*found}) > 2
