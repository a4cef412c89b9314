"""Samples of an upload wait a moment for those that belong before them (rule 23 of the order).

Several writers, or shard nodes whose clocks differ, write what a device kept a little out of order, across the seconds
that order the merge. So a sample that comes later than its device's samples usually do waits `WAIT_S` in a heap of its
device, from which the earliest ``ts`` leaves first. A sample on time joins the heap while there is one, as it would
overtake the others, and leaves right behind them. Late and future records, and what the table delivers, never wait.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import floor, inf

import numpy as np
from numpy.typing import NDArray

from window.released import Released, joined
from window.samples import Kind, Names

WAIT_S = 1.0
"""How many seconds of stamps must have gone by, whole ones, after the one of the sample. In the model of decision 0017
nothing is gained by two."""
LATER_THAN_USUAL_S = 2.0
"""A sample waits if it comes so much later than its device's samples usually do. *created* has whole seconds."""
MOST_HELD = 10_000
"""Samples that wait, of all devices. Beyond it, a sample of the device that has waited longest leaves."""
MOST_BLOCKS = 64
"""Blocks of records that are kept because a sample of them waits."""
MINUTE_S = 60.0
MINUTES = 5
"""A device's usual delay is the least of so many of its latest minutes, the present one not counted."""
ON_TIME_S = 1.0
"""A smaller delay counts as none."""
Delays = Mapping[str, list[int]]
"""By device: the minute of the last sample, the least delay in it, and those of the minutes before, in seconds."""


@dataclass(slots=True)
class _Delay:
    """How late a device's samples come. ``minute``: of the last one, by stamps; ``least``: the least delay in it;
    ``before``: those of the `MINUTES` before. All in whole seconds, at first 0."""

    minute: int
    least: int
    before: list[int] = field(default_factory=lambda: [0] * MINUTES)

    def turn(self, minute: int) -> None:
        if minute > self.minute:
            self.before = [*self.before[1:], self.least]
            self.minute, self.least = minute, -1

    @property
    def usual(self) -> int:
        return min(self.before)

    @property
    def none(self) -> bool:
        return self.least <= 0 and not any(self.before)


@dataclass(order=True, slots=True)
class _Held:
    """A sample that waits, since ``stamp``. It leaves after ``due``, if none of its device has an earlier ``ts``."""

    ts: float
    arrival: int
    stamp: float = field(compare=False)
    due: float = field(compare=False)
    block: int = field(compare=False)
    row: int = field(compare=False)
    shard: int = field(compare=False)


