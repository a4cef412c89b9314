"""Training material from simulated charges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.data.material import LEAST_SAMPLES, LEAST_UNITS, Material, StepProgress
from models.data.recordings import Series
from models.data.sessions import HELD_OUT, hours, split
from models.simulation import cell, logger
from models.simulation.cell import Charge
from window.samples import Samples

SESSIONS, TEST = 200, 60
PIECES = 40
"""Short pieces per charge."""
ORDINARY = logger.Logger(1.0, 0.0, 0.004, 0.03, 0.03, 0.0, 0.0, 0.0, 0, 0)
"""An ordinary 1 Hz logger."""
DEGREES = (50.0, 55.0, 60.0)
"""More is known about this cell than simulated charges show: its maker allows 45 °C while charging."""


def material(seed: int, progress: StepProgress, *, sessions: int = SESSIONS, test: int = TEST) -> Material:
    """``sessions`` charges for training and validation, and ``test`` more. The same seed gives the same bits.

    Takes about 0.6 s per charge. Raises ValueError if there are too few sessions.
    """
    if sessions < LEAST_UNITS:
        raise ValueError(f"{sessions} sessions are too few to learn from and to hold some out: {LEAST_UNITS} at least")
    charges: list[Charge] = []
    for charge in cell.charges(sessions + test, seed):
        charges.append(charge)
        progress("simulating charges", len(charges), sessions + test)
    recorded = [_record(charge, seed, number) for number, charge in enumerate(charges)]
    train, validation = split(recorded[:sessions], seed)
    rng = np.random.default_rng(seed)
    return Material(
        _cut(train),
        _cut(validation),
        test=_cut(recorded[sessions:]),
        fault_injected=[logger.record(charge, ORDINARY, rng) for charge in charges[sessions:]],
        training={"source": "simulation", "summary": _summary(charges[:sessions], recorded[:sessions])},
        degrees=DEGREES,
        pieces=[logger.piece(rng) for _ in range(PIECES * sessions)],
    )


def _record(charge: Charge, seed: int, number: int) -> Samples:
    """A charge as a random logger records it. The same seed gives the same bits."""
    rng = np.random.default_rng([seed, number])
    return logger.record(charge, logger.draw(rng, charge), rng)


def _cut(recorded: Sequence[Samples]) -> list[Samples]:
    """Cut recordings into sessions: a logger's longest gaps end one."""
    whole = [Series("", samples, np.zeros(len(samples), bool)) for samples in recorded]
    return [session for one in whole for session in one.healthy(least=LEAST_SAMPLES)]


def _summary(charges: Sequence[Charge], recorded: Sequence[Samples]) -> str:
    rates = [c.conditions.c_rate for c in charges]
    ambients = [c.conditions.ambient_c for c in charges]
    return (
        f"Simulated charges only: {len(charges)} charges, {hours(recorded):.1f} h, of a {cell.CAPACITY_AH:g} Ah "
        f"cell (PyBaMM, parameter set {cell.CELL}, single-particle model, lumped thermal model), constant current "
        f"then constant voltage at {min(rates):.2f} to {max(rates):.2f} C in surroundings of {min(ambients):.0f} to "
        f"{max(ambients):.0f} °C, new and aged, recorded by simulated loggers: a sample every 0.5 to 5 s, mostly every "
        f"second, temperatures to 0.1 °C or finer, some currents to {logger.STEPS_A[1]:g} A only; and "
        f"{PIECES * len(charges):,} made-up pieces of {logger.PIECE} samples, at any current and temperature of that "
        f"range and a little beyond it. {HELD_OUT:.0%} of the charges were held out for thresholds and calibration."
    )
