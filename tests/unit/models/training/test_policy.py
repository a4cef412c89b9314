"""Limits of policy `evidence` from normal sessions, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.training import policy
from models.training.train import _warn
from scoring.config import Evidence, Range
from scoring.graph import Scores
from window.samples import Samples


def flat(session: Samples) -> Scores:
    """Scores that say nothing."""
    return Scores(np.ones(len(session)), np.full(len(session), -0.5), np.zeros((len(session), 14)))


def fitted(sessions: list[Samples], budget: float = 0.05) -> tuple[object, Evidence]:
    return policy.fit(policy.Sessions(sessions, [flat(s) for s in sessions]), sessions, gap_s=60.0, budget=budget)


def test_the_thresholds_keep_to_the_budget() -> None:
    """Forty hours with one lonely peak: half a budget of 0.05 forgives it, half of 0.04 does not."""
    sessions = []
    for k in range(40):
        rng = np.random.default_rng(k)
        current_a = 3.0 + rng.normal(0, 0.01, 3601)
        if k == 7:
            current_a[1800] += 1.0
        sessions.append(Samples.of(np.arange(3601.0), current_a, 25.0 + rng.normal(0, 0.01, 3601)))
    limits = {}
    for budget in (0.05, 0.04):
        thresholds, by = fitted(sessions, budget)
        limits[budget] = by.changes[0].limit
        assert by.once * thresholds.reconstruction_error == pytest.approx(1.1)
        assert by.share * thresholds.reconstruction_error == pytest.approx(1.1)
        assert thresholds.forest_score == pytest.approx(-0.51)
    # A jump of 1 A over a scatter of about 0.01 A and a floor of about as much.
    assert limits[0.04] > 50
    assert limits[0.05] < 10


def test_readings_that_repeat_in_normal_charging_are_not_called_stuck() -> None:
    """Three times the longest run at least, 12 at the least; a coarse thermometer is not watched at all."""
    rng = np.random.default_rng(1)
    fine = Samples.of(np.arange(900.0), rng.normal(3, 0.01, 900), np.repeat(rng.normal(25, 1, 180), 5))
    coarse = Samples.of(np.arange(900.0), np.zeros(900), np.repeat(np.arange(9.0), 100))
    for session, expected in ((fine, (12, 15)), (coarse, (12, None))):
        _, by = fitted([session])
        assert (by.stuck.current, by.stuck.temperature) == expected


def test_the_bounds_lie_well_beyond_what_was_learnt_from() -> None:
    """A fifth of the largest current, whichever way it flowed, and ten degrees."""
    found = policy.bounds(Range(current_a=(-1.0, 5.0), temperature_c=(4.0, 48.0)))
    assert (found.current_a, found.temperature_c) == ((-2.0, 6.0), (-6.0, 58.0))
    session = Samples.of(np.arange(300.0), np.linspace(-1, 5, 300), np.linspace(4, 48, 300))
    assert fitted([session])[1].bounds == found


def test_hours_that_cannot_bear_out_the_budget_are_a_warning() -> None:
    """With what they can bear out: three over the hours. Enough hours are none."""
    with pytest.warns(UserWarning, match=r"0\.5 h of held-out charging.* takes 60 h; they can bear out 6"):
        _warn(0.5, 0.05)
    _warn(60.0, 0.05)
