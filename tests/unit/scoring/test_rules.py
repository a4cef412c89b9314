"""The rules that a sample met: each value lies beyond its limit, and the rules are those of its stages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from charges import between, by_hand, charge, past_of, ramp, told

from scoring.bundle import Bundle
from scoring.config import Range, Stuck
from scoring.detectors import Stage
from scoring.graph import Scores
from scoring.rules import Rule, rules_of
from window.samples import Samples

STAGE_OF = {
    "reconstruction_error": Stage.RECONSTRUCTION,
    "repeated_errors": Stage.RECONSTRUCTION,
    "forest": Stage.FOREST,
    "change": Stage.CHANGE,
    "stuck": Stage.STUCK,
    "range": Stage.RANGE,
}
BELOW = ("forest",)
"""Rules that are met below their limit; a range has two."""


def scores(error: float, forest: float) -> Scores:
    return Scores(np.array([error]), np.array([forest]), np.zeros((1, 14)))


@pytest.fixture(scope="module")
def bundle(plain_bundle: Bundle) -> Bundle:
    """An error is met above 1.5 times 5, or 3 of 5 above half of 5; 0.3 A or 0.3 °C is a change; 8 times is stuck."""
    evidence = {
        "once": 1.5,
        "share": 0.5,
        "of": 3,
        "out_of": 5,
        "stuck": Stuck(current=8, temperature=10),
        "bounds": Range(current_a=(-1.0, 8.0), temperature_c=(0.0, 80.0)),
    }
    return by_hand(plain_bundle, **evidence)


def met(
    bundle: Bundle,
    stages: Stage,
    *,
    errors: list[float] | None = None,
    forest: float = -0.4,
    currents: list[float] | None = None,
    temperatures: list[float] | None = None,
) -> tuple[Rule, ...]:
    """The rules of the last of 20 samples a second apart; what is given are its last values."""
    a, c = [2.5, 2.6] * 10, [26.0, 26.1] * 10
    a[len(a) - len(currents or []) :] = currents or []
    c[len(c) - len(temperatures or []) :] = temperatures or []
    past = past_of(Samples.of(np.arange(20.0), a, c), errors=5).take(slice(19, 20))
    past.error[0, 5 - len(errors or []) :] = errors or []
    return rules_of(past, scores((errors or [0.0])[-1], forest), [stages], bundle.config)[0]


@pytest.mark.parametrize(
    ("errors", "rules"),
    [
        ([7.6], [Rule("reconstruction_error", 7.6, 7.5)]),
        ([7.5], []),
        ([2.6, 2.6, 2.6], [Rule("repeated_errors", 3.0, 3.0)]),
        ([2.6, 0.0, 2.6, 0.0, 2.6], [Rule("repeated_errors", 3.0, 3.0)]),
        ([2.6, 2.4, 2.4, 2.6, 2.5], []),
        (
            [3.0, 3.0, 3.0, 3.0, 9.0],
            [Rule("reconstruction_error", 9.0, 7.5), Rule("repeated_errors", 5.0, 3.0)],
        ),
    ],
)
def test_errors_once_and_repeated(bundle: Bundle, errors: list[float], rules: list[Rule]) -> None:
    """Above 7.5 at once, or three of the last five above 2.5."""
    assert [*met(bundle, Stage.RECONSTRUCTION, errors=errors)] == rules


def test_the_forest_is_met_below_its_threshold(bundle: Bundle) -> None:
    """Where the verdict names it; rules of other stages are left out."""
    assert met(bundle, Stage.FOREST, forest=-0.8, errors=[9.0]) == (Rule("forest", -0.8, -0.7),)
    assert met(bundle, Stage.RECONSTRUCTION, forest=-0.8) == ()


def test_changes_say_how_far_in_units_of_scatter(bundle: Bundle) -> None:
    """The currents before have a mean of 2.55 A and a scatter of 0.05 A, the temperatures 26.05 °C and 0.05 °C. Two
    currents 7 A above are 63 scatters with a floor of 0.1 A; one of them 10 A above is 10 with a floor of 1 A."""
    fine, coarse = (0.05**2 + 0.1**2) ** 0.5, (0.05**2 + 1.0) ** 0.5
    two = met(bundle, Stage.CHANGE, currents=[9.55, 9.55])
    assert [(rule.limit, rule.reading) for rule in two] == [(3.0, "current")]
    assert two[0].value == pytest.approx(7.0 / fine)
    one = met(bundle, Stage.CHANGE, currents=[2.55, 12.55], temperatures=[27.05])
    assert [(rule.name, rule.limit) for rule in one] == [("change", 5.0), ("change", 3.0), ("change", 3.0)]
    assert [rule.reading for rule in one] == ["current", "current", "temperature"]
    assert [rule.value for rule in one] == pytest.approx([10.0 / coarse, 5.0 / fine, 1.0 / fine], rel=0.01)


def test_stuck_says_how_often_and_which(bundle: Bundle) -> None:
    """8 times for a current, 10 for a temperature; all 20 samples where none differs."""
    assert met(bundle, Stage.STUCK, currents=[2.511] * 8) == (Rule("stuck", 8.0, 8.0, "current"),)
    assert met(bundle, Stage.STUCK, currents=[2.511] * 7, temperatures=[26.5] * 12) == (
        Rule("stuck", 12.0, 10.0, "temperature"),
    )
    both = met(bundle, Stage.STUCK, currents=[2.511] * 9, temperatures=[26.5] * 11)
    assert both == (Rule("stuck", 9.0, 8.0, "current"), Rule("stuck", 11.0, 10.0, "temperature"))


def test_stuck_counts_samples_of_the_session_alone(bundle: Bundle) -> None:
    """12 samples after a pause of an hour repeat 12 times, whatever was before; so do a device's first 12."""
    ts = np.append(0.0, 3600.0 + np.arange(12.0))
    for first in (0, 1):
        samples = Samples.of(ts[first:], [2.511] * (13 - first), 26.0 + np.arange(13.0 - first) / 10)
        past = past_of(samples, errors=5).take(slice(-1, None))
        found = rules_of(past, scores(0.0, -0.4), [Stage.STUCK], bundle.config)[0]
        assert found == (Rule("stuck", 12.0, 8.0, "current"),)


