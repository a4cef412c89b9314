"""From scores to verdicts: an oracle in plain Python, one sample at a time."""

import math

import numpy as np
import pytest

from scoring.config import BundleConfig, Calibration, Range, SeverityLimit, SeverityLimits, Thresholds
from scoring.detectors import Stage
from scoring.graph import Scores
from scoring.severity import Severity
from scoring.verdict import judge

CONFIG = BundleConfig(
    thresholds=Thresholds(reconstruction_error=2.0, forest_score=-0.6),
    severity=SeverityLimits(
        medium=SeverityLimit(current_a=5.0, temperature_c=45.0),
        high=SeverityLimit(current_a=6.0, temperature_c=55.0),
        critical=SeverityLimit(current_a=8.0, temperature_c=60.0),
    ),
    training_range=Range(current_a=(0.0, 5.0), temperature_c=(0.0, 45.0)),
    calibration=Calibration(normal_hours=10.0, reconstruction_error=(), forest_score=()),
)


def scores(error: list[float], forest: list[float]) -> Scores:
    return Scores(np.array(error), np.array(forest), np.zeros((len(error), 14)))


@pytest.mark.parametrize(
    ("error", "forest", "stages"),
    [
        (1.0, -0.5, Stage.NONE),
        (2.0, -0.6, Stage.NONE),
        (math.nextafter(2.0, 3.0), -0.5, Stage.RECONSTRUCTION),
        (1.0, math.nextafter(-0.6, -1.0), Stage.FOREST),
        (9.0, -0.9, Stage.RECONSTRUCTION | Stage.FOREST),
    ],
)
def test_either_stage_makes_an_anomaly(error: float, forest: float, stages: Stage) -> None:
    """Above the error's threshold or below the forest's; a score at its threshold is normal, as in scikit-learn."""
    found = judge(scores([error], [forest]), np.array([1.0]), np.array([20.0]), CONFIG)
    assert found.stages.tolist() == [int(stages)]
    assert found.anomaly.tolist() == [stages != Stage.NONE]
    assert found.unscorable.tolist() == [False]


@pytest.mark.parametrize(
    ("current_a", "temperature_c", "severity"),
    [
        (1.0, 20.0, Severity.LOW),
        (5.0, 20.0, Severity.MEDIUM),
        (-5.5, 20.0, Severity.MEDIUM),
        (1.0, 45.0, Severity.MEDIUM),
        (6.0, 20.0, Severity.HIGH),
        (5.5, 59.9, Severity.HIGH),
        (8.0, 20.0, Severity.CRITICAL),
        (1.0, 60.0, Severity.CRITICAL),
        (1.0, -60.0, Severity.LOW),
    ],
)
def test_severity_follows_the_higher_of_both_readings(
    current_a: float, temperature_c: float, severity: Severity
) -> None:
    """The magnitude of the current or the temperature reaches the limit; below all limits an anomaly is low."""
    found = judge(scores([9.0], [-0.5]), np.array([current_a]), np.array([temperature_c]), CONFIG)
    assert found.severity.tolist() == [severity]


def test_a_hot_normal_sample_has_no_severity() -> None:
    """Severity grades anomalies; it does not make them."""
    found = judge(scores([0.1], [-0.4]), np.array([9.0]), np.array([70.0]), CONFIG)
    assert found.severity.tolist() == [Severity.NONE]
    assert found.anomaly.tolist() == [False]


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_unscorable_and_never_normal(broken: float) -> None:
    """Even if the other model alarms: such a sample is unscorable and nothing else."""
    found = judge(scores([broken, 9.0, 0.1], [-0.9, broken, -0.4]), np.full(3, 1.0), np.full(3, 20.0), CONFIG)
    assert found.unscorable.tolist() == [True, True, False]
    assert found.anomaly.tolist() == [False, False, False]
    assert found.stages.tolist() == [0, 0, 0]
    assert found.severity.tolist() == [0, 0, 0]


def test_a_batch_is_judged_as_its_samples_are() -> None:
    """Row by row or all at once, and with nothing at all."""
    rng = np.random.default_rng(3)
    n = 200
    of = scores(rng.uniform(0, 4, n).tolist(), rng.uniform(-0.9, -0.3, n).tolist())
    current_a, temperature_c = rng.uniform(-9, 9, n), rng.uniform(0, 70, n)
    whole = judge(of, current_a, temperature_c, CONFIG)
    for k in range(n):
        one = judge(of.take([k]), current_a[[k]], temperature_c[[k]], CONFIG)
        assert (one.anomaly[0], one.stages[0], one.severity[0]) == (
            whole.anomaly[k],
            whole.stages[k],
            whole.severity[k],
        )
    assert len(judge(of.take(slice(0, 0)), current_a[:0], temperature_c[:0], CONFIG)) == 0


def test_column_types() -> None:
    """What goes into the ring of columns is small."""
    found = judge(scores([9.0], [-0.9]), np.array([1.0]), np.array([20.0]), CONFIG)
    assert (found.anomaly.dtype, found.stages.dtype, found.severity.dtype, found.unscorable.dtype) == (
        np.bool_,
        np.uint8,
        np.int8,
        np.bool_,
    )
