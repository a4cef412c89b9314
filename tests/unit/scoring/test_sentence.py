"""Sentences that a technician would write: from the readings, one for each kind of fault."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from charges import Told, between, by_hand, charge, course, ramp, told
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.bundle import Bundle
from scoring.config import Stuck
from scoring.course import Course, ReadingName
from scoring.faults import FaultKind
from scoring.feature_words import WORDS
from scoring.rules import Rule
from scoring.sentence import View, duration, normal, sentence, value
from window.features import FEATURES
from window.samples import Floats

SWING = between(60, 90, 1.2) * np.where(np.arange(120) % 2, 1, -1)
NORMALLY_A, NORMALLY_C = " (normal here: 2.27 to 2.73 A).", " (normal here: 25.7 to 26.3 °C)."


def view(bundle: Bundle, *courses: Course, rules: tuple[Rule, ...] = (), **readings: float) -> View:
    """Of made-up courses; without a forecast."""
    of: dict[ReadingName, Course] = {each.reading: each for each in courses}
    now: dict[ReadingName, float] = {"current": readings.get("current", 2.5), "temperature": readings.get("c", 26.0)}
    return View(of, now, rules, None, bundle.config)


@pytest.mark.parametrize(
    ("row", "current_a", "temperature_c", "said"),
    [
        (60, between(60, 70, 2.0), 0.0, "Current jumped from 2.50 to 4.50 A at 00:01:00" + NORMALLY_A),
        (65, between(60, 70, 2.0), 0.0, "Current has been 4.50 A since 00:01:00, up from 2.50 A" + NORMALLY_A),
        (60, between(60, 70, -2.5), 0.0, "Current fell from 2.50 to 0.00 A at 00:01:00" + NORMALLY_A),
        (65, between(60, 70, -2.5), 0.0, "Current has been 0.00 A since 00:01:00, down from 2.50 A" + NORMALLY_A),
        (61, SWING, 0.0, "Current has swung between 1.30 and 3.70 A since 00:01:00" + NORMALLY_A),
        (60, 0.0, between(60, 70, 9.0), "Temperature jumped from 26.0 to 35.0 °C at 00:01:00" + NORMALLY_C),
        (65, 0.0, between(60, 70, 9.0), "Temperature has been 35.0 °C since 00:01:00, up from 26.0 °C" + NORMALLY_C),
        (60, 0.0, between(60, 70, -9.0), "Temperature fell from 26.0 to 17.0 °C at 00:01:00" + NORMALLY_C),
        (62, 0.0, ramp(60, 0.25), "Temperature rose from 26.0 to 26.5 °C in 2 s" + NORMALLY_C),
        (
            70,
            0.0,
            ramp(60, 0.25),
            "Temperature rises 0.25 °C a second, 15 times as fast as in a normal charge: from 26.0 to 28.5 °C in 10 s; "
            "at this rate 50 °C (the medium limit) in about 85 s.",
        ),
        (
            70,
            0.0,
            ramp(60, -0.25),
            "Temperature falls 0.25 °C a second: from 26.0 to 23.5 °C in 10 s.",
        ),
        (
            75,
            0.0,
            ramp(60, 0.05),
            "Temperature rises 3.0 °C a minute, 3 times as fast as in a normal charge: from 26.3 to 26.8 °C in 10 s; "
            "at this rate 50 °C (the medium limit) in about 8 minutes.",
        ),
        (
            75,
            ramp(60, 0.05),
            0.0,
            "Current drifted from 2.65 to 3.25 A in 12 s (normal here: 2.33 to 2.83 A); at this rate 6.04 A (the "
            "medium limit) in about 55 s.",
        ),
    ],
)
def test_what_a_technician_reads(
    default_bundle: Bundle, row: int, current_a: Floats, temperature_c: Floats, said: str
) -> None:
    """Of a charge at 2.5 A and 26 °C with the noise of its sensors. 0.23 A and 0.31 °C away from it is off."""
    assert told(default_bundle, charge(current_a, temperature_c))[row][0].sentence == said


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ((2.5, 61.5), "Temperature is 61.5 °C; the critical limit is 60 °C."),
        (
            (11.5, 26.0),
            "Current is 11.50 A; the critical limit is 9.07 A.",
        ),
        (
            (2.5, -12.0),
            "Temperature is -12.0 °C, far outside the 2.3 to 50.0 °C of the charges that were learnt from.",
        ),
        (
            (2.5, 0.0),
            "Current 2.50 A and temperature 0.0 °C are each near what they were, but together they look unlike normal "
            "charging.",
        ),
    ],
)
def test_a_steady_strange_charge_in_words(default_bundle: Bundle, at: tuple[float, float], said: str) -> None:
    """Nothing was off."""
    assert said in {explanation.sentence for explanation, _, _ in told(default_bundle, charge(at=at)).values()}


def test_two_faults_are_two_sentences(default_bundle: Bundle) -> None:
    """Each can be had alone."""
    found = told(default_bundle, charge(between(60, 70, 2.0), between(64, 68, 9.0)))[64][0]
    over = "Current has been 4.50 A since 00:01:00, up from 2.50 A" + NORMALLY_A
    jump = "Temperature jumped from 26.0 to 35.0 °C at 00:01:04" + NORMALLY_C
    assert found.sentence == f"{over} {jump}"
    assert (found.about(FaultKind.OVER_CURRENT), found.about(FaultKind.TEMPERATURE_JUMP)) == (over, jump)


@pytest.mark.parametrize(
    ("limit", "temperature_c"), [("medium limit is 45", 45.1), ("high limit is 60", 60.1), ("critical limit is 80", 91)]
)
def test_the_highest_limit_is_named(plain_bundle: Bundle, limit: str, temperature_c: float) -> None:
    """Of those that are reached."""
    said = sentence(FaultKind.TEMPERATURE_HIGH, view(plain_bundle, c=temperature_c))
    assert said == f"Temperature is {temperature_c:.1f} °C; the {limit} °C."


def test_a_frozen_reading_says_its_digits(plain_bundle: Bundle) -> None:
    """All that it has, and how often."""
    current, temperature = Rule("stuck", 21.0, 20.0, "current"), Rule("stuck", 36.0, 20.0, "temperature")
    end = ": the sensor or its logger may be stuck."
    for rules, said in (
        ((current,), "Current has read exactly 2.511 A in the last 21 samples"),
        ((temperature,), "Temperature has read exactly 25.25 °C in the last 36 samples"),
        (
            (current, temperature, Rule("forest", -0.8, -0.7)),
            "Current has read exactly 2.511 A in the last 21 samples and temperature has read exactly 25.25 °C in the "
            "last 36 samples",
        ),
    ):
        of = view(plain_bundle, rules=rules, current=2.511, c=25.25)
        assert sentence(FaultKind.FROZEN_READING, of) == said + end


def test_a_change_that_the_course_follows_says_its_rate(plain_bundle: Bundle) -> None:
    """There is no level before it to tell."""
    bundle, t = by_hand(plain_bundle), np.arange(36.0)
    current = course(bundle.config, "current", 2.5 - 0.004 * t)
    temperature = course(bundle.config, "temperature", 26.0 + 0.015 * t)
    assert (current.excursions, temperature.excursions) == ((), ())
    assert sentence(FaultKind.CURRENT_DRIFT, view(bundle, current)) == (
        "Current drifts down by 0.24 A a minute, to 2.36 A (normal here: 2.06 to 2.66 A)."
    )
    assert sentence(FaultKind.HEATING, view(bundle, temperature)) == ("Temperature rises 0.9 °C a minute, now 26.5 °C.")


def test_little_faster_is_told_without_a_multiple(plain_bundle: Bundle) -> None:
    """1.7 times as fast is faster; 15 times is 15 times."""
    bundle = by_hand(plain_bundle)
    values = np.concatenate([np.full(10, 26.0), 26.0 + 0.028 * np.arange(26.0)])
    found = sentence(FaultKind.HEATING, view(bundle, course(bundle.config, "temperature", values)))
    assert found.startswith("Temperature rises 1.7 °C a minute, faster than in a normal charge")


def test_a_young_session_has_a_sentence(plain_bundle: Bundle) -> None:
    """There is nothing to compare with; nor is there for a sample that is no anomaly, which is told as normal."""
    young = view(plain_bundle, current=-0.001, c=-0.04)
    assert sentence(FaultKind.UNUSUAL_PATTERN, young) == "Current 0.00 A at 0.0 °C looks unlike normal charging."
    assert normal(young) == "Current 0.00 A and temperature 0.0 °C are as in normal charging."


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "1 s"),
        (99.4, "99 s"),
        (99.6, "2 minutes"),
        (5399.0, "90 minutes"),
        (5401.0, "2 hours"),
        (86400, "24 hours"),
    ],
)
def test_a_time_in_words(seconds: float, said: str) -> None:
    """Never 0 s."""
    assert duration(seconds) == said


def test_a_reading_with_its_unit() -> None:
    """Two digits of a current, one of a temperature; zero has no sign."""
    assert [value("current", a) for a in (2.506, -2.5, -0.004, -0.0)] == ["2.51 A", "-2.50 A", "0.00 A", "0.00 A"]
    assert [value("temperature", c) for c in (26.04, -0.04, -0.06)] == ["26.0 °C", "0.0 °C", "-0.1 °C"]


def test_every_feature_has_words_for_explain() -> None:
    """They are for machines and for `explain`; the kinds have sentences of their own."""
    assert list(WORDS) == list(FEATURES)


def proper(found: Told) -> None:
    """One sentence for each kind, on one line, without the words of features, broken numbers or a signed zero."""
    explanation, _, _ = found
    assert len(explanation.sentences) == len(explanation.kinds) >= 1
    for said in explanation.sentences:
        assert re.fullmatch(r"[A-Z][^\n]*[^.\s]\.", said), said
        assert not re.search(r"\b(nan|inf|None)\b|-0(\.0+)?(?![\d.])|  ", said), said
        assert not any(words in said for words, _ in [*WORDS.values()][2:]), said
        assert not any(name in said for name in FEATURES if "_" in name), said
        assert "expected" not in said


faults = st.lists(
    st.tuples(
        st.sampled_from(["step_a", "ramp_a", "swing", "step_c", "ramp_c", "stuck"]),
        st.integers(40, 110),
        st.integers(1, 25),
        st.floats(-1.0, 1.0),
    ),
    min_size=1,
    max_size=4,
)


@settings(deadline=None, max_examples=60)
@given(
    faults,
    st.sampled_from([(2.5, 26.0), (0.0, 0.0), (-1.0, 3.0), (5.5, 47.0)]),
    st.sampled_from([0.5, 1.0, 10.0]),
    st.integers(0, 9),
)
def test_whatever_the_faults_the_sentences_are_proper(
    default_bundle: Bundle,
    drawn: list[tuple[str, int, int, float]],
    at: tuple[float, float],
    step_s: float,
    seed: int,
) -> None:
    """Steps, ramps, swings and stuck readings, one upon the other, also below zero."""
    assert default_bundle.config.evidence is not None
    by = default_bundle.config.evidence.model_copy(update={"stuck": Stuck(current=10, temperature=10)})
    bundle = replace(default_bundle, config=default_bundle.config.model_copy(update={"evidence": by}))
    current_a, temperature_c = np.zeros(120), np.zeros(120)
    for what, first, length, size in drawn:
        end = min(first + length, 120)
        if what in ("step_a", "ramp_a", "swing"):
            sign = np.where(np.arange(120) % 2, 1, -1) if what == "swing" else 1
            current_a += ramp(first, 0.3 * size, end) if what == "ramp_a" else between(first, end, 6.0 * size) * sign
        elif what != "stuck":
            temperature_c += ramp(first, size, end) if what == "ramp_c" else between(first, end, 40.0 * size)
    series = charge(current_a, temperature_c, at=at, step_s=step_s, seed=seed)
    for what, first, length, size in drawn:
        if what == "stuck":
            column = series.current_a if size < 0 else series.temperature_c
            column[first : first + length] = column[first]
    for found in told(bundle, series).values():
        proper(found)
