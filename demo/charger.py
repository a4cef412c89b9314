"""A simulated 5 Ah cell on a charger, at constant current, with faults by the script."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from demo.script import Fault, FaultKind, Script
from demo.world import Item


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as one lump of heat: ``heat_capacity * dT/dt = I^2 * resistance - cooling * (T - ambient)``.

    The heat is that of the whole overvoltage (ohmic and polarisation); the numbers are those of a 21700 cell in
    moving air, time constant ``heat_capacity / cooling`` = 450 s.
    """

    capacity_ah: float = 5.0
    charge_a: float = 2.5
    resistance_ohm: float = 0.08
    heat_capacity_j_k: float = 63.0
    cooling_w_k: float = 0.14
    ambient_c: float = 23.0

    @property
    def time_constant_s(self) -> float:
        """How fast it warms and cools, in seconds."""
        return self.heat_capacity_j_k / self.cooling_w_k

    def rise_c(self, power_w: float, since_s: float, lasted_s: float) -> float:
        """The temperature rise, in kelvin, that remains of a power that began ``since_s`` ago and lasted ``lasted_s``.

        The equation is linear, so the rises of several powers add up.
        """
        if since_s <= 0:
            return 0.0
        tau_s = self.time_constant_s
        on_s = min(since_s, lasted_s)
        return power_w / self.cooling_w_k * -math.expm1(-on_s / tau_s) * math.exp(-(since_s - on_s) / tau_s)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What the logger writes at one second. ``fault``: the fault at that time, if any."""

    offset_s: int
    current_a: float
    temperature_c: float
    fault: Fault | None

    def item(self, epoch_s: int) -> Item:
        """The table's item; ``epoch_s`` is the time of offset 0."""
        ts = epoch_s + self.offset_s
        return {
            "ts": {"N": str(ts)},
            "current": {"N": str(self.current_a)},
            "temperature": {"N": str(self.temperature_c)},
            "datetime": {"S": datetime.fromtimestamp(ts, UTC).isoformat()},
        }


@dataclass(frozen=True, slots=True)
class Charger:
    """Measurements as a pure function of seed, script and time.

    The charge runs for ``charging_s`` before offset 0. Noise (standard deviations) and rounding are those of a
    bench logger.
    """

    seed: int
    script: Script
    cell: Cell = Cell()
    charging_s: int = 1500
    state_of_charge: float = 0.2
    current_noise_a: float = 0.004
    temperature_noise_c: float = 0.03

    def measure(self, offset_s: int) -> Measurement:
        """The logger's reading at ``offset_s`` seconds from the first live sample."""
        fault = self.script.at(offset_s)
        noise = np.random.default_rng([self.seed, 1, offset_s + self.charging_s]).standard_normal(2)
        spike_c = fault.strength if fault and fault.kind is FaultKind.TEMPERATURE_SPIKE else 0.0
        # A sample stands for its second: what flowed in it has warmed the cell by its end.
        true_c = self.temperature_c(offset_s + 1)
        return Measurement(
            offset_s=offset_s,
            # Adding zero turns a negative zero into zero; no logger writes "-0.0".
            current_a=round(self.current_a(fault) + self.current_noise_a * float(noise[0]), 3) + 0.0,
            temperature_c=round(true_c + spike_c + self.temperature_noise_c * float(noise[1]), 2),
            fault=fault,
        )

    def playing(self, script: Script) -> Charger:
        """The same charge under another script."""
        return replace(self, script=script)

    def current_a(self, fault: Fault | None) -> float:
        """The true current under a fault, or under none."""
        if fault and fault.kind is FaultKind.OVER_CURRENT:
            return self.cell.charge_a + fault.strength
        if fault and fault.kind is FaultKind.DROP_OUT:
            return self.cell.charge_a * (1.0 - fault.strength)
        return self.cell.charge_a

    def temperature_c(self, offset_s: float) -> float:
        """The cell's true temperature, without what a broken sensor adds."""
        cell = self.cell
        warm_w = cell.charge_a**2 * cell.resistance_ohm
        rise_c = cell.rise_c(warm_w, offset_s + self.charging_s, math.inf)
        for fault in self.script.faults:
            since_s = offset_s - fault.start_s
            # After ten time constants less than a ten-thousandth is left, which no logger shows.
            if 0.0 < since_s < 10.0 * cell.time_constant_s:
                rise_c += cell.rise_c(self._power_w(fault), since_s, fault.end_s - fault.start_s)
        return cell.ambient_c + rise_c

    def charged(self, offset_s: float) -> float:
        """The state of charge, 0 to 1, as the display shows it (faults are too short to count)."""
        charged_ah = self.cell.charge_a * (offset_s + self.charging_s) / 3600.0
        return min(1.0, self.state_of_charge + charged_ah / self.cell.capacity_ah)

    def _power_w(self, fault: Fault) -> float:
        """What a fault adds to the heat of the undisturbed charge."""
        cell = self.cell
        if fault.kind is FaultKind.COOLING_FAILURE:
            # The fan that kept the heat of the charger's power stage away stands still.
            return fault.strength * cell.heat_capacity_j_k
        return (self.current_a(fault) ** 2 - cell.charge_a**2) * cell.resistance_ohm
