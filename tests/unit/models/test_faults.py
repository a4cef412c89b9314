"""Faults put into healthy sessions do what their name says, and nothing elsewhere."""

import numpy as np
import pytest

from models.faults import LASTS, STRENGTHS, Fault, Injection, inject, places
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
    faulty = inject(HEALTHY, Injection(fault, strength, 100, LASTS[fault]))
    assert faulty.current_a[103] == pytest.approx(current_a)
    assert faulty.temperature_c[103] == pytest.approx(temperature_c)
    assert (faulty.current_a[:100] == 2.5).all()
    assert (faulty.temperature_c[:100] == 25.0).all()
    assert (HEALTHY.current_a == 2.5).all()


def test_what_stays_after() -> None:
    """Only a cooling failure leaves something behind, and that falls by less than 0.03 degrees a second."""
    for fault, strength in STRENGTHS:
        last = 100 + LASTS[fault]
        faulty = inject(HEALTHY, Injection(fault, strength, 100, LASTS[fault]))
        assert (faulty.current_a[last:] == 2.5).all()
        after = faulty.temperature_c[last:]
        if fault == Fault.COOLING_FAILURE:
            assert (np.diff(after) < 0).all()
            assert np.diff(after).min() > -0.03
        else:
            assert (after == 25.0).all()


def test_places_leave_room_for_the_fault() -> None:
    """Five minutes each, the fault well inside."""
    long = Samples.of(np.arange(900.0), np.full(900, 2.5), np.full(900, 25.0))
    for session, first in places([long, long], np.random.default_rng(1), 20):
        assert len(session) >= first + max(LASTS.values())
