"""Someone who writes to the table all the time, whatever becomes of those who read it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from random import Random
from types import TracebackType
from typing import Any

from demo.world import TABLE

BEHIND_S, MOST_AHEAD_S = 20 * 60.0, 60.0
"""A charger that was offline uploads what it has missed, faster than time goes by."""
PERIOD_S = 0.5
PAUSE_S = 0.03
BRANCHES = (
    (0.03, "fault"),
    (0.03, "modified"),
    (0.02, "malformed"),
    (0.01, "late"),
    (0.01, "removed"),
)


class Writer:
    """A quiet charge, two samples a second of its own clock, with a few faults, samples written again with other
    readings, records that are no samples, samples of yesterday, and removals. A context manager: it writes meanwhile.

    ``pause_s``: between two records. ``written`` counts what the worker has to make of it, by class of the ledger.
    """

    def __init__(self, account: Any, seed: int, *, pause_s: float = PAUSE_S) -> None:
        self._account = account
        self._rng = Random(seed)
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._error: BaseException | None = None
        self._ts = int(time.time()) - BEHIND_S
        self._hot = 0
        self._recent: list[str] = []
        self.written: Counter[str] = Counter()
        self.ended = 0.0
        """When it stopped, epoch seconds."""

    @property
    def records(self) -> int:
        """How many records the stream has got."""
        return sum(self.written.values())

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(30.0)
        self.ended = time.time()
        if kind is None:
            assert not self._thread.is_alive()
            assert self._error is None, f"the writer failed: {self._error!r}"

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._write(self._draw())
                self._stop.wait(self._pause_s)
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._error = error

    def _draw(self) -> str:
        chance = self._rng.random()
        for share, what in BRANCHES:
            if chance < share:
                return what
            chance -= share
        return "sample"

    def _write(self, what: str) -> None:
        at = int(time.time())
        if what in ("modified", "removed") and self._recent:
            row = self._rng.randrange(max(0, len(self._recent) - 40), len(self._recent))
            if what == "removed":
                self._account.world.aws.dynamodb.delete_item(TableName=TABLE, Key={"ts": {"N": self._recent.pop(row)}})
                self.written["ignored"] += 1
                return
            # Never the same readings again: DynamoDB writes no record for a change that changes nothing.
            reading = self._rng.choice([25.0, 61.0]) + self._rng.uniform(0.001, 0.9)
            self._account.put(self._recent[row], self._current(), f"{reading:.6f}")
            self.written["scored"] += 1
        elif what == "late":
            self._account.put(at - 86_400 - self.written["late"], self._current(), "25.0")
            self.written["late"] += 1
        else:
            self._sample(what)

    def _sample(self, what: str) -> None:
        self._ts += PERIOD_S
        while self._ts > time.time() + MOST_AHEAD_S and not self._stop.wait(0.1):
            pass
        ts = repr(self._ts).removesuffix(".0")
        if what == "malformed":
            broken: Any = self._rng.choice([{"S": "n/a"}, None, "3.4e38"])
            self._account.put(ts, self._current(), broken)
            self.written["quarantined"] += 1
            return
        if what == "fault":
            self._hot = self._rng.randint(1, 3)
        self._hot -= 1
        temperature_c = (61.5 if self._hot >= 0 else 25.0) + self._rng.uniform(-0.05, 0.05)
        self._account.put(ts, self._current(), f"{temperature_c:.3f}")
        self._recent.append(ts)
        self.written["scored"] += 1

    def _current(self) -> str:
        return f"{2.5 + self._rng.uniform(-0.01, 0.01):.4f}"
