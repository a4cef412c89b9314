"""Records a charge as a data logger does: spacing, noise, coarse steps, gaps, a late start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.simulation.cell import AMBIENTS_C, C_RATES, CAPACITY_AH, HOTTEST_C, Charge
from window.samples import Floats, Samples

EPOCH_S = 1.7e9
"""Simulated records begin here: with stamps as large as real ones their rounding is real too."""
PIECE, PIECE_A, PIECE_C = 16, 1.15 * C_RATES[1] * CAPACITY_AH, (AMBIENTS_C[0] - 5.0, HOTTEST_C + 5.0)
"""Samples in a piece, and the range of its currents and temperatures: a little wider than that of charges, so that
charges lie inside the training range and not at its edge."""
FASTEST_C_PER_S = 0.05
STEPS_A = (0.01, 0.05)
"""Resolutions of coarse current sensors. With them a steady current repeats to the last digit although nothing is
stuck."""
QUIET_S = 30.0
"""There is no gap in the first half minute of a record."""


@dataclass(frozen=True, slots=True)
class Logger:
    """How one session was recorded.

    ``cc_noise_a`` and ``cv_noise_a``: sigma of the current in the two phases; ``step_a`` and ``step_c``: resolution of
    current and temperature (0 for none); ``late_s``: seconds of the charge missed at its start; ``dead``: leading
    samples of 0 A before the charger switches on; ``gaps``: places where up to a minute is missing.
    """

    spacing_s: float
    jitter_s: float
    cc_noise_a: float
    cv_noise_a: float
    step_a: float
    noise_c: float
    step_c: float
    late_s: float
    dead: int
    gaps: int


def draw(rng: np.random.Generator, charge: Charge) -> Logger:
    """A logger for ``charge``: mostly 1 Hz, some slower or faster; almost a third start late."""
    spacing_s = 1.0 if rng.random() < 0.75 else float(rng.uniform(0.5, 5.0))
    late = rng.random() < 0.3
    coarse = rng.random() < 0.2
    step_a = float(rng.choice(STEPS_A)) if rng.random() < 0.2 else 0.0
    return Logger(
        spacing_s=spacing_s,
        jitter_s=spacing_s * float(rng.choice([0.0, 0.01, 0.05])),
        cc_noise_a=_between(rng, 0.002, 0.015),
        cv_noise_a=_between(rng, 0.005, 0.1),
        step_a=step_a,
        noise_c=_between(rng, 0.005, 0.03) if coarse else _between(rng, 0.01, 0.06),
        step_c=0.1 if coarse else 0.0,
        late_s=float(rng.uniform(0.05, 0.9)) * charge.end_s if late else 0.0,
        # A fast logger sees the current rise twice as steeply. Training on that too would make the models blind to
        # steps.
        dead=0 if late or spacing_s < 1.0 else int(rng.integers(0, 4)),
        gaps=int(rng.integers(0, 4)),
    )


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def record(charge: Charge, logger: Logger, rng: np.random.Generator) -> Samples:
    """The session that ``logger`` writes of ``charge``. The charging current is positive."""
    count = max(int((float(charge.time_s[-1]) - logger.late_s) / logger.spacing_s), 8)
    at_s: Floats = logger.late_s + logger.spacing_s * np.arange(count, dtype=np.float64)
    at_s = at_s + np.clip(rng.normal(0.0, logger.jitter_s, count), -0.4, 0.4) if logger.jitter_s else at_s
    at_s = at_s[_kept(at_s, logger, rng)]
    current_a = np.interp(at_s, charge.time_s, charge.current_a)
    temperature_c: Floats = np.interp(at_s, charge.time_s, charge.temperature_c)
    constant_voltage = (at_s >= charge.cv_from_s) & (at_s < charge.end_s)
    noise_a = np.where(constant_voltage, logger.cv_noise_a, logger.cc_noise_a)
    current_a[: logger.dead] = 0.0
    noise_a[: logger.dead] = logger.cc_noise_a
    current_a = current_a + rng.normal(0.0, 1.0, len(at_s)) * noise_a
    temperature_c = temperature_c + rng.normal(0.0, logger.noise_c, len(at_s))
    if logger.step_a:
        current_a = np.round(current_a / logger.step_a) * logger.step_a
    if logger.step_c:
        temperature_c = np.round(temperature_c / logger.step_c) * logger.step_c
    return Samples.of(EPOCH_S + at_s, current_a, temperature_c)


def piece(rng: np.random.Generator) -> Samples:
    """A piece of a steady charge, a quarter of a minute or more, at any current and temperature in `PIECE_A` and
    `PIECE_C`.

    A few dozen charges have only a few dozen currents, each at a few temperatures. Without these pieces the models
    would take the corners between them for anomalies. In so short a time a cell warms evenly, at most as fast as a cold
    and aged one does at its start, so no simulation is needed.
    """
    spacing_s = 1.0 if rng.random() < 0.75 else float(rng.uniform(0.5, 5.0))
    level_a = float(rng.uniform(0.0, PIECE_A))
    noise_a = _between(rng, 0.002, 0.015) if rng.random() < 0.6 else _between(rng, 0.005, 0.1)
    warms_c_per_s = float(rng.uniform(-0.004, FASTEST_C_PER_S * (level_a / PIECE_A) ** 2 + 0.002))
    jitter_s = spacing_s * float(rng.choice([0.0, 0.01, 0.05])) * rng.normal(0.0, 1.0, PIECE)
    at_s = spacing_s * np.arange(PIECE, dtype=np.float64) + np.clip(jitter_s, -0.2, 0.2)
    current_a = level_a + rng.normal(0.0, noise_a, PIECE)
    temperature_c = float(rng.uniform(*PIECE_C)) + warms_c_per_s * at_s
    temperature_c = temperature_c + rng.normal(0.0, _between(rng, 0.005, 0.06), PIECE)
    return Samples.of(EPOCH_S + at_s, current_a, temperature_c)


def _kept(at_s: Floats, logger: Logger, rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    kept = np.ones(len(at_s), bool)
    for _ in range(logger.gaps):
        begin_s = float(rng.uniform(at_s[0] + QUIET_S, max(at_s[-1], at_s[0] + QUIET_S + 1)))
        kept &= ~((at_s > begin_s) & (at_s < begin_s + float(rng.uniform(3.0, 90.0))))
    return kept