class Reorder:
    """Lets records in merged order through, and holds samples of uploads back for a moment.

    What leaves depends on the records and their stamps alone, never on where a block of them ends.
    """

    def __init__(self) -> None:
        self._delays: dict[int, _Delay] = {}
        self._held: dict[int, list[_Held]] = {}
        self._next: list[tuple[float, int, int]] = []
        """When the first sample of a device leaves, its arrival and its device. Entries of samples that are not the
        first any more are void."""
        self._blocks: dict[int, Released] = {}
        self._arrivals = 0
        self._passed = -inf
        """The watermark that was reached."""
        self.count = 0
        """The samples that wait."""
        self._of_shard: Counter[int] = Counter()

    def holds(self, shard: int) -> bool:
        """Does a sample of the shard, by its code, wait?"""
        return self._of_shard[shard] > 0

    def drop(self, shard: int) -> None:
        """The samples of a shard that wait are void."""
        for device in [*self._held]:
            self._void(device, lambda held: held.shard == shard)
        del self._of_shard[shard]

    def waiting_since(self) -> dict[int, float]:
        """By device code: the stamp of its first sample that waits. The device was alive then."""
        return {device: min(held.stamp for held in heap) for device, heap in self._held.items()}

    def delays(self, names: Names) -> dict[str, list[int]]:
        """How late the devices' samples come, of those that are not on time: for the head."""
        return {
            names[device]: [at.minute, at.least, *at.before]
            for device, at in sorted(self._delays.items())
            if not at.none
        }

    def restore(self, delays: Delays, names: Names) -> None:
        """Go on with the `delays` of the last owner. What was learnt since of a device is newer, and stays."""
        for name, (minute, least, *before) in delays.items():
            own = self._delays.get(names.code(name))
            if own is None or own.minute < minute:
                self._delays[names.code(name)] = _Delay(minute, least, before)

    def through(self, records: Released | None, until: float) -> Released | None:
        """Records in merged order, or None, come; returns those that leave, in order, or None. ``until``: samples that
        wait leave when their time lies below this stamp."""
        passed, self._passed = self._passed, max(self._passed, until if until < inf else -inf)
        if records is not None and not self._held and not self._late(records).any():
            return records
        if records is None and self._due >= until:
            return None
        leaving = _Leaving(self._blocks)
        if records is not None:
            self._enter(records, passed, leaving)
        self._release(until, leaving)
        left = leaving.records()
        if not self._held:
            self._blocks.clear()
        elif len(self._blocks) > MOST_BLOCKS:
            self._compact()
        return left

    def _late(self, records: Released) -> NDArray[np.bool_]:
        """Which of the records have a delay, shape (n,), or belong to a device whose delays are known."""
        samples = records.samples
        late: NDArray[np.bool_] = (samples.kind == Kind.SAMPLE) & (samples.created - samples.ts > ON_TIME_S)
        if self._delays:
            late |= np.isin(samples.device, [*self._delays])
        return late

    def _enter(self, records: Released, passed: float, leaving: _Leaving) -> None:
        number = max(self._blocks, default=0) + 1
        self._blocks[number] = records
        samples = records.samples
        for row, (device, stamp, ts, created, kind, shard) in enumerate(
            zip(
                samples.device.tolist(),
                records.stamp.tolist(),
                samples.ts.tolist(),
                samples.created.tolist(),
                samples.kind.tolist(),
                samples.shard.tolist(),
                strict=True,
            )
        ):
            if self._held:
                self._release(stamp, leaving)
            later = kind == Kind.SAMPLE and self._learn(device, created - ts, stamp)
            # One below the watermark is out of order already, against a promise of idleness. With the stamp of its
            # leaving nobody would see and count that. What it is written over leaves before it all the same.
            if stamp >= passed and (later or (kind == Kind.SAMPLE and device in self._held)):
                due = stamp + WAIT_S if later else stamp
                self._hold(device, _Held(ts, self._arrivals, stamp, due, number, row, shard))
                if self.count > MOST_HELD:
                    leaving.add(self._pop(next(iter(self._held))), stamp)
            else:
                if kind == Kind.SAMPLE and device in self._held:
                    self._let_go(device, ts, stamp, leaving)
                leaving.pass_on(number, row, stamp)

    def _let_go(self, device: int, ts: float, stamp: float, leaving: _Leaving) -> None:
        """Let the samples leave that wait and have this ``ts``: an earlier version of a sample comes before a later."""
        for held in sorted(held for held in self._held[device] if held.ts == ts):
            leaving.add(held, stamp)
        self._void(device, lambda held: held.ts == ts)

    def _learn(self, device: int, delay: float, stamp: float) -> bool:
        """Note a sample's delay; True if it comes later than is usual for its device."""
        seconds = floor(delay) if delay > ON_TIME_S else 0
        at = self._delays.get(device)
        if at is None:
            if seconds == 0:
                return False
            at = self._delays[device] = _Delay(int(stamp // MINUTE_S), -1)
        at.turn(int(stamp // MINUTE_S))
        at.least = seconds if at.least < 0 else min(at.least, seconds)
        later = delay - at.usual > LATER_THAN_USUAL_S
        if at.none and not later:
            del self._delays[device]
        return later

    def _hold(self, device: int, held: _Held) -> None:
        heap = self._held.setdefault(device, [])
        heapq.heappush(heap, held)
        self._arrivals += 1
        self.count += 1
        self._of_shard[held.shard] += 1
        if heap[0] is held:
            self._first_changed(device)

    @property
    def _due(self) -> float:
        """When the next sample leaves; infinite where none waits."""
        while self._next:
            due, arrival, device = self._next[0]
            if device in self._held and self._held[device][0].arrival == arrival:
                return due
            heapq.heappop(self._next)
        return inf

    def _release(self, until: float, leaving: _Leaving) -> None:
        """Let the samples leave whose second is over: the watermark, or the next record, lies above it."""
        while (due := self._due) < until:
            leaving.add(self._pop(self._next[0][2]), due)

    def _pop(self, device: int) -> _Held:
        held = heapq.heappop(self._held[device])
        self.count -= 1
        self._of_shard[held.shard] -= 1
        self._first_changed(device)
        return held

    def _void(self, device: int, void: Callable[[_Held], bool]) -> None:
        """Take the samples out that are ``void``."""
        rest = []
        for held in self._held[device]:
            if void(held):
                self.count -= 1
                self._of_shard[held.shard] -= 1
            else:
                rest.append(held)
        heapq.heapify(rest)
        self._held[device] = rest
        self._first_changed(device)

    def _first_changed(self, device: int) -> None:
        heap = self._held[device]
        if heap:
            heapq.heappush(self._next, (heap[0].due, heap[0].arrival, device))
        else:
            del self._held[device]

    def _compact(self) -> None:
        """One block of all that waits: a block stays while one sample of it does."""
        waiting = [held for heap in self._held.values() for held in heap]
        rows = _Leaving(self._blocks)
        for row, held in enumerate(waiting):
            rows.add(held, row)
        whole = rows.records()
        assert whole is not None
        self._blocks = {1: whole}
        for row, held in enumerate(waiting):
            held.block, held.row = 1, row


class _Leaving:
    """Collects the rows that leave, in order, out of several blocks."""

    def __init__(self, blocks: Mapping[int, Released]) -> None:
        self._blocks = blocks
        self._rows: list[tuple[int, int]] = []
        self._stamps: list[float] = []

    def add(self, held: _Held, stamp: float) -> None:
        """A sample that waited leaves at this stamp."""
        self.pass_on(held.block, held.row, stamp)

    def pass_on(self, block: int, row: int, stamp: float) -> None:
        """A row of a block leaves."""
        self._rows.append((block, row))
        self._stamps.append(max(stamp, self._stamps[-1]) if self._stamps else stamp)

    def records(self) -> Released | None:
        """All of them; None where there are none."""
        if not self._rows:
            return None
        numbers = np.array([block for block, _ in self._rows])
        rows = np.array([row for _, row in self._rows])
        parts, places = [], []
        for number in np.unique(numbers):
            own = np.flatnonzero(numbers == number)
            parts.append(self._blocks[int(number)].take(rows[own]))
            places.append(own)
        whole = joined(parts)
        order = np.empty(len(rows), np.intp)
        order[np.concatenate(places)] = np.arange(len(rows))
        found = whole.take(order)
        return Released(found.samples, np.array(self._stamps), found.sequence)
