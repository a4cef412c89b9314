"""What alarms only for samples of a fault that is over makes no anomaly."""

from __future__ import annotations

import numpy as np
import pytest
from charges import between, by_hand, charge, course, past_of, ramp, told

from scoring.aftermath import beyond, goes_on, remaining
from scoring.bundle import Bundle
from scoring.config import BundleConfig
from scoring.course import Course, ReadingName, courses
from scoring.detectors import Stage
from scoring.evidence import LENGTH, Past
from scoring.faults import FaultKind
from scoring.scorer import Scorer
from scoring.severity import Severity
from scoring.verdict import Verdicts, judge
from window.features import features, tails
from window.samples import Samples

ALL = Stage.RECONSTRUCTION | Stage.FOREST | Stage.CHANGE | Stage.STUCK | Stage.RANGE


def alarms(bundle: Bundle, samples: Samples) -> Verdicts:
    """The verdicts on a series without a closer look: what alarms, also for a fault that is over."""
    of = tails(samples.ts, samples.current_a, samples.temperature_c, length=LENGTH)
    short = tails(samples.ts, samples.current_a, samples.temperature_c)
    scores = bundle.graph.score(features(short, bundle.config.features.rules))
    out_of = bundle.config.evidence.out_of if bundle.config.evidence else 1
    errors = np.concatenate([np.full(out_of - 1, np.nan), scores.reconstruction_error])
    past = Past(of, errors[np.arange(len(samples))[:, None] + np.arange(out_of)[None, :]])
    return judge(scores, samples.current_a, samples.temperature_c, bundle.config, past, closely=False)


def anomalies(bundle: Bundle, samples: Samples) -> list[int]:
    """The numbers of the samples that are anomalies."""
    scored, count = Scorer(bundle).take(samples, most_anomalies=10**6)
    assert count == len(samples)
    return np.flatnonzero(scored.verdicts.anomaly).tolist()


@pytest.mark.parametrize("samples", [1, 2, 5, 15])
@pytest.mark.parametrize(
    ("current_a", "temperature_c", "warming_c"), [(-2.5, 0.0, 0.0), (2.0, 0.0, 0.02), (0.0, 9.0, 0.0), (0.0, -9.0, 0.0)]
)
def test_the_return_is_no_anomaly(
    default_bundle: Bundle, samples: int, current_a: float, temperature_c: float, warming_c: float
) -> None:
    """Of a drop-out, of an over-current that warms its cell a little, of a temperature jump: each of their samples is
    an anomaly, and none after them, though some still alarm."""
    end = 60 + samples
    series = charge(between(60, end, current_a), between(60, end, temperature_c) + ramp(60, warming_c, end))
    assert anomalies(default_bundle, series) == list(range(60, end))
    assert alarms(default_bundle, series).anomaly[end:].any()


@pytest.mark.parametrize("seed", range(3))
def test_the_end_of_a_heating_is_no_anomaly(default_bundle: Bundle, seed: int) -> None:
    """The cell stays 3.75 °C warmer: that is no fault, and it was one that it warmed. Two samples at the end are within
    the noise."""
    series = charge(0.0, ramp(60, 0.25, 75), seed=seed)
    found = anomalies(default_bundle, series)
    assert {*range(64, 76)} <= {*found} <= {*range(61, 78)}
    assert np.flatnonzero(alarms(default_bundle, series).anomaly)[-1] > 80


@pytest.mark.parametrize("seed", range(3))
def test_a_heating_that_only_slows_down_goes_on(default_bundle: Bundle, seed: int) -> None:
    """From 0.4 to 0.3 °C a second, 18 times as fast as a charge: all that alarms is an anomaly."""
    series = charge(0.0, ramp(60, 0.4, 70) + ramp(70, 0.3), seed=seed)
    series = series.take(slice(0, 90))
    found = anomalies(default_bundle, series)
    assert found == np.flatnonzero(alarms(default_bundle, series).anomaly).tolist()
    assert {*range(62, 90)} <= {*found}


def test_nothing_is_over_beyond_a_severity_limit(default_bundle: Bundle) -> None:
    """At 51 °C, above the medium limit of 50 °C, the return of a drop-out is as much of an anomaly as without a closer
    look; at 26 °C it is none."""
    for level_c, is_over in ((51.0, False), (26.0, True)):
        series = charge(between(60, 65, -2.5), at=(2.5, level_c))
        loud = np.flatnonzero(alarms(default_bundle, series).anomaly).tolist()
        assert loud[-1] > 65
        assert anomalies(default_bundle, series) == (loud[:5] if is_over else loud)


@pytest.mark.parametrize(
    ("reading", "value", "found"),
    [
        ("current", 6.044, False),
        ("current", 6.045, True),
        ("current", -6.045, True),
        ("temperature", 49.9, False),
        ("temperature", 50.0, True),
        ("temperature", -60.0, False),
    ],
)
def test_beyond_is_from_the_medium_limit_on(default_bundle: Bundle, reading: str, value: float, found: bool) -> None:
    """6.045 A in magnitude, or 50 °C."""
    of = course(default_bundle.config, "current" if reading == "current" else "temperature", [value] * 20)
    assert beyond(of, default_bundle.config) == found


@pytest.fixture(scope="module")
def config(plain_bundle: Bundle) -> BundleConfig:
    """Changes a reader can follow: 0.3 A or 0.3 °C is off. 15 errors are looked at."""
    return by_hand(plain_bundle, out_of=15).config


def returned(config: BundleConfig, since: int) -> Course:
    """A current whose last sample off was so many samples ago."""
    return course(config, "current", [2.5] * 10 + [4.5] * 3 + [2.5] * since)


