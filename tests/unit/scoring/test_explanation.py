"""Why a sample was flagged, in numbers and in words."""

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
from repository import SHIPPED_BUNDLE

from scoring.bundle import Bundle, load
from scoring.config import Calibration, Evidence, Range
from scoring.detectors import Stage
from scoring.explanation import WORDS, Band, explain
from scoring.graph import Graph, Scores
from window.features import FEATURES


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


def row(**readings: float) -> np.ndarray:
    return np.array([readings.get(name, 1.0) for name in FEATURES])


def scored(error: float, forest: float, expected: np.ndarray) -> Scores:
    return Scores(np.array([error]), np.array([forest]), expected[None, :])


def test_shares_are_the_squared_residuals_in_standard_deviations(bundle: Bundle) -> None:
    """Two features off by 1 and 3 sigma share 1 to 9, and all shares add up to one."""
    expected = row(current=2.5, temperature=25.0)
    actual = expected.copy()
    actual[FEATURES.index("current")] += 3.0 * bundle.scaler.scale[FEATURES.index("current")]
    actual[FEATURES.index("temp_rate")] -= bundle.scaler.scale[FEATURES.index("temp_rate")]
    shares = explain(actual, scored(5.0, -0.5, expected), bundle).shares
    assert list(shares) == list(FEATURES)
    assert sum(shares.values()) == pytest.approx(1.0, abs=1e-12)
    assert shares["current"] == pytest.approx(0.9)
    assert shares["temp_rate"] == pytest.approx(0.1)


def test_the_sentence_names_actual_expected_and_what_leads(bundle: Bundle) -> None:
    """What a technician reads first."""
    expected = row(current=2.5, temperature=25.0, current_rate=0.1)
    actual = row(current=4.6, temperature=25.2, current_rate=2.1)
    found = explain(actual, scored(5.0, -0.5, expected), bundle)
    assert found.sentence.startswith(
        "Current 4.60 A where 2.50 A was expected, at 25.2 °C; "
        "what stands out: change of the current 2.10 A/s instead of 0.10 A/s ("
    )
    assert found.sentence.endswith("%); not seen in 52 h of normal charging.")
    assert (found.expected_current_a, found.expected_temperature_c) == (2.5, 25.0)


def test_the_reading_that_is_off_comes_first(bundle: Bundle) -> None:
    """A temperature alarm begins with the temperature, and names no feature that has no part in it."""
    expected, actual = row(current=2.5, temperature=25.0), row(current=2.5, temperature=60.0)
    assert (
        explain(actual, scored(5.0, -0.5, expected), bundle).sentence
        == "Temperature 60.0 °C where 25.0 °C was expected, at 2.50 A; not seen in 52 h of normal charging."
    )


def test_a_rise_is_not_told_as_a_fall(bundle: Bundle) -> None:
    """After a jump up to 33 degrees an expectation of 38 helps nobody."""
    expected = row(current=2.5, temperature=38.0, temp_rate=0.1)
    actual = row(current=2.5, temperature=33.0, temp_rate=8.0)
    found = explain(actual, scored(5.0, -0.5, expected), bundle)
    assert found.sentence.startswith(
        "Temperature 33.0 °C, at 2.50 A: change of the temperature 8.00 °C/s instead of 0.10 °C/s (100%)"
    )


def strange_to_the_forest(bundle: Bundle, **off: float) -> np.ndarray:
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
    found = explain(actual, scores, bundle, Stage.FOREST).forest
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
        def score(self, _: np.ndarray) -> Scores:
            raise AssertionError("scored")

    silent = replace(bundle, graph=cast("Graph", Refuses()))
    for stages in (Stage.RECONSTRUCTION, Stage.CHANGE, Stage.STUCK):
        assert explain(actual, scored(5.0, -0.5, row()), silent, stages).forest is None
    assert explain(actual, scored(5.0, -0.9, row()), bundle).forest


def test_the_forest_alone(bundle: Bundle) -> None:
    """The sentence names what sets the sample apart, and not what the autoencoder, which saw nothing, would name."""
    actual = strange_to_the_forest(bundle, temp_rate=6.0, temp_roll_std=9.0, current_lag1=0.1)
    expected = bundle.scaler.mean
    found = explain(actual, scored(0.2, -0.8, expected), bundle)
    assert found.rarity == "not seen in 52 h of normal charging"
    assert found.sentence == (
        "Temperature 26.4 °C where 26.4 °C was expected, at 2.07 A; each reading is near what was expected, but set "
        "apart from normal charging by scatter of the temperature over the last 5 samples "
        f"({actual[FEATURES.index('temp_roll_std')]:.2f} °C) and change of the temperature "
        f"({actual[FEATURES.index('temp_rate')]:.2f} °C/s); not seen in 52 h of normal charging."
    )
    assert sum(found.shares.values()) == pytest.approx(1.0, abs=1e-12)
    both = explain(actual, scored(5.0, -0.8, expected), bundle).sentence
    assert "what stands out" in both
    assert "set apart" not in both


