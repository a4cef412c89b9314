"""Faults put into healthy sessions do what their name says, and nothing elsewhere."""

import numpy as np
import pytest

from models.evaluation.faults import CATALOGUE, UNITS, Fault, Injection, inject, trials
from window.samples import Samples

HEALTHY = Samples.of(np.arange(300.0), np.full(300, 2.5), np.full(300, 25.0))


@pytest.mark.parametrize(
    ("fault", "strength", "current_a", "temperature_c"),
    [
        (Fault.OVER_CURRENT, 0.4, 3.5, 25.0),
        (Fault.DROP_OUT, 1.0, 0.0, 25.0),
        (Fault.TEMPERATURE_SPIKE, 6.0, 2.5, 31.0),
        (Fault.COOLING_FAILURE, 0.2, 2.5, 25.0 + 0.2 * 3),
    ],
)
def test_inside_and_before(fault: Fault, strength: float, current_a: float, temperature_c: float) -> None:
    """Three samples into the fault, by hand; nothing before it, and the original is untouched."""
    faulty = inject(HEALTHY, Injection(fault, strength, 100, 20))
    assert faulty.current_a[103] == pytest.approx(current_a)
    assert faulty.temperature_c[103] == pytest.approx(temperature_c)
    assert (faulty.current_a[:100] == 2.5).all()
    assert (faulty.temperature_c[:100] == 25.0).all()
    assert (HEALTHY.current_a == 2.5).all()


def test_what_stays_after() -> None:
    """Only what warms the cell leaves something behind, and that falls by less than 0.03 degrees a second."""
    for grade in CATALOGUE:
        faulty = inject(HEALTHY, Injection(grade.fault, min(grade.strength, 0.3), 100, 40))
        assert (faulty.current_a[140:] == 2.5).all()
        after = faulty.temperature_c[140:]
        if grade.fault in (Fault.COOLING_FAILURE, Fault.RUNAWAY):
            assert (np.diff(after) < 0).all()
            assert np.diff(after).min() > -0.03 * max(1.0, (after[0] - 25.0) / 12.0)
        else:
            assert (after == 25.0).all()


LONG = Samples.of(np.arange(900.0), np.full(900, 2.0) + np.arange(900) / 1e5, np.full(900, 25.0) - np.arange(900) / 1e4)


@pytest.mark.parametrize(
    ("fault", "current_a", "temperature_c"),
    [
        (Fault.OVER_CURRENT, 3.5, 0.0),
        (Fault.CURRENT_SPIKE, 3.5, 0.0),
        (Fault.CURRENT_DRIFT, 3.5 * 10 / 60, 0.0),
        (Fault.OSCILLATION, 3.5 * np.sin(2 * np.pi * 11 / 8), 0.0),
        (Fault.TEMPERATURE_STEP, 0.0, 0.5),
        (Fault.TEMPERATURE_DRIFT, 0.0, 5.0),
        (Fault.RUNAWAY, 0.0, 0.5 * 30 * (np.exp(1 / 3) - 1)),
        (Fault.FROZEN_CURRENT, -10 / 1e5, 0.0),
        (Fault.FROZEN_TEMPERATURE, 0.0, 10 / 1e4),
        (Fault.FROZEN_BOTH, -10 / 1e5, 10 / 1e4),
    ],
)
def test_ten_seconds_into_a_fault(fault: Fault, current_a: float, temperature_c: float) -> None:
    """How far the readings are off, by hand: strength 0.5 of a charging current of 7 A."""
    faulty = inject(LONG, Injection(fault, 0.5, 300, 60, 7.0))
    assert faulty.current_a[310] - LONG.current_a[310] == pytest.approx(current_a, abs=1e-9)
    assert faulty.temperature_c[310] - LONG.temperature_c[310] == pytest.approx(temperature_c, abs=1e-9)
    for name in ("current_a", "temperature_c"):
        assert (getattr(faulty, name)[:300] == getattr(LONG, name)[:300]).all()
    if fault != Fault.RUNAWAY:
        assert (faulty.temperature_c[360:] == LONG.temperature_c[360:]).all()
    assert (faulty.current_a[360:] == LONG.current_a[360:]).all()


def test_every_grade_lies_whole_within_its_piece() -> None:
    """With three minutes before it, a minute after it, and its onset and end where they are said to be."""
    found = trials([LONG], 3, count=2)
    assert [t.grade for t in found[::2]] == list(CATALOGUE)
    assert {t.grade.fault for t in found} == set(Fault) == set(UNITS)
    for trial in found:
        ts = trial.samples.ts
        assert ts[trial.first] - ts[0] == pytest.approx(180.0, abs=1.0)
        assert ts[-1] - ts[trial.last] == pytest.approx(60.0, abs=1.0)
        assert ts[trial.last] - ts[trial.first] == pytest.approx(trial.grade.lasts_s, abs=1.0)


def test_a_drop_out_is_put_where_current_flows() -> None:
    """In the last part of a charge hardly any does, and its absence says nothing."""
    fading = Samples.of(np.arange(2000.0), np.where(np.arange(2000) < 1000, 3.0, 0.1), np.full(2000, 25.0))
    drops = [g for g in CATALOGUE if g.fault == Fault.DROP_OUT]
    for trial in trials([fading], 1, count=20, grades=drops):
        assert trial.samples.ts[trial.first] < 1010


def test_no_session_long_enough_is_said() -> None:
    """Instead of searching for ever."""
    with pytest.raises(ValueError, match="long enough"):
        trials([HEALTHY], 1, count=1)
