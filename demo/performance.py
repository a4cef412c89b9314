"""Plays the script: the charger writes samples, the worker watches, the listener takes the messages."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from demo import archive
from demo.board import Board
from demo.charger import Charger, Measurement
from demo.interrupt import Interrupted
from demo.listener import Listener
from demo.message import Message
from demo.outage import Crash
from demo.score import RunRecord, latency
from demo.script import UPLOAD_S, Script
from demo.told import Told
from demo.view import View
from demo.worker import Worker
from demo.world import BATCH, World

QUIET_S = 3.0
"""If no message comes for this long, no more will come."""
SETTLE_TIMEOUT_S = 20.0
LEDGER_S = 0.5
"""Between two reads of the ledger."""
LOOK_S = 2.0
"""Between two searches for new charts in the bucket."""
CALM_AFTER_S = 5.0
"""The charge goes on this long after the recovery, so that the new worker is at work when it ends."""
TICK_S = 0.1
RECENT = 1000
"""The newest messages, which count for the latency on the board. The summary counts all."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Who takes part beside the charger. ``pause`` is every wait, and raises `Interrupted` when somebody wants to
    leave."""

    world: World
    worker: Worker
    listener: Listener
    board: Board
    pause: Callable[[float], object]


@dataclass(slots=True)
class _Inbox:
    """The messages in the order they came, their ids, and which faults they tell of."""

    messages: list[Message] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    told: Told = field(default_factory=Told)

    def add(self, message: Message, script: Script, epoch_s: int) -> None:
        again = message.id in self.ids
        self.ids.add(message.id)
        self.messages.append(replace(message, again=again))
        if not again:
            self.told.add(message, script, epoch_s)


class Performance:
    """One run's play: `upload`, then `live` or `endless`, then `settle`; afterwards `record`.

    The clock is monotonic from the start on, so a correction of the wall clock moves no sample. ``crash`` kills the
    worker on the way; None spares it.
    """

    def __init__(self, stage: Stage, charger: Charger, crash: Crash | None = None) -> None:
        self._stage = stage
        self._charger = charger
        self._crash = crash
        now = time.time()
        self.epoch_s = int(now)
        self._zero_s = time.monotonic() - (now - self.epoch_s)
        self._phase, self._second = "the charger is out of reach", ""
        self._written = 0
        self._measurement: Measurement | None = None
        self._inbox = _Inbox()
        self._put_s: dict[int, float] = {}
        self._charts: list[str] = []
        self._looked_s = 0.0

    @property
    def script(self) -> Script:
        """The script that is played."""
        return self._charger.script

    def upload(self) -> None:
        """The device reconnects and uploads the last 20 minutes of its charge, as fast as the table takes them."""
        self._phase = "upload: 20 minutes that the charger kept while it was out of reach"
        for first_s in range(-UPLOAD_S, 0, BATCH):
            measured = [self._charger.measure(offset_s) for offset_s in range(first_s, first_s + BATCH)]
            self._stage.world.put_batch([each.item(self.epoch_s) for each in measured])
            self._measurement = measured[-1]
            self._written += len(measured)
            self._tick(0.0)

    @property
    def charger(self) -> Charger:
        """The charger, with its script."""
        return self._charger

    def live(self) -> None:
        """One sample per second until the script ends, or until a little after the recovery if that is later. Blocks
        until then."""
        self._phase = "live: a sample a second"
        for offset_s in range(self.script.live_s):
            self._second = f"{offset_s + 1} of {self.script.live_s}"
            self._measure(offset_s)
        offset_s = self.script.live_s
        while self._recovering(CALM_AFTER_S):
            self._phase = "live: on until the new worker has caught up"
            self._second = str(offset_s + 1)
            self._measure(offset_s)
            offset_s += 1

    def endless(self) -> None:
        """Live, round after round, until somebody interrupts. The script then ends there."""
        self._phase = "live: a sample a second, until Ctrl-C"
        offset_s = 0
        try:
            while True:
                if offset_s == self.script.live_s:
                    self._charger = self._charger.playing(self.script.extended())
                self._second = str(offset_s + 1)
                self._measure(offset_s)
                offset_s += 1
        except Interrupted:
            self._charger = self._charger.playing(self.script.cut(offset_s, self._inbox.told.found))
            raise

    def settle(self) -> None:
        """Wait until a worker watches, then until the ledger holds everything that was written and no more messages
        come, at most `SETTLE_TIMEOUT_S` for each of these two."""
        self._phase, self._second = "the charger rests; the last messages come in", ""
        while self._recovering(0.0):
            self._tick(TICK_S)
        begin_s = time.monotonic()
        while time.monotonic() < begin_s + SETTLE_TIMEOUT_S:
            if archive.ledger(self._stage.world).get("read", 0) >= self._written:
                break
            self._tick(LEDGER_S)
        self._until_quiet(QUIET_S)

    def finish(self) -> int:
        """Stop the worker and take its last messages. Returns its exit code."""
        self._phase, self._second = "the worker commits, draws its last chart and stops", ""
        self._stage.board.show(self.view())
        code = self._stage.worker.stop()
        self._until_quiet(1.0)
        self._look()
        self._phase, self._second = "done", ""
        self._stage.board.show(self.view())
        return code

    def record(self, worker_exit: int) -> RunRecord:
        """Everything that the run left behind, from the bucket too."""
        return RunRecord(
            script=self.script,
            epoch_s=self.epoch_s,
            written=self._written,
            messages=self._inbox.messages,
            ledger=archive.ledger(self._stage.world),
            anomalies=archive.anomalies(self._stage.world),
            charts=len(self._charts),
            put_s=self._put_s,
            unreadable=len(self._stage.listener.unreadable),
            worker_exit=worker_exit,
            zero_s=self._zero_s,
            outage=self._crash.outage if self._crash else None,
        )

    def last_chart(self) -> str | None:
        """The newest chart's key."""
        return self._charts[-1] if self._charts else None

    def view(self) -> View:
        """The present state."""
        now_s = self._measurement.offset_s if self._measurement else -UPLOAD_S
        outage = self._crash.outage if self._crash else None
        return View(
            phase=self._phase,
            second=self._second,
            script=self.script,
            epoch_s=self.epoch_s,
            measurement=self._measurement,
            charged=self._charger.charged(now_s),
            written=self._written,
            messages=self._inbox.messages,
            distinct=len(self._inbox.ids),
            found=self._inbox.told.found,
            charts=len(self._charts),
            link=self._stage.world.link(self._charts[-1]) if self._charts else "",
            latency=latency(self._inbox.messages[-RECENT:], self._put_s, outage),
            outage=outage,
        )

    def _measure(self, offset_s: int) -> None:
        while (wait_s := self._zero_s + offset_s - time.monotonic()) > 0:
            self._tick(min(TICK_S, wait_s))
        measurement = self._charger.measure(offset_s)
        self._put_s[self.epoch_s + offset_s] = time.monotonic()
        self._stage.world.put(measurement.item(self.epoch_s))
        self._measurement = measurement
        self._written += 1
        if self._crash is not None:
            # Show the fault before the kill that happens at its beginning.
            self._stage.board.show(self.view())
            self._crash.strike(offset_s)
        self._tick(0.0)

    def _tick(self, wait_s: float) -> None:
        """Do everything that happens beside the charge."""
        self._stage.pause(wait_s)
        self._stage.worker.check()
        if self._crash is not None:
            self._crash.look()
        for message in self._stage.listener.take():
            self._inbox.add(message, self.script, self.epoch_s)
        if time.monotonic() - self._looked_s >= LOOK_S:
            self._look()
        self._stage.board.show(self.view())

    def _recovering(self, calm_s: float) -> bool:
        """True from the kill until ``calm_s`` after the recovery."""
        outage = self._crash.outage if self._crash else None
        if outage is None or outage.going_on or outage.back_s is None:
            return outage is not None and outage.going_on
        return time.monotonic() - outage.back_s < calm_s

    def _look(self) -> None:
        self._charts = archive.charts(self._stage.world)
        self._looked_s = time.monotonic()

    def _until_quiet(self, quiet_s: float) -> None:
        begin_s = time.monotonic()
        while (now_s := time.monotonic()) < begin_s + SETTLE_TIMEOUT_S:
            if now_s - max(begin_s, self._stage.listener.heard_s) >= quiet_s:
                return
            self._tick(TICK_S)