def test_a_forest_without_a_feature_of_its_own(bundle: Bundle) -> None:
    """None that would bring its score up alone: the combination is the matter."""

    class Level:
        def score(self, features: np.ndarray) -> Scores:
            return Scores(np.zeros(len(features)), np.full(len(features), -0.8), features)

    found = explain(row(), scored(0.2, -0.8, row()), replace(bundle, graph=cast("Graph", Level())))
    assert found.forest == {}
    assert "together they lie apart from normal charging" in found.sentence


def banded(bundle: Bundle, current_a: tuple[float, float], temperature_c: tuple[float, float]) -> Bundle:
    calibration = bundle.config.calibration.model_copy(
        update={"residual": Range(current_a=current_a, temperature_c=temperature_c)}
    )
    return replace(bundle, config=bundle.config.model_copy(update={"calibration": calibration}))


def test_the_band_lies_around_the_expectation(bundle: Bundle) -> None:
    """As wide as normal charging makes it, and the sentence says it in place of one number."""
    expected, actual = row(current=2.5, temperature=25.0), row(current=4.6, temperature=25.2)
    found = explain(actual, scored(5.0, -0.5, expected), banded(bundle, (-0.125, 0.25), (-0.5, 1.0)))
    assert found.band == Band(current_a=(2.375, 2.75), temperature_c=(24.5, 26.0))
    assert found.sentence.startswith("Current 4.60 A where 2.38 to 2.75 A was expected, at 25.2 °C; ")
    hot = explain(row(temperature=60.0), scored(5.0, -0.5, row(temperature=25.0)), banded(bundle, (0, 0), (-0.5, 1)))
    assert hot.sentence.startswith("Temperature 60.0 °C where 24.5 to 26.0 °C was expected")


def test_a_reading_within_its_band_is_not_told_as_what_is_wrong(bundle: Bundle) -> None:
    """Something else about it is: that follows at once, whichever stage found it."""
    wide = banded(bundle, (-0.5, 0.5), (-5.0, 5.0))
    expected = row(current=2.5, temperature=31.4, temp_rate=0.15)
    actual = row(current=2.5, temperature=29.6, temp_rate=0.25)
    drifting = explain(actual, scored(5.0, -0.5, expected), wide)
    assert drifting.sentence == (
        "Temperature 29.6 °C, within the 26.4 to 36.4 °C expected, at 2.50 A, but change of the temperature 0.25 °C/s "
        "instead of 0.15 °C/s (100%); not seen in 52 h of normal charging."
    )
    changed = explain(actual, scored(5.0, -0.5, expected), wide, Stage.RECONSTRUCTION | Stage.CHANGE)
    assert "at 2.50 A, but a greater change against the samples before than in normal charging; what stands out: " in (
        changed.sentence
    )
    apart = strange_to_the_forest(wide, temp_rate=6.0)
    alone = explain(apart, scored(0.2, -0.8, bundle.scaler.mean), wide)
    assert " expected, at 2.07 A, but set apart from normal charging by change of the temperature" in alone.sentence
    assert "near what was expected" not in alone.sentence
    narrow = banded(bundle, (-0.001, 0.001), (-0.01, 0.01))
    exact = explain(row(current=2.5, temp_rate=9.0), scored(5.0, -0.5, row(current=2.5, temp_rate=1.0)), narrow)
    assert exact.sentence.startswith("Temperature 1.0 °C, as expected, at 2.50 A, but change of the temperature")


def test_a_band_too_narrow_for_the_digits_is_one_number(bundle: Bundle) -> None:
    """Nobody reads "2.50 to 2.50 A"."""
    narrow = banded(bundle, (-0.001, 0.001), (-0.01, 0.01))
    found = explain(row(current=4.6), scored(5.0, -0.5, row(current=2.5)), narrow)
    assert "4.60 A where 2.50 A was expected" in found.sentence


def test_a_bundle_that_measured_no_band_has_none(bundle: Bundle) -> None:
    """Converted ones, and those made before."""
    assert explain(row(current=4.6), scored(5.0, -0.5, row()), bundle).band is None


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
    assert explain(row(current=2.0), scored(error, forest, row()), bundle).rarity == rarity


