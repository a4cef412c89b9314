"""Simulated charges become material; the charges themselves are made up here."""

from __future__ import annotations

import numpy as np
import pytest

from models.data.material import LEAST_SAMPLES
from models.simulation import cell
from models.simulation.material import material


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charges of two hours and a half, the n-th at n amperes, without PyBaMM."""
    time_s = np.arange(0.0, 9000.0, 5.0)
    conditions = cell.draw(np.random.default_rng(0))

    def charges(count: int, seed: int) -> list[cell.Charge]:
        return [
            cell.Charge(conditions, time_s, np.full(1800, 1.0 + k), np.full(1800, 25.0), 8000.0, 8900.0)
            for k in range(count)
        ]

    monkeypatch.setattr(cell, "charges", charges)


def test_charges_are_held_out_whole_and_fresh_ones_are_others() -> None:
    """Sessions of one charge, which a logger's gap may have made, are on one side; nothing is in two parts."""
    found = material(3, lambda *_: None, sessions=20, test=5)
    parts = [
        {round(float(np.median(s.current_a))) for s in part} for part in (found.train, found.validation, found.test)
    ]
    assert [len(part) for part in parts] == [14, 6, 5]
    assert parts[2] == {21, 22, 23, 24, 25}
    assert len(set().union(*parts)) == 25
    every = [*found.train, *found.validation, *found.test]
    assert min(len(s) for s in every) >= LEAST_SAMPLES
    assert max(float(np.diff(s.ts).max()) for s in every) <= 60.0
    assert len(found.fault_injected) == 5


def test_the_same_seed_gives_the_same_material() -> None:
    """To the bit; another seed has other loggers."""
    one, same, other = (material(seed, lambda *_: None, sessions=8, test=1) for seed in (3, 3, 4))
    for name in ("train", "validation", "test", "fault_injected"):
        for a, b in zip(getattr(one, name), getattr(same, name), strict=True):
            assert np.array_equal(a.current_a, b.current_a)
            assert np.array_equal(a.ts, b.ts)
    assert not np.array_equal(one.test[0].current_a, other.test[0].current_a)


def test_too_few_sessions() -> None:
    """Said before any work is done."""
    with pytest.raises(ValueError, match="8 at least"):
        material(1, lambda *_: None, sessions=3)
