"""The course of a reading: what normal samples lead to, and which samples were off. Worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from charges import START, by_hand, course, past_of
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.bundle import Bundle
from scoring.config import BundleConfig
from scoring.course import ReadingName, courses
from window.samples import Floats, Samples

LEVEL = [2.53, 2.47] * 15
"""30 samples, 0.03 A beside their mean of 2.5 A. Off is what lies 3 times sqrt(0.03² + 0.1²) = 0.313 A away."""
OFF = 3.0 * (0.03**2 + 0.1**2) ** 0.5


@pytest.fixture(scope="module")
def config(plain_bundle: Bundle) -> BundleConfig:
    """Changes a reader can follow: the finest of each reading has a floor of 0.1 and a limit of 3."""
    return by_hand(plain_bundle).config


def test_a_steady_reading_leads_to_its_level(config: BundleConfig) -> None:
    """Its noise is no excursion, and the reach counts the noise and the floor."""
    found = course(config, "current", LEVEL)
    assert found.excursions == ()
    assert found.expected == pytest.approx(2.5, abs=0.02)
    assert found.scatter == pytest.approx(0.03, abs=0.001)
    assert found.reach == pytest.approx(OFF, abs=0.001)
    assert not found.is_off
    assert found.swing is None
    assert found.departed == pytest.approx(-0.03, abs=0.02)


@settings(deadline=None, max_examples=60)
@given(st.floats(-0.016, 0.016), st.lists(st.floats(-0.05, 0.05), min_size=12, max_size=36))
def test_the_slope_of_a_normal_charge_is_followed(config: BundleConfig, slope: float, noise: list[float]) -> None:
    """Up to a degree a minute: the oracle is numpy's line through all samples, wherever its slope is a normal one."""
    t = np.arange(float(len(noise)))
    values: Floats = 26.0 + slope * t + np.array(noise)
    line = np.polyfit(t, values, 1)
    found = course(config, "temperature", values)
    assert found.excursions == ()
    if abs(line[0]) <= 1 / 60:
        assert found.expected == pytest.approx(np.polyval(line, t[-1]), abs=1e-6)
        assert found.scatter == pytest.approx(np.std(values - np.polyval(line, t)), abs=1e-6)
    assert found.expected == pytest.approx(values[-1], abs=0.2)


def test_a_current_that_tails_off_is_followed(config: BundleConfig) -> None:
    """By 0.2 % of itself a second: from 4 A to 3.75 A in 35 samples, or as fast upwards."""
    for slope in (-0.007, 0.007):
        found = course(config, "current", [4.0 + slope * k for k in range(36)])
        assert found.excursions == ()
        assert found.departed == pytest.approx(0.0, abs=0.001)


def test_a_faster_slope_is_not_followed(config: BundleConfig) -> None:
    """0.1 °C a second is six times as fast as a charge: what is expected stays near the level, and samples go off. The
    excursion begins with those before that were half as far away."""
    values = [26.0] * 20 + [26.0 + 0.1 * k for k in range(1, 16)]
    found = course(config, "temperature", values)
    assert found.excursions == ((21, 35),)
    assert found.before == pytest.approx(26.1)
    assert found.is_off
    assert not found.jumped
    assert found.expected == pytest.approx(26.0, abs=0.1)
    assert found.rate() == pytest.approx(0.1)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_step_begins_an_excursion(config: BundleConfig, sign: float) -> None:
    """At its own sample, up or down, charging or discharging."""
    for level in (2.5, -2.5):
        values = [level + each - 2.5 for each in LEVEL] + [level + 2.0 * sign] * 6
        found = course(config, "current", values)
        assert found.excursions == ((30, 36),)
        assert (found.onset, found.now) == (30, level + 2.0 * sign)
        assert found.before == pytest.approx(level - 0.03)
        assert found.departed == pytest.approx(2.0 * sign, abs=0.03)
        assert found.jumped


