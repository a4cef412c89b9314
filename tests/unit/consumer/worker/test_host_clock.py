"""The worker's time runs with the monotonic clock; a wall clock that jumps is told and heals (rule 27)."""

from __future__ import annotations

import pytest

from consumer.worker.host_clock import FOLLOW, HostClock

START = 1_700_000_000.0


class Machine:
    """Two clocks; ``error_s``: how far the wall clock is ahead."""

    def __init__(self) -> None:
        self.at = 0.0
        self.error_s = 0.0
        self.clock = HostClock(lambda: START + self.at + self.error_s, lambda: self.at)

    def let_pass(self, seconds: float) -> list[float]:
        """What the clock says ten times a second meanwhile."""
        seen = []
        for _ in range(round(seconds * 10)):
            self.at += 0.1
            seen.append(self.clock())
        return seen


@pytest.mark.parametrize("jump_s", [600.0, -600.0, 3600.0, 6.0])
def test_rule_27_time_goes_on_whatever_the_wall_clock_does(jump_s: float) -> None:
    """A second is a second, nearly, during a glitch and after it."""
    machine = Machine()
    machine.let_pass(10.0)
    for error_s in (jump_s, 0.0):
        machine.error_s = error_s
        before = machine.clock()
        seen = machine.let_pass(60.0)
        steps = [after - earlier for earlier, after in zip([before, *seen], seen, strict=False)]
        assert min(steps) >= 0.1 * (1 - FOLLOW) - 1e-6
        assert max(steps) <= 0.1 * (1 + FOLLOW) + 1e-6
    assert abs(machine.clock() - START - machine.at) <= 60.0 * FOLLOW


@pytest.mark.parametrize("jump_s", [600.0, -600.0])
def test_rule_27_a_jump_either_way_is_told_once(jump_s: float) -> None:
    """Each of them, with how far it was; the slow approach afterwards is none."""
    machine = Machine()
    machine.error_s = jump_s
    machine.let_pass(30.0)
    (notice,) = machine.clock.notices()
    assert (notice.type, notice.device, notice.state) == ("health.host_clock", None, "opened")
    assert notice.offset_s == pytest.approx(jump_s)
    assert f"has jumped 10 min {'ahead' if jump_s > 0 else 'back'}" in notice.summary
    machine.let_pass(30.0)
    assert machine.clock.notices() == []
    machine.error_s = 0.0
    machine.let_pass(1.0)
    assert [round(n.offset_s or 0.0) for n in machine.clock.notices()] == [-jump_s]


def test_rule_27_a_clock_that_was_wrong_at_the_start_heals() -> None:
    """It is followed until both agree."""
    machine = Machine()
    machine.error_s = 90.0
    machine.let_pass(1000.0)
    assert machine.clock() == pytest.approx(START + machine.at + 90.0, abs=0.2)


def test_a_time_service_that_corrects_by_milliseconds_is_no_jump() -> None:
    """Nor is a drift of a second a minute."""
    machine = Machine()
    for _ in range(60):
        machine.error_s += 1.0
        machine.let_pass(60.0)
    assert machine.clock.notices() == []
    assert machine.clock() == pytest.approx(START + machine.at + 60.0, abs=0.2)
