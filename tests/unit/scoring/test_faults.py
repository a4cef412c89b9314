"""What is wrong, by the readings, and where it leads: made-up faults of a charge at 2.5 A and 26 °C."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from charges import START, Told, between, by_hand, charge, course, ramp, told

from scoring.bundle import Bundle
from scoring.config import BundleConfig, Stuck
from scoring.detectors import Stage
from scoring.faults import KINDS_OF, FaultKind, blamed, critical_soon, forecast, kinds_of
from scoring.severity import Severity
from window.samples import Floats

SWING = between(60, 90, 1.2) * np.where(np.arange(120) % 2, 1, -1)


def kinds(found: dict[int, Told]) -> dict[int, tuple[FaultKind, ...]]:
    """By number of the sample."""
    return {row: explanation.kinds for row, (explanation, _, _) in found.items()}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("kind", "current_a", "temperature_c", "rows"),
    [
        (FaultKind.OVER_CURRENT, between(60, 70, 2.0), 0.0, range(60, 70)),
        (FaultKind.DROP_OUT, between(60, 70, -2.5), 0.0, range(60, 70)),
        (FaultKind.UNSTEADY_CURRENT, SWING, 0.0, range(61, 90)),
        (FaultKind.CURRENT_DRIFT, ramp(60, 0.05, 80), 0.0, range(72, 80)),
        (FaultKind.HEATING, 0.0, ramp(60, 0.25, 75), range(63, 75)),
        (FaultKind.COOLING, 0.0, ramp(60, -0.25, 75), range(63, 75)),
        (FaultKind.TEMPERATURE_JUMP, 0.0, between(60, 70, 9.0), range(60, 70)),
        (FaultKind.TEMPERATURE_JUMP, 0.0, between(60, 70, -9.0), range(60, 70)),
    ],
)
def test_a_fault_has_its_kind(
    default_bundle: Bundle, kind: FaultKind, current_a: Floats, temperature_c: Floats, rows: range, seed: int
) -> None:
    """And no other, from one of its first samples on."""
    found = kinds(told(default_bundle, charge(current_a, temperature_c, seed=seed)))
    assert {row: found.get(row) for row in rows} == dict.fromkeys(rows, (kind,))
    assert min(found) >= 60


@pytest.mark.parametrize(
    ("kind", "at"),
    [
        (FaultKind.OVER_CURRENT, (11.5, 26.0)),
        (FaultKind.OUT_OF_RANGE, (-4.0, 26.0)),
        (FaultKind.OUT_OF_RANGE, (2.5, -12.0)),
        (FaultKind.TEMPERATURE_HIGH, (2.5, 61.5)),
        (FaultKind.UNUSUAL_PATTERN, (2.5, 0.0)),
    ],
)
def test_a_steady_strange_charge_has_its_kind(default_bundle: Bundle, kind: FaultKind, at: tuple[float, float]) -> None:
    """Nothing was off: far out of range, hot, or a charge at a current that freezing cells do not get."""
    found = kinds(told(default_bundle, charge(at=at)))
    assert set(found.values()) == {(kind,)}
    assert len(found) > 100


def test_a_reading_that_repeats_is_frozen(default_bundle: Bundle) -> None:
    """To the last digit, 20 times; beside another kind too."""
    assert default_bundle.config.evidence is not None
    by = default_bundle.config.evidence.model_copy(update={"stuck": Stuck(current=20, temperature=20)})
    bundle = replace(default_bundle, config=default_bundle.config.model_copy(update={"evidence": by}))
    series = charge(0.0, between(100, 105, 9.0))
    series.current_a[60:110] = 2.511
    found = kinds(told(bundle, series))
    assert [row for row, of in found.items() if FaultKind.FROZEN_READING in of] == list(range(79, 110))
    assert found[99] == (FaultKind.FROZEN_READING,)
    assert found[100] == (FaultKind.TEMPERATURE_JUMP, FaultKind.FROZEN_READING)


def test_two_faults_at_once_are_two_kinds(default_bundle: Bundle) -> None:
    """In the order of the kinds, each as long as it lasts."""
    found = kinds(told(default_bundle, charge(between(60, 70, 2.0), between(64, 68, 9.0))))
    over, both = (FaultKind.OVER_CURRENT,), (FaultKind.OVER_CURRENT, FaultKind.TEMPERATURE_JUMP)
    assert found == {row: both if 64 <= row < 68 else over for row in range(60, 70)}


def test_a_current_that_warms_its_cell_a_little_is_one_fault(default_bundle: Bundle) -> None:
    """0.6 °C in 15 s, five times as fast as in a charge, is off, but no rule calls it changed."""
    found = told(default_bundle, charge(between(60, 75, 2.0), ramp(60, 0.04, 75)))
    assert kinds(found) == dict.fromkeys(range(60, 75), (FaultKind.OVER_CURRENT,))


def test_a_drop_out_of_a_hot_cell_says_both(default_bundle: Bundle) -> None:
    """51 °C are above the medium limit, whatever else is wrong."""
    found = kinds(told(default_bundle, charge(between(60, 65, -2.5), at=(2.5, 51.0))))
    assert found[60] == (FaultKind.DROP_OUT, FaultKind.TEMPERATURE_HIGH)
    assert found[66] == (FaultKind.TEMPERATURE_HIGH,)


@pytest.mark.parametrize(("by", "kind"), [(-1.2, FaultKind.OVER_CURRENT), (1.0, FaultKind.DROP_OUT)])
def test_a_discharge_is_told_by_its_magnitude(default_bundle: Bundle, by: float, kind: FaultKind) -> None:
    """-2.2 A are more than -1 A."""
    found = kinds(told(default_bundle, charge(between(60, 65, by), at=(-1.0, 26.0))))
    assert [found[row] for row in range(60, 65)] == [(kind,)] * 5


@pytest.mark.parametrize("step_s", [0.5, 1.0, 5.0])
def test_loggers_of_other_intervals_name_the_same_kinds(default_bundle: Bundle, step_s: float) -> None:
    """Two a second, one a second, one in five seconds, where fewer samples of the last two minutes are compared."""
    for kind, current_a, temperature_c in (
        (FaultKind.OVER_CURRENT, between(60, 66, 2.0), 0.0),
        (FaultKind.DROP_OUT, between(60, 66, -2.5), 0.0),
        (FaultKind.TEMPERATURE_JUMP, 0.0, between(60, 66, 15.0)),
    ):
        found = kinds(told(default_bundle, charge(current_a, temperature_c, step_s=step_s)))
        assert set(found.values()) == {(kind,)}
        assert {60, 61, 62, 63} <= {*found} <= {*range(60, 66)}


def test_a_heating_that_goes_on_keeps_its_kind(default_bundle: Bundle) -> None:
    """A runaway of 0.25 °C a second lasts minutes until 60 °C, longer than a course of 36 samples."""
    found = told(default_bundle, charge(0.0, ramp(60, 0.25)))
    assert {row: of for row, of in kinds(found).items() if row > 65} == dict.fromkeys(
        range(66, 120), (FaultKind.HEATING,)
    )
    assert found[119][1] == Severity.HIGH


def test_a_swing_that_goes_on_keeps_its_kind(default_bundle: Bundle) -> None:
    """A loose contact lasts longer than 36 samples."""
    swing = between(50, 120, 1.2) * np.where(np.arange(120) % 2, 1, -1)
    found = kinds(told(default_bundle, charge(swing)))
    other = [row for row in range(60, 120) if found[row] != (FaultKind.UNSTEADY_CURRENT,)]
    assert len(other) <= 5  # where the last samples from before leave the course


def test_a_fast_heating_is_named_beside_an_over_current(default_bundle: Bundle) -> None:
    """0.25 °C a second leads to the critical limit: where that makes an anomaly high, it is told."""
    found = told(default_bundle, charge(between(60, 70, 2.0), ramp(60, 0.25)))
    for row in range(64, 70):
        assert found[row][1] == Severity.HIGH
        assert FaultKind.HEATING in found[row][0].kinds


@pytest.fixture(scope="module")
def config(plain_bundle: Bundle) -> BundleConfig:
    """Changes a reader can follow; medium, high and critical are 6, 8, 10 A and 45, 60, 80 °C."""
    return by_hand(plain_bundle).config


def test_a_change_without_an_excursion_has_a_kind(config: BundleConfig) -> None:
    """So slow that the course follows it: the rule of changes says which reading, its newest rate which way."""
    t = np.arange(36.0)
    readings = {"current": 2.5, "temperature": 26.0}
    for slope, names in ((0.004, "drift heating"), (-0.004, "drift cooling")):
        of = {
            "current": course(config, "current", 2.5 + slope * t),
            "temperature": course(config, "temperature", 26.0 + slope * t),
        }
        assert not any(each.excursions for each in of.values())
        current, temperature = names.split()
        found = kinds_of(Stage.CHANGE, of, readings, {"current"}, config)  # type: ignore[arg-type]
        assert found == (FaultKind.CURRENT_DRIFT,)
        assert current in found[0]
        assert kinds_of(Stage.CHANGE, of, readings, {"temperature"}, config) == (FaultKind(temperature),)  # type: ignore[arg-type]
        assert kinds_of(Stage.FOREST, of, readings, set(), config) == (FaultKind.UNUSUAL_PATTERN,)  # type: ignore[arg-type]


def test_in_a_young_session_only_what_needs_no_past_is_known(config: BundleConfig) -> None:
    """Hot, stuck, out of range, or nothing in particular."""
    for temperature_c, stages, expected in (
        (44.9, Stage.FOREST, (FaultKind.UNUSUAL_PATTERN,)),
        (45.0, Stage.FOREST, (FaultKind.TEMPERATURE_HIGH,)),
        (26.0, Stage.STUCK, (FaultKind.FROZEN_READING,)),
        (26.0, Stage.RANGE | Stage.STUCK, (FaultKind.FROZEN_READING, FaultKind.OUT_OF_RANGE)),
    ):
        assert kinds_of(stages, {}, {"current": 2.5, "temperature": temperature_c}, set(), config) == expected


def test_kinds_blame_their_readings() -> None:
    """One, or both; what is about none alone is about both."""
    assert blamed([FaultKind.DROP_OUT]) == {"current"}
    assert blamed([FaultKind.DROP_OUT, FaultKind.HEATING]) == {"current", "temperature"}
    assert blamed([FaultKind.HEATING, FaultKind.OUT_OF_RANGE]) == {"temperature"}
    assert blamed([FaultKind.UNUSUAL_PATTERN]) == {"current", "temperature"}
    assert len({kind for of in KINDS_OF.values() for kind in of}) == 8


def test_a_heating_reaches_its_next_limit(default_bundle: Bundle) -> None:
    """24 °C to go at 0.25 °C a second: 96 s after its begin, whenever one looks. The critical 60 °C are nearer than
    300 s."""
    found = told(default_bundle, charge(0.0, ramp(60, 0.25)))
    for row in range(66, 90):
        explanation, severity, _ = found[row]
        leads = explanation.forecast
        assert leads is not None
        assert (leads.reading, leads.severity, leads.limit) == ("temperature", Severity.MEDIUM, 50.0)
        assert leads.at - (START + 60.0) == pytest.approx(96.0, abs=7.0)
        assert leads.in_s == pytest.approx(leads.at - (START + row))
        assert leads.rate == pytest.approx(0.25, abs=0.02)
        assert severity == Severity.HIGH


def test_a_slow_heating_is_not_high(default_bundle: Bundle) -> None:
    """0.1 °C a second leads to 60 °C in 330 s, and 0.02 °C a second, as fast as a charge, is none at all."""
    found = told(default_bundle, charge(0.0, ramp(60, 0.1)))
    assert {severity for _, severity, _ in found.values()} == {Severity.LOW}
    assert all(
        explanation.forecast is not None
        for explanation, _, _ in found.values()
        if FaultKind.HEATING in explanation.kinds
    )
    assert told(default_bundle, charge(0.0, ramp(60, 0.02))) == {}


@pytest.mark.parametrize(
    ("start_c", "limit", "severity"),
    [(26.0, 45.0, Severity.MEDIUM), (46.0, 60.0, Severity.HIGH), (61.0, 80.0, Severity.CRITICAL), (81.0, None, None)],
)
def test_the_next_limit_is_told(
    config: BundleConfig, start_c: float, limit: float | None, severity: Severity | None
) -> None:
    """Above the last one there is none."""
    values = [start_c] * 20 + [start_c + 0.2 * k for k in range(1, 11)]
    found = forecast(course(config, "temperature", values), config)
    if limit is None:
        assert found is None
    else:
        assert found is not None
        assert (found.limit, found.severity) == (limit, severity)
        assert found.in_s == pytest.approx((limit - start_c - 2.0) / 0.2)
        assert found.at == pytest.approx(START + 29.0 + found.in_s)


def test_a_discharge_leads_to_a_limit_too(config: BundleConfig) -> None:
    """By its magnitude: from -2.5 A by -0.05 A a second; towards 0 A it leads to none."""
    more = course(config, "current", [-2.5] * 20 + [-2.5 - 0.05 * k for k in range(1, 17)])
    found = forecast(more, config)
    assert found is not None
    assert (found.limit, found.severity) == (6.0, Severity.MEDIUM)
    assert found.in_s == pytest.approx((6.0 - 3.3) / 0.05)
    less = course(config, "current", [-2.5] * 20 + [-2.5 + 0.05 * k for k in range(1, 17)])
    assert forecast(less, config) is None


def test_what_leads_nowhere_has_no_forecast(config: BundleConfig) -> None:
    """A reading that is not off, a jump, a cooling, a heating that has ended, one of two samples, one that takes more
    than an hour, none at all."""
    level = [26.0] * 20
    for values in (
        level,
        level + [36.0] * 6,
        [*level, *(26.0 - 0.2 * k for k in range(1, 9))],
        [*level, *(26.0 + 0.5 * k for k in range(1, 9)), *[30.0] * 4],
        [*level, 26.2, 26.4],
    ):
        of = course(config, "temperature", values)
        assert forecast(of, config) is None
        assert not critical_soon(of, config)
    slow = [2.5] * 20 + [2.5 + min(0.35, 0.1 * k) for k in range(1, 14)] + [2.8505, 2.851, 2.8515]
    assert forecast(course(config, "current", slow), config) is None
    assert forecast(None, config) is None
    assert not critical_soon(None, config)


@pytest.mark.parametrize(("rate", "soon"), [(0.18, True), (0.16, False)])
def test_critical_is_soon_within_five_minutes(config: BundleConfig, rate: float, soon: bool) -> None:
    """52 or 53 °C to go to 80 °C: 300 s at 0.176 °C a second."""
    values = [26.0] * 20 + [26.0 + rate * k for k in range(1, 9)]
    assert critical_soon(course(config, "temperature", values), config) == soon
