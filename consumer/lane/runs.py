"""Runs: leading records of one class, as many as can be processed at once with the same result as one by one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consumer.lane.parts import Parts
from consumer.lane.timers import Timers
from reporting.health.notice import Notice
from reporting.health.watch import Observation
from window.released import Released
from window.samples import Codes, Floats, Kind, Samples

LONGEST_RUN, SHORTEST_RUN = 2048, 32
"""Records scored at once. If many are anomalous, the room of a commit ends the run earlier, and the rest is scored
again: then the next runs are shorter, down to the lower limit."""
MOST_DEVICES = 200
"""Devices of a run. A run cannot be interrupted by the end of a turn (rule 26), and each device in it costs about as
much as 20 records: together some 60 ms."""
MOST_NOTICES = 10
"""A run causes at most this many notices, so that they fit into a commit (`consumer.lane.commit_builder`)."""


@dataclass(frozen=True, slots=True)
class Run:
    """Records of one class in merged order, and what is known of them before they are processed.

    ``times``: the stamp at which each record shows that its device is alive, shape (n,); ``seen``: what they mean for
    health; ``reread``: they were committed before a restart; ``duplicate``: one record that the window has already.
    """

    records: Released
    times: Floats
    seen: Observation
    reread: bool
    duplicate: bool

    def __len__(self) -> int:
        return len(self.records)

    @property
    def kind(self) -> Kind:
        """Their kind according to health: a late sample of a device with a known wrong clock is a sample."""
        return Kind(int(self.seen.kind[0]))

    @property
    def samples(self) -> Samples:
        """The records with that kind."""
        return self.records.samples.of_kind(self.seen.kind)

    @property
    def sets_back(self) -> bool:
        """True if the first record shows that its device's clock is further behind than before."""
        return bool(self.seen.set_back) and self.seen.set_back[0] == 0

    def told(self, notices: Iterable[Notice]) -> Run:
        """With notices of its first record that only its scoring has shown."""
        first = ((0, notice) for notice in notices)
        return replace(self, seen=replace(self.seen, notices=(*self.seen.notices, *first)))

    def leading(self, count: int) -> Run:
        """The first ``count`` records. Then `Runs.settled` must update what is known of them."""
        return replace(self, records=self.records.take(slice(0, count)))


class Runs:
    """Finds the next run of the released records. It changes nothing: records after the run wait.

    Processing is per record, only scoring is batched (rule 4). So a run ends at a record that must be processed before
    the next one can be judged.
    """

    def __init__(self, parts: Parts, timers: Timers) -> None:
        self._parts = parts
        self._timers = timers
        self._longest = LONGEST_RUN

    def next(self, ready: Released) -> Run:
        """The first run of ``ready``. ``ready`` has at least one record, and so does the run."""
        parts = self._parts
        records = ready.take(slice(0, self._longest))
        records = records.take(slice(0, _of_few_devices(records.samples.device)))
        again = parts.shards.reread.rows(records)
        reread = bool(again[0])
        in_time = int(np.searchsorted(records.stamp, self._timers.before(float(records.stamp[0]))))
        records = records.take(slice(0, min(_run_length(again), max(1, in_time))))
        passed = np.minimum(records.stamp, parts.shards.merge.unread)
        records = records.take(slice(0, parts.watch.reach(records.samples, parts.processed.times(records), passed)))
        kinds = parts.single_device.classes(records.samples, records.stamp)
        records = replace(records, samples=records.samples.of_kind(kinds))
        duplicate = not reread and self._met_before(records)
        if duplicate:
            records = records.take(slice(0, 1))
        times = parts.processed.times(records)
        run = Run(records, times, parts.watch.observe(records.samples, times), reread, duplicate)
        return self._of_one_class(run)

    def scored(self, offered: int, taken: int) -> None:
        """Of ``offered`` records that were scored, ``taken`` count. The others are scored again, so offer fewer; and
        again more once all count."""
        longest = 2 * taken if taken < offered else 2 * self._longest
        self._longest = min(LONGEST_RUN, max(SHORTEST_RUN, longest))

    def settled(self, run: Run) -> Run:
        """A run after it was cut to the records that are processed: what these mean for health without the others."""
        if len(run) == len(run.seen.kind):
            return run
        times = run.times[: len(run)]
        return replace(run, times=times, seen=self._parts.watch.observe(run.records.samples, times))

    @staticmethod
    def _of_one_class(run: Run) -> Run:
        """The leading records that have one kind, cause few notices, and set no clock back."""
        seen, count = run.seen, len(run)
        if len(seen.notices) > MOST_NOTICES:
            count = min(count, max(1, seen.notices[MOST_NOTICES][0]))
        count = min(count, next((row for row in seen.set_back if row), count))
        return run.leading(_run_length(seen.kind[:count]))

    def _met_before(self, records: Released) -> bool:
        """Does the window have the first record already, with the same values (rule 19)? Table and stream may both
        deliver a sample of a gap. The table's copy is then dropped, and the stream's is a duplicate."""
        first = records.samples.take(slice(0, 1))
        kind = Kind(int(first.kind[0]))
        twice = kind is Kind.BACKFILL or (kind is Kind.SAMPLE and self._parts.shards.gaps.covers(float(first.ts[0])))
        return twice and self._parts.scorer.windows.holds(first)


def _of_few_devices(device: Codes) -> int:
    """How many leading records are of at most `MOST_DEVICES` devices."""
    _, first = np.unique(device, return_index=True)
    return len(device) if len(first) <= MOST_DEVICES else int(np.sort(first)[MOST_DEVICES])


def _run_length(values: NDArray[Any]) -> int:
    """How many leading values are equal to the first."""
    other = np.flatnonzero(values != values[0])
    return int(other[0]) if len(other) else len(values)