def test_a_step_back_ends_it(config: BundleConfig) -> None:
    """Within half the reach: not half way back."""
    away = LEVEL[:20] + [4.5] * 5
    assert course(config, "current", [*away, *LEVEL[:3]]).excursions == ((20, 25),)
    assert not course(config, "current", [*away, *LEVEL[:3]]).is_off
    assert course(config, "current", [*away, 2.5 + 0.6 * OFF]).excursions == ((20, 26),)
    assert course(config, "current", [*away, 2.5 + 0.4 * OFF]).excursions == ((20, 25),)


def test_two_excursions_are_two(config: BundleConfig) -> None:
    """The last one says since when the reading is off."""
    found = course(config, "current", LEVEL[:14] + [0.0] * 3 + LEVEL[:8] + [3.5] * 4)
    assert found.excursions == ((14, 17), (25, 29))
    assert (found.onset, found.now) == (25, 3.5)


def test_one_noisy_sample_is_no_excursion(config: BundleConfig) -> None:
    """Nearer than the reach: it is in doubt, and counts as normal when the next one is back, as the last one does."""
    for values in ([*LEVEL, 2.75], [*LEVEL, 2.75, 2.5], [*LEVEL[:20], 2.75, *LEVEL[:15]]):
        assert course(config, "current", values).excursions == ()


def test_samples_in_doubt_belong_to_the_excursion_they_begin(config: BundleConfig) -> None:
    """A charger takes two samples to jump."""
    found = course(config, "current", [*LEVEL, 2.75, 4.5, 4.5])
    assert found.excursions == ((30, 33),)
    assert found.before == 2.47


@pytest.mark.parametrize(("step", "jumped"), [(2.0, True), (0.1, False)])
def test_a_slow_ramp_is_no_jump(config: BundleConfig, step: float, jumped: bool) -> None:
    """2 A in one step, or in 20."""
    values = LEVEL[:15] + [2.5 + min(2.0, step * k) for k in range(1, 22)]
    found = course(config, "current", values)
    assert found.is_off
    assert found.jumped == jumped


@pytest.mark.parametrize(
    ("step_c", "step_s", "jumped"), [(0.55, 1.0, False), (0.7, 1.0, True), (5.5, 10.0, False), (7.0, 10.0, True)]
)
def test_a_temperature_jumps_faster_than_a_cell_warms(
    config: BundleConfig, step_c: float, step_s: float, jumped: bool
) -> None:
    """0.6 °C a second, whatever the interval; in one step, or it is no jump."""
    assert course(config, "temperature", [26.0] * 9 + [26.0 + step_c] * 3, step_s).jumped == jumped


def test_both_sides_make_a_swing(config: BundleConfig) -> None:
    """Since its first sample that was off; one side alone is none, but where it is off again and again."""
    swing = [1.5, 3.5] * 4
    assert course(config, "current", LEVEL[:20] + swing).swing == 20
    assert course(config, "current", LEVEL[:20] + [3.5] * 8).swing is None
    assert course(config, "current", LEVEL[:20] + [3.5, 2.5] * 3).swing is None
    assert course(config, "current", LEVEL[:20] + [3.5, 2.5] * 4).swing == 20


@pytest.mark.parametrize(("rest", "since"), [(1, 10), (3, 10), (4, None)])
def test_a_swing_rests_for_three_samples_at_most(config: BundleConfig, rest: int, since: int | None) -> None:
    """Between one side and the other, or after them."""
    between, after = [*LEVEL[:10], 1.5, *LEVEL[:rest], 3.5], [*LEVEL[:10], 1.5, 3.5, *LEVEL[:rest]]
    assert course(config, "current", between).swing == since
    assert course(config, "current", after).swing == since


@pytest.mark.parametrize(("gap_s", "known"), [(60.0, 26), (60.5, 6)])
def test_another_session_is_no_past(plain_bundle: Bundle, gap_s: float, known: int) -> None:
    """More than 60 s without a sample: what was before says nothing."""
    ts = START + np.concatenate([np.arange(20.0), 19.0 + gap_s + np.arange(6.0)])
    samples = Samples.of(ts, [5.0] * 20 + [2.5] * 6, [26.0] * 26)
    found = courses(past_of(samples), 25, by_hand(plain_bundle).config)["current"]
    assert len(found.values) == known
    assert found.is_off == (known == 26)