def test_ordinary_scores_are_not_told_as_rare(bundle: Bundle) -> None:
    """Where another stage made the anomaly, scores that hundreds of normal samples reached are ordinary."""
    of = (row(current=2.0), scored(0.2, -0.45, row()), bundle)
    assert explain(*of, Stage.CHANGE).rarity == "its scores alone are ordinary"
    assert explain(*of, Stage.RECONSTRUCTION).rarity == "reached by at most 900 samples in 52 h of normal charging"


def test_too_little_evidence_claims_nothing(bundle: Bundle) -> None:
    """Under an hour of held-out charging there is no rarity."""
    none = bundle.config.model_copy(
        update={"calibration": Calibration(normal_hours=0.5, reconstruction_error=((0.1, 5),), forest_score=())}
    )
    found = explain(row(current=2.0), scored(9.0, -0.9, row()), replace(bundle, config=none))
    assert found.rarity == "how rare this is was not measured"


def test_a_perfect_reconstruction_still_has_shares(bundle: Bundle) -> None:
    """No residual at all: every feature the same."""
    shares = explain(row(), scored(0.0, -0.9, row()), bundle).shares
    assert set(shares.values()) == {1.0 / 14.0}


def test_what_cannot_be_explained(bundle: Bundle) -> None:
    """Two samples, or none that could be scored."""
    with pytest.raises(ValueError, match="one sample"):
        explain(row(), Scores(np.zeros(2), np.zeros(2), np.zeros((2, 14))), bundle)
    with pytest.raises(ValueError, match="finite"):
        explain(row(), scored(np.nan, -0.5, row()), bundle)


def test_every_feature_has_words() -> None:
    """For a technician."""
    assert list(WORDS) == list(FEATURES)


def test_what_neighbours_say_is_told_in_words(bundle: Bundle) -> None:
    """A change against the samples before; and which of both readings is stuck."""
    actual = row(current_roll_std=0.0, temp_roll_std=0.02)
    change = explain(actual, scored(0.2, -0.5, row()), bundle, Stage.CHANGE).sentence
    stuck = explain(actual, scored(0.2, -0.5, row()), bundle, Stage.STUCK).sentence
    neither = explain(actual, scored(0.2, -0.5, row()), bundle).sentence
    assert "a greater change against the samples before than in normal charging" in change
    assert "the current has been repeated to the last digit" in stuck
    assert "stuck" not in change + neither
    assert "greater change" not in stuck + neither


def test_a_reading_far_out_of_what_was_learnt_from_is_told_in_words(bundle: Bundle) -> None:
    """Which reading, and from where to where it was learnt; the other one is not named."""
    evidence = Evidence(bounds=Range(current_a=(-1.0, 7.0), temperature_c=(-6.0, 58.0)))
    known = Range(current_a=(0.0, 5.8), temperature_c=(4.2, 48.4))
    config = bundle.config.model_copy(update={"evidence": evidence, "training_range": known})
    hot = row(current=2.5, temperature=61.5)
    said = explain(hot, scored(0.2, -0.5, row()), replace(bundle, config=config), Stage.RANGE).sentence
    assert "the temperature lies far outside the 4.2 to 48.4 °C of the training data" in said
    assert "the current lies" not in said
    assert "far outside" not in explain(hot, scored(0.2, -0.5, row()), bundle, Stage.RECONSTRUCTION).sentence


@pytest.mark.parametrize(("expected_c", "told"), [(-122.8, False), (45.0, True), (66.0, False)])
def test_an_expectation_that_no_charge_shows_is_not_told(bundle: Bundle, expected_c: float, told: bool) -> None:
    """Far outside of 4 to 48 °C, which the models learnt from, the autoencoder's word is none for a technician."""
    known = Range(current_a=(0.0, 5.8), temperature_c=(4.2, 48.4))
    config = bundle.config.model_copy(update={"training_range": known})
    hot, model = row(current=2.5, temperature=61.5), row(current=2.5, temperature=expected_c)
    said = explain(hot, scored(5.0, -0.5, model), replace(bundle, config=config)).sentence
    assert said.startswith("Temperature 61.5 °C")
    assert ("was expected" in said) == told


def test_shares_count_by_the_errors_weights(bundle: Bundle) -> None:
    """Two features off by one sigma each, of which one weighs four times as much."""
    names = ("current", "temp_rate")
    weights = tuple(4.0 if name == "current" else 1.0 for name in FEATURES)
    expected = row(current=2.5, temperature=25.0)
    actual = expected.copy()
    for name in names:
        actual[FEATURES.index(name)] += bundle.scaler.scale[FEATURES.index(name)]
    weighed = replace(bundle, config=bundle.config.model_copy(update={"error_weights": weights}))
    shares = explain(actual, scored(5.0, -0.5, expected), weighed).shares
    assert [shares[name] for name in names] == pytest.approx([0.8, 0.2])