@pytest.mark.parametrize(
    ("since", "remain"),
    [
        (1, Stage.NONE),
        (4, Stage.NONE),
        (5, Stage.FOREST),
        (18, Stage.FOREST),
        (19, Stage.FOREST | Stage.RECONSTRUCTION),
        (22, Stage.FOREST | Stage.RECONSTRUCTION),
    ],
)
def test_a_stage_is_taken_away_as_long_as_it_looks_back(config: BundleConfig, since: int, remain: Stage) -> None:
    """The forest reads features of 5 samples; of 15 errors the first reads features of 4 samples more. A change looks
    at all of a course; a stuck reading and a broken bound are about the sample itself."""
    of = returned(config, since)
    assert not of.is_off
    assert remaining(ALL, {"current": of}, set(), config) == remain | Stage.STUCK | Stage.RANGE


def test_nothing_is_taken_away_without_a_fault_that_is_over(plain_bundle: Bundle, config: BundleConfig) -> None:
    """Where no reading was off, where one still is, where the session is too young, and by policy `plain`."""
    steady, off = course(config, "current", [2.5] * 20), course(config, "current", [2.5] * 20 + [4.5] * 3)
    cases: tuple[dict[ReadingName, Course], ...] = ({"current": steady}, {"current": off}, {})
    for of in cases:
        assert remaining(ALL, of, {"current"}, config) == ALL
    assert remaining(ALL, {"current": returned(config, 2)}, set(), plain_bundle.config) == ALL


@pytest.mark.parametrize(("changed", "goes"), [(set(), False), ({"temperature"}, True)])
def test_beside_a_current_a_warmth_goes_on_only_where_it_changed(
    config: BundleConfig, changed: set[str], goes: bool
) -> None:
    """A current warms its cell a little; what a rule calls changed is more than that."""
    samples = Samples.of(
        np.arange(36.0), [2.5] * 20 + [4.5] * 10 + [2.5] * 6, [26.0] * 22 + [26.0 + 0.1 * k for k in range(1, 15)]
    )
    of = courses(past_of(samples), 35, config)
    assert [(each.is_off, len(each.excursions)) for each in of.values()] == [(False, 1), (True, 1)]
    names = {reading for reading in of if reading in changed}
    assert (remaining(Stage.CHANGE, of, names, config) == Stage.CHANGE) == goes


@pytest.mark.parametrize(
    ("back", "first_c", "rate_c_s", "goes"), [(6, 20, 0.05, False), (0, 24, 0.06, True), (6, 10, 0.06, True)]
)
def test_what_a_current_has_warmed_is_no_fault_of_its_own(
    config: BundleConfig, back: int, first_c: int, rate_c_s: float, goes: bool
) -> None:
    """12 s of too much current may leave a cell 0.8 degrees warmer, and a rule calls that changed. While the current
    lasts it counts, and where the warming began before it."""
    amps = [2.5] * (24 - back) + [7.0] * 12 + [2.5] * back
    warm = [26.0] * first_c + [26.0 + rate_c_s * k for k in range(1, 37 - first_c)]
    of = courses(past_of(Samples.of(np.arange(36.0), amps, warm)), 35, config)
    assert of["temperature"].is_off
    assert of["current"].is_off == (back == 0)
    assert (remaining(Stage.CHANGE, of, {"temperature"}, config) == Stage.CHANGE) == goes


def test_a_heated_cell_stays_warm(config: BundleConfig) -> None:
    """A temperature that rises goes on, one that has risen does not; a sensor that jumped, and a current that has
    risen, are still off."""
    rise = [26.0 + 0.5 * k for k in range(1, 9)]
    assert goes_on(course(config, "temperature", [26.0] * 20 + rise))
    assert not goes_on(course(config, "temperature", [26.0] * 20 + rise + [30.0] * 4))
    for slower, goes in ((0.3, True), (0.2, True), (0.02, False)):
        on = [30.0 + slower * k for k in range(1, 6)]
        assert goes_on(course(config, "temperature", [26.0] * 20 + rise + on)) == goes
    assert goes_on(course(config, "temperature", [26.0] * 20 + [35.0] * 12))
    assert goes_on(course(config, "current", [2.5] * 20 + [2.5 + 0.1 * k for k in range(1, 9)] + [3.3] * 6))
    assert not goes_on(course(config, "temperature", [26.0] * 20))


def test_a_closer_look_sees_the_critical_limit_near(default_bundle: Bundle) -> None:
    """Heating by 0.25 °C a second is low by its 27 °C, and high because 60 °C are near."""
    series = charge(0.0, ramp(60, 0.25)).take(slice(0, 70))
    severities = {row: severity for row, (_, severity, _) in told(default_bundle, series).items()}
    assert severities[62] == Severity.LOW
    assert {severities[row] for row in range(63, 70)} == {Severity.HIGH}
    assert set(alarms(default_bundle, series).severity[60:].tolist()) == {Severity.NONE, Severity.LOW}


def test_a_fast_heating_goes_on_after_an_over_current(default_bundle: Bundle) -> None:
    """0.25 °C a second, before, during and after ten samples of 4.5 A: all that alarms is an anomaly."""
    series = charge(between(60, 70, 2.0), ramp(60, 0.25)).take(slice(0, 92))
    found = told(default_bundle, series)
    assert [*found] == np.flatnonzero(alarms(default_bundle, series).anomaly).tolist()
    assert all(FaultKind.HEATING in found[row][0].kinds for row in range(70, 92))


@pytest.mark.parametrize("samples", [8, 12, 15])
def test_the_return_of_a_long_drop_out_is_no_over_current(default_bundle: Bundle, samples: int) -> None:
    """Of up to 15 samples, as many as a change looks at: after more the tail has lost what was before."""
    series = charge(between(60, 60 + samples, -2.5))
    assert not [row for row in anomalies(default_bundle, series) if row >= 60 + samples]
