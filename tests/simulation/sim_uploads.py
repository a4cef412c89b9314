"""Bulk uploads: a device keeps what it measures and writes all of it at once, by one writer or by several."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from math import floor
from random import Random
from typing import Any

from sim_bundle import NORMAL_A, NORMAL_C
from sim_script import Write
from sim_workload import expected_class

SLOPE_A_S, SWING_A = 0.15, 2.0
"""A healthy charge whose current swings by so much, so fast: in order of time it is nothing, and if three of four
samples are missing it looks like jumps."""
STRANGE_A = 9.5


@dataclass(frozen=True, slots=True)
class Uploads:
    """``begin``, ``end``: of the measuring, epoch seconds. Every ``period_s`` each device measures; every ``every_s``
    it writes what it kept, beginning at a moment of its own.

    ``writers``: how many take items from a common queue, each with one call at a time of ``call_s`` (least, most) and
    seldom of ``slow_call_s``: with one the items are written in their order. ``strange``: samples of a device that are
    no healthy charge. ``device_keyed``: the table's key is the device alone, so every sample replaces the one before.
    """

    begin: float
    end: float
    devices: tuple[str | None, ...] = (None,)
    every_s: float = 300.0
    period_s: float = 1.0
    writers: int = 1
    strange: int = 0
    device_keyed: bool = False
    call_s: tuple[float, float] = (0.002, 0.006)
    slow_call_s: float = 0.15

    @property
    def disordered(self) -> bool:
        """Are a device's samples written out of order?"""
        return self.writers > 1

    @property
    def offsets_s(self) -> tuple[float, ...]:
        """All clocks are right."""
        return tuple(0.0 for _ in self.devices)

    def writes(self, rng: Random) -> list[Write]:
        """All changes of the table, in order of writing, no two at the same time."""
        drawn: list[tuple[float, str | None, float, float]] = []
        for device in self.devices:
            for start, batch in self._batches(rng):
                strange = set(rng.sample(range(len(batch)), min(self.strange, len(batch))) if self.strange else ())
                items = [(ts, STRANGE_A if row in strange else self._current_a(ts)) for row, ts in enumerate(batch)]
                drawn += [
                    (at, device, *item) for at, item in zip(self._calls(rng, start, len(items)), items, strict=True)
                ]
        drawn.sort(key=lambda each: each[0])
        found: list[Write] = []
        at = 0.0
        known: set[str | None] = set()
        for written, device, ts, current_a in drawn:
            at = max(written, at + 1e-5)
            found.append(self._write(at, device, ts, current_a, again=device in known))
            known.update([device] if self.device_keyed else [])
        return found

    def _batches(self, rng: Random) -> Iterator[tuple[float, list[float]]]:
        """When a device begins to write, and the times that it measured since it did the last time."""
        at = self.begin + rng.uniform(0.2, 1.0) * self.every_s
        kept: list[float] = []
        for row in range(int((self.end - self.begin) / self.period_s)):
            ts = floor(self.begin) + 1 + row * self.period_s
            if ts > at and kept:
                yield at, kept
                kept = []
            while at < ts:
                at += self.every_s
            kept.append(ts)
        if kept:
            yield max(at, kept[-1] + 0.1), kept

    def _calls(self, rng: Random, start: float, count: int) -> list[float]:
        """When each item of a queue is in the table. A writer that is free takes the next one."""
        free = [start] * self.writers
        done = []
        for _ in range(count):
            begun = heapq.heappop(free)
            call_s = self.slow_call_s if rng.random() < 0.01 else rng.uniform(*self.call_s)
            done.append(begun + call_s * rng.uniform(0.3, 1.0))
            heapq.heappush(free, begun + call_s)
        return done

    def _current_a(self, ts: float) -> float:
        way = (ts - self.begin) * SLOPE_A_S % (4 * SWING_A)
        return NORMAL_A - SWING_A + (way if way < 2 * SWING_A else 4 * SWING_A - way)

    def _write(self, at: float, device: str | None, ts: float, current_a: float, *, again: bool) -> Write:
        name = {"device": {"S": device}} if device is not None else {}
        number = f"{ts:.3f}".rstrip("0").rstrip(".")
        time = {"ts": {"N": number}}
        image: dict[str, Any] = {
            **time,
            **name,
            "current": {"N": f"{current_a:.3f}"},
            "temperature": {"N": f"{NORMAL_C:.2f}"},
        }
        keys, route = (name, str(device)) if self.device_keyed else ({**time, **name}, number)
        return Write(at, "MODIFY" if again else "INSERT", keys, image, expected_class(image, floor(at)), route)