def test_a_current_of_zero_is_not_stuck(bundle: Bundle) -> None:
    """None flows, so it repeats: only the temperature is frozen."""
    found = met(bundle, Stage.STUCK, currents=[0.0] * 12, temperatures=[26.5] * 12)
    assert found == (Rule("stuck", 12.0, 10.0, "temperature"),)


@pytest.mark.parametrize(
    ("current_a", "temperature_c", "rules"),
    [
        (8.1, 26.0, [Rule("range", 8.1, 8.0, "current")]),
        (-1.1, 26.0, [Rule("range", -1.1, -1.0, "current")]),
        (8.0, 80.0, []),
        (9.0, -3.0, [Rule("range", 9.0, 8.0, "current"), Rule("range", -3.0, 0.0, "temperature")]),
        (2.5, 81.0, [Rule("range", 81.0, 80.0, "temperature")]),
    ],
)
def test_a_range_names_the_bound_that_is_broken(
    bundle: Bundle, current_a: float, temperature_c: float, rules: list[Rule]
) -> None:
    """The lower or the upper one, of either reading."""
    assert [*met(bundle, Stage.RANGE, currents=[current_a], temperatures=[temperature_c])] == rules


def test_policy_plain_compares_two_scores(plain_bundle: Bundle) -> None:
    """With their own thresholds, 5 and -0.7, and nothing else."""
    assert met(plain_bundle, Stage.RECONSTRUCTION | Stage.FOREST, errors=[9.0], forest=-0.8) == (
        Rule("reconstruction_error", 9.0, 5.0),
        Rule("forest", -0.8, -0.7),
    )
    assert met(plain_bundle, Stage.FOREST, errors=[9.0], forest=-0.8) == (Rule("forest", -0.8, -0.7),)
    assert met(plain_bundle, Stage.NONE, errors=[9.0]) == ()


@pytest.mark.parametrize("seed", range(4))
def test_stages_and_rules_agree(default_bundle: Bundle, seed: int) -> None:
    """Of a charge with several faults: each anomaly met a rule of each of its stages and no other, and each value lies
    beyond its limit."""
    assert default_bundle.config.evidence is not None
    by = default_bundle.config.evidence.model_copy(update={"stuck": Stuck(current=10)})
    bundle = replace(default_bundle, config=default_bundle.config.model_copy(update={"evidence": by}))
    rng = np.random.default_rng(seed)
    current_a, temperature_c = np.zeros(120), np.zeros(120)
    for first in rng.integers(30, 110, 4).tolist():
        current_a += between(first, first + int(rng.integers(1, 12)), rng.uniform(-3.0, 8.0))
        temperature_c += ramp(first + 3, rng.uniform(-0.5, 0.5), first + 20)
        temperature_c += between(first - 5, first - 3, rng.uniform(-30.0, 40.0))
    series = charge(current_a, temperature_c, seed=seed)
    series.current_a[20:35] = 2.505
    found = told(bundle, series)
    assert len(found) > 10
    for explanation, _, stages in found.values():
        assert {STAGE_OF[rule.name] for rule in explanation.rules} == {*stages}
        for rule in explanation.rules:
            if rule.name == "range":
                assert abs(rule.value - 2.0) > abs(rule.limit - 2.0)
            elif rule.name in ("repeated_errors", "stuck"):
                assert rule.value >= rule.limit
            else:
                assert (rule.value < rule.limit) if rule.name in BELOW else (rule.value > rule.limit)
    names = {rule.name for explanation, _, _ in found.values() for rule in explanation.rules}
    assert {"reconstruction_error", "change", "stuck"} <= names
