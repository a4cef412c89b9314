"""The clocks of one host: a wall clock that may be wrong and may jump, and a monotonic one that never does."""

from __future__ import annotations

from dataclasses import dataclass

from sim_faults import Clock


@dataclass(frozen=True, slots=True)
class ClockFault:
    """How a host's clocks differ from true time. ``offset_s``: the wall clock is ahead by that much. ``drift``: seconds
    that both gain in a second. ``jumps``: (when, by how much), epoch seconds of true time and seconds, of the wall
    clock."""

    offset_s: float = 0.0
    drift: float = 0.0
    jumps: tuple[tuple[float, float], ...] = ()


TRUE = ClockFault()


class HostClocks:
    """The clocks of a host that was started now. Calling it gives the wall clock, as `time.time` does."""

    def __init__(self, true: Clock, fault: ClockFault = TRUE) -> None:
        self._true = true
        self._fault = fault
        self._born = true.now

    def __call__(self) -> float:
        """Epoch seconds, as the host believes."""
        fault, now = self._fault, self._true.now
        if fault == TRUE:
            return now
        jumped_s = sum(by_s for at, by_s in fault.jumps if at <= now)
        return now + fault.offset_s + jumped_s + fault.drift * (now - self._born)

    def monotonic(self) -> float:
        """Seconds that grow steadily, as `time.monotonic`; where they begin means nothing."""
        now = self._true.now
        return now if self._fault == TRUE else (now - self._born) * (1.0 + self._fault.drift)

    def true(self, monotonic: float) -> float:
        """When the monotonic clock shows that, in true epoch seconds."""
        return monotonic if self._fault == TRUE else self._born + monotonic / (1.0 + self._fault.drift)
