"""Kills the worker as a fault begins, and starts another in its place."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from demo.script import Fault, FaultKind, Script
from demo.worker import OWNER, STANDING_BY, WATCHING, Worker

TAKE_OVER_S = 15
"""The worker's default. The demo sets it anyway, so that what it prints is true."""
RESTART_S = 2.0
"""Between the kill and the start of the next worker."""
TIMEOUT_S = TAKE_OVER_S + 30.0
"""If no worker watches this long after the kill, the recovery has failed."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A kill, planned at the sample ``at_s`` seconds after the first live one, and its progress.

    The other times are on the clock of the puts, None until they happen. ``owned_s``: the next worker took over the
    lane. ``back_s``: it knows every shard.
    """

    fault: Fault
    at_s: int
    killed_s: float | None = None
    started_s: float | None = None
    standing_s: float | None = None
    owned_s: float | None = None
    back_s: float | None = None
    failed: bool = False

    @property
    def going_on(self) -> bool:
        """True from the kill until the next worker watches or the recovery has failed."""
        return self.killed_s is not None and self.back_s is None and not self.failed

    @property
    def recovery_s(self) -> float | None:
        """Seconds from the kill until the next worker watched."""
        if self.killed_s is None or self.back_s is None:
            return None
        return round(self.back_s - self.killed_s, 1)

    @property
    def says(self) -> str:
        """Its progress in words."""
        if self.killed_s is None:
            return "ahead"
        if self.recovery_s is not None:
            return f"watching again after {self.recovery_s:.1f} s"
        if self.failed:
            return "nobody took over"
        if self.owned_s is not None:
            return "taken over, reading on"
        return "killed, a new worker stands by" if self.standing_s is not None else "killed, nobody watches"

    def delayed(self, put_s: float, received_s: float) -> bool:
        """True for a message that waited for the recovery: its sample was put before, and it arrived after."""
        if self.owned_s is None:
            return False
        return received_s >= self.owned_s and (self.back_s is None or put_s < self.back_s)


def planned(script: Script) -> Outage:
    """A kill at the first sample of the first live cooling failure, or of the last live fault if there is none: nobody
    has told of the fault yet."""
    live = [fault for fault in script.faults if fault.part == "live"]
    fault = next((fault for fault in live if fault.kind is FaultKind.COOLING_FAILURE), live[-1])
    return Outage(fault, fault.start_s)


class Crash:
    """Carries out an outage: `strike` kills, `look` starts the next worker and follows it. ``say`` prints a line."""

    def __init__(self, worker: Worker, outage: Outage, say: Callable[[str], None]) -> None:
        self._worker = worker
        self._say = say
        self.outage = outage

    def strike(self, offset_s: int) -> None:
        """Kill the worker if it is time. The sample that was just put will be unread then."""
        if offset_s < self.outage.at_s or self.outage.killed_s is not None:
            return
        pid = self._worker.pid
        self._worker.kill()
        self.outage = replace(self.outage, killed_s=time.monotonic())
        self._say(
            f"The worker (process {pid}) is killed with SIGKILL as the {self.outage.fault.kind} begins. Nobody watches."
        )

    def look(self) -> None:
        """Update the outage with what happened since the last call."""
        outage = self.outage
        if outage.killed_s is None or not outage.going_on:
            return
        now_s = time.monotonic()
        if outage.started_s is None:
            if now_s - outage.killed_s >= RESTART_S:
                self._worker.start()
                self.outage = replace(outage, started_s=time.monotonic())
                self._say(f"A new worker (process {self._worker.pid}) starts in its place.")
            return
        heard = self._worker.heard
        if outage.standing_s is None and STANDING_BY in heard:
            self._say(
                "It stands by, as the killed one might live, and takes over "
                f"once it has seen no sign of life for {TAKE_OVER_S} s."
            )
        if outage.owned_s is None and OWNER in heard:
            after_s = heard[OWNER] - outage.killed_s
            self._say(f"It takes over, {after_s:.1f} s after the kill, and reads on from where the head stands.")
        self.outage = replace(
            outage,
            standing_s=heard.get(STANDING_BY),
            owned_s=heard.get(OWNER),
            back_s=heard.get(WATCHING),
            failed=WATCHING not in heard and now_s - outage.killed_s > TIMEOUT_S,
        )
        if self.outage.recovery_s is not None:
            self._say(f"It watches again, {self.outage.recovery_s:.1f} s after the kill; what waited for it comes now.")
