"""What the shipped bundle says of plain situations."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.bundle import Bundle
from scoring.detectors import Stage
from scoring.scorer import Scored, Scorer
from scoring.severity import Severity
from window.samples import Samples


def scored(bundle: Bundle, current_a: np.ndarray, temperature_c: np.ndarray) -> Scored:
    """A session at 1 Hz, an hour after another one."""
    rng = np.random.default_rng(1)
    n = len(current_a)
    ts = np.append(0.0, 3600.0 + np.arange(n))
    current_a = np.append(2.5, current_a + rng.normal(0, 0.004, n))
    temperature_c = np.append(25.0, temperature_c + rng.normal(0, 0.03, n))
    found, count = Scorer(bundle).take(Samples.of(ts, current_a, temperature_c), most_anomalies=2 * n)
    assert count == n + 1
    return found


def test_it_was_trained_as_recorded_charges_are(default_bundle: Bundle) -> None:
    """By the final policy, with weights, bounds, and limits of changes."""
    config = default_bundle.config
    assert (config.policy, len(config.error_weights or ())) == ("evidence", 14)
    assert config.evidence is not None
    assert config.evidence.bounds is not None
    assert len(config.evidence.changes) == 5
    assert default_bundle.manifest.training["source"] == "simulation"


@pytest.mark.parametrize(
    ("temperature_c", "severity"), [(61.5, Severity.CRITICAL), (85.0, Severity.CRITICAL), (-12.0, Severity.LOW)]
)
def test_a_session_that_begins_far_out_of_range_is_flagged_at_once(
    default_bundle: Bundle, temperature_c: float, severity: Severity
) -> None:
    """First sample after a gap, 2.5 A: there is nothing to compare with, and it must not be silently normal."""
    found = scored(default_bundle, np.full(60, 2.5), np.full(60, temperature_c))
    assert found.verdicts.anomaly[1:].all()
    assert (found.verdicts.stages[1:] & Stage.RANGE).all()
    assert found.verdicts.severity[1] == severity


@pytest.mark.parametrize(("current_a", "temperature_c"), [(2.5, 25.0), (1.0, 10.0), (5.5, 30.0), (4.0, 45.0)])
def test_a_steady_charge_within_range_is_quiet(default_bundle: Bundle, current_a: float, temperature_c: float) -> None:
    """From its first sample on."""
    n = 600
    found = scored(default_bundle, np.full(n, current_a), temperature_c + 0.002 * np.arange(n))
    assert not found.verdicts.anomaly.any()


def test_a_charger_that_delivers_far_too_much_is_flagged_from_the_start(default_bundle: Bundle) -> None:
    """Twice what the cell takes, steadily: no change, no repeat."""
    found = scored(default_bundle, np.full(60, 12.0), np.full(60, 25.0))
    assert found.verdicts.anomaly[1:].all()
    assert found.verdicts.severity[1] == Severity.CRITICAL


def test_readings_of_coarse_sensors_are_not_called_stuck(default_bundle: Bundle) -> None:
    """A steady current to 0.05 A and a temperature to 0.1 °C repeat for minutes, and that is normal."""
    t = np.arange(600.0)
    ts, current_a, temperature_c = 1e9 + t, np.round(2.5 - t / 6000, 1), np.round(25 + t / 400, 1)
    found, _ = Scorer(default_bundle).take(Samples.of(ts, current_a, temperature_c), most_anomalies=2000)
    assert not found.verdicts.anomaly.any()
