"""Simulated charges and the loggers that record them: seeded, and physically plausible."""

from itertools import pairwise

import numpy as np
import pytest

from models.simulation import cell, logger
from models.simulation.cell import Charge

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def charges() -> list[Charge]:
    """Three charges of seed 5."""
    return list(cell.charges(3, 5))


def test_the_same_seed_gives_the_same_charge(charges: list[Charge]) -> None:
    """And another seed another one."""
    again, other = next(cell.charges(1, 5)), next(cell.charges(1, 6))
    assert again.conditions == charges[0].conditions
    assert np.array_equal(again.current_a, charges[0].current_a)
    assert np.array_equal(again.temperature_c, charges[0].temperature_c)
    assert other.conditions != charges[0].conditions


def test_a_charge_is_constant_current_then_falling(charges: list[Charge]) -> None:
    """Positive, at the drawn rate until the knee, then down to the cut-off; nothing after the charger is off."""
    for charge in charges:
        rate_a = charge.conditions.c_rate * cell.CAPACITY_AH
        before = charge.time_s < charge.cv_from_s
        during = (charge.time_s > charge.cv_from_s) & (charge.time_s < charge.end_s)
        after = charge.time_s > charge.end_s
        assert np.allclose(charge.current_a[before], rate_a, rtol=1e-3)
        assert (np.diff(charge.current_a[during]) <= 1e-6).all()
        assert charge.current_a[during][-1] == pytest.approx(charge.conditions.cutoff_a, abs=0.02)
        assert np.allclose(charge.current_a[after], 0.0, atol=1e-6)


def test_the_cell_warms_and_cools_within_reason(charges: list[Charge]) -> None:
    """It starts where it was put and stays near its surroundings."""
    for charge in charges:
        of = charge.conditions
        assert charge.temperature_c[0] == pytest.approx(of.ambient_c + of.warm_c, abs=0.1)
        assert charge.temperature_c.min() > of.ambient_c - 8.0
        assert charge.temperature_c.max() < of.ambient_c + 30.0
        assert np.abs(np.diff(charge.temperature_c) / np.diff(charge.time_s)).max() < 0.1


def test_a_logger_is_seeded_and_writes_sorted_stamps(charges: list[Charge]) -> None:
    """Whatever it was drawn to be."""
    for number in range(20):
        rng, same = np.random.default_rng(number), np.random.default_rng(number)
        charge = charges[number % 3]
        one = logger.record(charge, logger.draw(rng, charge), rng)
        two = logger.record(charge, logger.draw(same, charge), same)
        assert np.array_equal(one.ts, two.ts)
        assert np.array_equal(one.current_a, two.current_a)
        assert (np.diff(one.ts) > 0).all()
        assert np.isfinite(one.temperature_c).all()


def test_noise_is_as_drawn_and_larger_at_constant_voltage(charges: list[Charge]) -> None:
    """Measured from the differences of neighbours."""
    as_drawn = logger.Logger(1.0, 0.0, 0.004, 0.08, 0.0, 0.03, 0.0, 0.0, 2, 0)
    charge = charges[0]
    samples = logger.record(charge, as_drawn, np.random.default_rng(1))
    at_s = samples.ts - logger.EPOCH_S
    constant_voltage = (at_s > charge.cv_from_s + 5) & (at_s < charge.end_s - 5)
    constant = (at_s > 10) & (at_s < charge.cv_from_s - 5)

    def sigma(values: np.ndarray) -> float:
        return float(np.diff(values).std() / np.sqrt(2))

    assert sigma(samples.current_a[constant]) == pytest.approx(0.004, rel=0.1)
    assert sigma(samples.current_a[constant_voltage]) == pytest.approx(0.08, rel=0.1)
    assert sigma(samples.temperature_c) == pytest.approx(0.03, rel=0.1)
    assert np.abs(samples.current_a[:2]).max() < 0.05
    assert samples.current_a[2] > 0.5


def test_coarse_sensors_and_gaps(charges: list[Charge]) -> None:
    """Steps of a tenth of a degree and of 50 mA; holes of up to a minute and a half."""
    coarse = logger.Logger(1.0, 0.0, 0.004, 0.03, 0.05, 0.02, 0.1, 0.0, 0, 3)
    samples = logger.record(charges[1], coarse, np.random.default_rng(2))
    assert np.allclose(samples.temperature_c * 10, np.round(samples.temperature_c * 10), atol=1e-6)
    assert np.allclose(samples.current_a * 20, np.round(samples.current_a * 20), atol=1e-6)
    assert 2.0 < np.diff(samples.ts).max() < 300.0


def test_pieces_are_steady_and_cover_the_range() -> None:
    """Any current with any temperature, warming no faster than a cell can."""
    pieces = [logger.piece(np.random.default_rng(number)) for number in range(400)]
    levels = np.array([(np.median(p.current_a), p.temperature_c[0]) for p in pieces])
    (low_c, high_c), most_a = logger.PIECE_C, logger.PIECE_A
    cells = {(int(4 * a / most_a), int(4 * (c - low_c) / (high_c - low_c))) for a, c in levels}
    assert {(a, c) for a in range(4) for c in range(4)} <= cells
    for piece in pieces:
        assert (np.diff(piece.ts) > 0).all()
        assert np.abs(piece.current_a - np.median(piece.current_a)).max() < 0.6
        warms = np.polyfit(piece.ts - piece.ts[0], piece.temperature_c, 1)[0]
        assert -0.04 < warms < 0.09


def test_no_healthy_charge_gets_too_hot() -> None:
    """A charger would have stopped long before: fast, aged, and hot around."""
    hot = cell.Conditions(1.2, 42.0, 0.0, 0.0, 8.0, 0.04, 0.1, 0.1, 0.2, 0.0)
    assert cell.run(hot) is None


def test_conditions_cover_their_ranges() -> None:
    """Rates, surroundings and ages as the design asks."""
    rng = np.random.default_rng(0)
    drawn = [cell.draw(rng) for _ in range(500)]
    for values, (low, high) in (
        ([d.c_rate for d in drawn], cell.C_RATES),
        ([d.ambient_c for d in drawn], cell.AMBIENTS_C),
    ):
        spread = np.sort(values)
        assert low <= spread[0] < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < spread[-1] <= high
        assert max(b - a for a, b in pairwise(spread)) < 0.05 * (high - low)
    assert len({round(d.resistance_ohm, 4) for d in drawn}) > 100
    assert any(d.warm_c > 5 for d in drawn)