def test_with_few_samples_nothing_is_known(config: BundleConfig) -> None:
    """Five before the sample itself are needed; of the first of a session there is no course."""
    samples = Samples.of(START + np.arange(8.0), [2.5] * 8, [26.0] * 8)
    known = [sorted(courses(past_of(samples), row, config)) for row in range(8)]
    assert known == [[]] * 5 + [["current", "temperature"]] * 3


@pytest.mark.parametrize(("step_s", "samples"), [(0.5, 36), (1.0, 36), (5.0, 25), (10.0, 13)])
def test_intervals_of_many_loggers(config: BundleConfig, step_s: float, samples: int) -> None:
    """The last 36 samples of two minutes; rates are per second."""
    current = course(config, "current", [2.5] * 45 + [0.0] * 4, step_s)
    assert len(current.values) == samples
    assert current.excursions == ((samples - 4, samples),)
    assert current.ts[-1] - current.ts[current.onset] == 3 * step_s
    heating = course(config, "temperature", 26.0 + 0.2 * step_s * np.clip(np.arange(40.0) - 34, 0, None), step_s)
    assert heating.is_off
    assert heating.rate() == pytest.approx(0.2)
    assert not heating.jumped


def test_the_rate_without_an_excursion_is_that_of_the_newest_ten(config: BundleConfig) -> None:
    """By least squares, as numpy fits it; before them it does not matter."""
    values = np.concatenate([np.full(20, 26.0), 26.0 + 0.01 * np.arange(10) + 0.02 * (np.arange(10) % 2)])
    assert course(config, "temperature", values).rate() == pytest.approx(np.polyfit(np.arange(10), values[-10:], 1)[0])


@pytest.mark.parametrize("reading", ["current", "temperature"])
def test_a_bundle_without_changes_has_a_reach_too(plain_bundle: Bundle, reading: ReadingName) -> None:
    """Policy `plain`: 1.2 % of the 5 A of its training, or 0.06 °C, and three and a half times that."""
    assert course(plain_bundle.config, reading, [26.0] * 20).reach == pytest.approx(0.21)


@pytest.mark.parametrize("row", [35, 36, 37, 38])
def test_the_warm_up_of_a_session_is_no_part_of_its_course(default_bundle: Bundle, row: int) -> None:
    """A charger that switches on in the first three seconds: the level is that after it, not between both."""
    samples = Samples.of(START + np.arange(40.0), [0.0] * 4 + [2.5] * 36, [26.0] * 40)
    found = courses(past_of(samples), row, default_bundle.config)["current"]
    assert found.expected == pytest.approx(2.5)
    assert found.reach < 0.3


walks = st.lists(
    st.tuples(
        st.sampled_from([0.5, 1.0, 5.0, 61.0]),
        st.sampled_from([-2.5, 0.0, 2.5, 2.6, 2.7, 4.5]),
        st.sampled_from([26.0, 26.1, 26.2, 35.0, 60.0]),
    ),
    min_size=1,
    max_size=60,
)


@settings(deadline=None, max_examples=60)
@given(walks)
def test_excursions_are_in_order_and_leave_normal_samples(
    config: BundleConfig, walk: list[tuple[float, float, float]]
) -> None:
    """At least five; of each row of a batch, as of that row alone."""
    ts = START + np.cumsum([w[0] for w in walk])
    past = past_of(Samples.of(ts, [w[1] for w in walk], [w[2] for w in walk]))
    for row in range(len(walk)):
        found = courses(past, row, config)
        assert found == courses(past.take(slice(row, row + 1)), 0, config)
        for each in found.values():
            ends = [place for excursion in each.excursions for place in excursion]
            assert ends == sorted(set(ends))
            assert all(0 <= place <= len(each.values) for place in ends)
            assert len(each.values) - sum(end - begun for begun, end in each.excursions) >= 5
            assert np.isfinite([each.expected, each.reach, each.scatter, each.rate()]).all()
            if each.excursions:
                assert each.before == (each.values[each.onset - 1] if each.onset else each.expected)
                assert each.jumped in (True, False)
            assert each.swing is None or each.swing in [begun for begun, _ in each.excursions]
