"""Healthy charges of a simulated cell: PyBaMM, lumped thermal model, constant current, then constant voltage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from window.samples import Floats

CELL = "Chen2020"
CAPACITY_AH = 5.0
FULL_V = 4.2
C_RATES = (0.15, 1.2)
AMBIENTS_C = (4.0, 42.0)
"""Lithium cells must not be charged below freezing, so no healthy charge is so cold."""
HOTTEST_C = 50.0
"""A charger stops before a cell gets this hot, so no healthy charge does."""
_PERIOD_S = 5.0
_KELVIN = 273.15


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of one charge. ``warm_c``: degrees that the cell starts above its surroundings. ``drift_c_per_h``:
    how fast these warm up. ``cooling_w_per_m2k``: heat transfer. ``resistance_ohm`` and ``capacity_lost`` age the
    cell."""

    c_rate: float
    ambient_c: float
    warm_c: float
    drift_c_per_h: float
    cooling_w_per_m2k: float
    resistance_ohm: float
    capacity_lost: float
    start_soc: float
    cutoff_a: float
    rest_s: float


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge without a logger: columns (n,) from 0 s on. ``cv_from_s``: when constant voltage begins. ``end_s``: when
    the charger switches off."""

    conditions: Conditions
    time_s: Floats
    current_a: Floats
    temperature_c: Floats
    cv_from_s: float
    end_s: float


def draw(rng: np.random.Generator) -> Conditions:
    """Draw the conditions of one charge from the whole range that the default bundle is meant for."""
    c_rate = float(rng.uniform(*C_RATES))
    ageing = float(rng.choice([0.0, 0.25, 0.5, 0.75, 1.0]))
    return Conditions(
        c_rate=c_rate,
        ambient_c=float(rng.uniform(*AMBIENTS_C)),
        warm_c=float(rng.uniform(3.0, 15.0)) if rng.random() < 0.3 else float(rng.uniform(-1.0, 1.0)),
        drift_c_per_h=float(rng.normal(0.0, 0.8)),
        cooling_w_per_m2k=float(rng.uniform(8.0, 25.0)),
        resistance_ohm=0.01 + 0.03 * ageing * float(rng.uniform(0.7, 1.3)),
        capacity_lost=0.2 * ageing * float(rng.uniform(0.7, 1.3)),
        start_soc=float(rng.uniform(0.03, 0.6)),
        cutoff_a=float(rng.uniform(0.05, 0.2)),
        rest_s=float(rng.uniform(60.0, 600.0)) if rng.random() < 0.5 else 0.0,
    )


def charges(count: int, seed: int) -> Iterator[Charge]:
    """``count`` charges, one after the other (about 0.5 s each); the same seed gives the same charges.

    Draws again if the cell would be full at once (cold, aged and fast) or would get too hot.
    """
    rng = np.random.default_rng(seed)
    made = 0
    while made < count:
        charge = run(draw(rng))
        if charge is not None:
            made += 1
            yield charge


def run(conditions: Conditions) -> Charge | None:
    """The charge under ``conditions``. None if the cell reaches its voltage limit within the first minutes or gets too
    hot."""
    # PyBaMM asks about telemetry at first use, and waits for an answer.
    os.environ.setdefault("PYBAMM_DISABLE_TELEMETRY", "true")
    import pybamm

    pybamm.set_logging_level("ERROR")
    current_a = conditions.c_rate * CAPACITY_AH
    steps = [
        f"Charge at {current_a:.6f} A until {FULL_V} V",
        f"Hold at {FULL_V} V until {conditions.cutoff_a:.6f} A",
    ]
    if conditions.rest_s:
        steps.append(f"Rest for {conditions.rest_s:.1f} seconds")
    simulation = pybamm.Simulation(
        pybamm.lithium_ion.SPM({"thermal": "lumped", "contact resistance": "true"}),
        parameter_values=_parameters(pybamm, conditions),
        experiment=pybamm.Experiment([tuple(steps)], period=f"{_PERIOD_S:g} seconds"),
    )
    try:
        solution = simulation.solve(initial_soc=conditions.start_soc)
    except pybamm.SolverError:
        return None
    ends = [float(s["Time [s]"].entries[-1]) for s in solution.cycles[0].steps]
    if len(ends) != len(steps) or ends[0] < 300.0:
        return None
    time_s = np.asarray(solution["Time [s]"].entries, np.float64)
    temperature_c = np.asarray(solution["Volume-averaged cell temperature [K]"].entries, np.float64) - _KELVIN
    if temperature_c.max() > HOTTEST_C:
        return None
    return Charge(
        conditions=conditions,
        time_s=time_s,
        current_a=-np.asarray(solution["Current [A]"].entries, np.float64),
        temperature_c=temperature_c,
        cv_from_s=ends[0],
        end_s=ends[1],
    )


def _parameters(pybamm: Any, conditions: Conditions) -> Any:
    values = pybamm.ParameterValues(CELL)
    start_k = conditions.ambient_c + _KELVIN

    def ambient_k(y: Any, z: Any, t: Any) -> Any:
        return start_k + conditions.drift_c_per_h / 3600.0 * t

    kept = 1.0 - conditions.capacity_lost
    values.update(
        {
            "Ambient temperature [K]": ambient_k,
            "Initial temperature [K]": start_k + conditions.warm_c,
            "Total heat transfer coefficient [W.m-2.K-1]": conditions.cooling_w_per_m2k,
            "Contact resistance [Ohm]": conditions.resistance_ohm,
            **{
                name: values[name] * kept
                for name in (
                    "Negative electrode active material volume fraction",
                    "Positive electrode active material volume fraction",
                )
            },
        }
    )
    return values
