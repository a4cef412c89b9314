from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from demo.charger import Cell, Charger
from demo.script import CALM_S, ROUND_S, UPLOAD_S, FaultKind, Script, write

LIVE_S = 120


@pytest.fixture(scope="module")
def charger() -> Charger:
    return Charger(seed=4, script=write(4, LIVE_S))


def test_a_measurement_depends_on_seed_script_and_time_alone(charger: Charger) -> None:
    """The order of asking plays no part, so a resumed or repeated upload writes the same items."""
    again = Charger(seed=4, script=write(4, LIVE_S))
    forwards = [charger.measure(offset_s) for offset_s in range(-50, 50)]
    backwards = [again.measure(offset_s) for offset_s in range(49, -51, -1)]
    assert forwards == backwards[::-1]
    assert Charger(seed=5, script=charger.script).measure(0) != charger.measure(0)


def test_an_item_has_the_shape_of_the_real_table(charger: Charger) -> None:
    """`ts`, `current` and `temperature` are numbers, `datetime` is ISO 8601, digits are a logger's."""
    item = charger.measure(-7).item(1_700_000_000)
    assert set(item) == {"ts", "current", "temperature", "datetime"}
    assert item["ts"] == {"N": "1699999993"}
    assert item["datetime"] == {"S": "2023-11-14T22:13:13+00:00"}
    assert -Decimal(item["current"]["N"]).as_tuple().exponent <= 3
    assert -Decimal(item["temperature"]["N"]).as_tuple().exponent <= 2


def test_no_item_holds_a_negative_zero() -> None:
    """A dropped-out current is noise around zero, written as a logger writes it."""
    charger = Charger(seed=1, script=write(1, LIVE_S), current_noise_a=1e-6)
    dropped = next(f for f in charger.script.faults if f.kind is FaultKind.DROP_OUT)
    items = [charger.measure(s).item(0) for s in range(dropped.start_s, dropped.end_s)]
    assert {item["current"]["N"] for item in items} == {"0.0"}


def test_outside_faults_current_and_temperature_stay_within_a_normal_charge(charger: Charger) -> None:
    """Samples behind a fault's aftermath are truly normal: 2.5 A, a mild temperature, slow change."""
    calm = [s for s in range(-UPLOAD_S, LIVE_S) if not charger.script.explains(s)]
    current = np.array([charger.measure(s).current_a for s in calm])
    true_c = np.array([charger.temperature_c(s) for s in calm])
    rate = np.array([charger.temperature_c(s + 0.5) - charger.temperature_c(s - 0.5) for s in calm])
    assert len(calm) > 0.8 * (UPLOAD_S + LIVE_S)
    assert np.abs(current - 2.5).max() < 0.03
    assert true_c.min() > 20.0
    assert true_c.max() < 40.0
    assert np.abs(rate).max() <= 0.03


def test_noise_is_that_of_a_bench_logger(charger: Charger) -> None:
    """About 4 mA and 0.03 degrees Celsius, so that the models are tried with what they were trained for."""
    calm = [s for s in range(-UPLOAD_S, LIVE_S) if not charger.script.explains(s)]
    current = np.array([charger.measure(s).current_a for s in calm]) - 2.5
    temperature = np.array([charger.measure(s).temperature_c - charger.temperature_c(s + 1) for s in calm])
    assert current.std() == pytest.approx(0.004, rel=0.15)
    assert temperature.std() == pytest.approx(0.03, rel=0.15)


@pytest.mark.parametrize("live_s", [60, 75, 90, 120])
def test_a_cooling_failure_heats_fast_and_relaxes_slowly(live_s: int) -> None:
    """At least 0.2 degrees a second while it lasts, at most 0.03 from the moment it ends."""
    charger = Charger(seed=1, script=write(1, live_s))
    for fault in charger.script.faults:
        if fault.kind is not FaultKind.COOLING_FAILURE:
            continue
        heating = charger.temperature_c(fault.end_s) - charger.temperature_c(fault.start_s)
        assert heating / (fault.end_s - fault.start_s) > 0.2
        after = np.array([charger.temperature_c(fault.end_s + s) for s in range(60)])
        assert np.abs(np.diff(after)).max() <= 0.03
        assert after[-1] < after[0]


def test_each_fault_is_visible_in_what_the_logger_writes(charger: Charger) -> None:
    """More current, none, or a temperature that jumps; and it ends with its fault."""
    for fault in charger.script.faults:
        inside = charger.measure(fault.start_s)
        behind = charger.measure(fault.end_s + CALM_S - 1)
        assert inside.fault is fault
        assert behind.fault is None
        assert behind.current_a == pytest.approx(2.5, abs=0.03)
        match fault.kind:
            case FaultKind.OVER_CURRENT:
                assert inside.current_a > 6.0
            case FaultKind.DROP_OUT:
                assert abs(inside.current_a) < 0.03
            case FaultKind.TEMPERATURE_SPIKE:
                assert inside.temperature_c - charger.measure(fault.start_s - 1).temperature_c > 10.0
            case FaultKind.COOLING_FAILURE:
                assert charger.temperature_c(fault.end_s) - charger.temperature_c(fault.start_s) > 1.5


def test_the_rise_of_a_cell_is_the_solution_of_its_equation() -> None:
    """The closed form agrees with small Euler steps of the heat balance, faults included."""
    cell = Cell()
    charger = Charger(seed=0, script=write(0, 60), cell=cell)
    step_s, temperature_c = 0.05, cell.ambient_c
    for k in range(int(1500 / step_s)):
        now_s = -1500 + k * step_s
        fault = charger.script.at(now_s)
        current = 2.5
        power_w = 0.0
        if fault and fault.kind is FaultKind.OVER_CURRENT:
            current = 7.0
        if fault and fault.kind is FaultKind.DROP_OUT:
            current = 0.0
        if fault and fault.kind is FaultKind.COOLING_FAILURE:
            power_w = fault.strength * 63.0
        heat_w = current**2 * 0.08 + power_w - 0.14 * (temperature_c - 23.0)
        temperature_c += heat_w / 63.0 * step_s
    assert charger.temperature_c(0) == pytest.approx(temperature_c, abs=0.02)


def test_the_state_of_charge_rises_by_the_current() -> None:
    """2.5 A fill half of 5 Ah in an hour, and never more than all of it."""
    charger = Charger(seed=0, script=Script(60, ()))
    assert charger.charged(3600) - charger.charged(0) == pytest.approx(0.5)
    assert charger.charged(1e6) == 1.0


def test_an_endless_demo_never_gets_too_hot_to_be_normal() -> None:
    """After many rounds the calm between the faults is still that of a normal charge."""
    script = write(1, ROUND_S)
    for _ in range(20):
        script = script.extended()
    charger = Charger(seed=1, script=script)
    assert max(charger.temperature_c(s) for s in range(script.live_s - ROUND_S, script.live_s)) < 42.0
