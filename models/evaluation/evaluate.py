"""Judges a detector on labelled charges: false episodes, faults found, delay, time in alarm.

Pure: series in, figures out. A bundle is judged by the worker's own scoring path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.recordings import Series
from models.data.sessions import hours
from models.evaluation.faults import CATALOGUE, Grade, Trial, trials
from reporting.anomaly.episode import QUIET_S
from scoring.bundle import Bundle
from scoring.config import Range
from scoring.scorer import Scorer
from window.samples import Samples, concat

Flags = NDArray[np.bool_]
Detector = Callable[[Sequence[Samples]], list[Flags]]
"""From sessions, which are independent, to the samples of each that alarm."""
LEAST_SAMPLES = 400
_BATCH = 20_000


@dataclass(frozen=True, slots=True)
class FaultResult:
    """Faults of one kind and strength: how many there were, how many were found, and the median delay of those."""

    fault: str
    strength: float
    lasts_s: float
    count: int
    found: int
    delay_s: float | None


@dataclass(frozen=True, slots=True)
class DetectorFigures:
    """One detector's figures. ``alarm_share``: share of the normal samples that alarm. ``known``: faults that labels
    name. ``injected``: faults put into healthy sessions."""

    name: str
    hours: float
    false_episodes: int
    alarm_share: float
    known: FaultResult | None
    injected: tuple[FaultResult, ...]

    @property
    def false_per_hour(self) -> float:
        """False episodes per charge-hour."""
        return self.false_episodes / self.hours if self.hours else float("nan")

    @property
    def recall(self) -> float:
        """Share of the injected faults that were found."""
        count = sum(row.count for row in self.injected)
        return sum(row.found for row in self.injected) / count if count else float("nan")


@dataclass(frozen=True, slots=True)
class Exam:
    """The material that detectors are judged on: series, and trials with faults put into their healthy sessions."""

    series: Sequence[Series]
    trials: Sequence[Trial]
    plausible: Range


def exam(series: Sequence[Series], plausible: Range, *, gap_s: float, seed: int, per_grade: int) -> Exam:
    """An exam with ``per_grade`` faults of each grade of the catalogue, 0 for none. Raises ValueError if none fits."""
    made: list[Trial] = []
    if per_grade:
        healthy = [s for one in series for s in one.healthy(gap_s=gap_s, least=LEAST_SAMPLES, within=plausible)]
        made = trials(healthy, seed, count=per_grade)
    return Exam(series, made, plausible)


def of_bundle(bundle: Bundle) -> Detector:
    """The bundle as the worker runs it."""

    def detect(sessions: Sequence[Samples]) -> list[Flags]:
        found: list[Flags] = []
        for batch in _batches(sessions):
            scorer = Scorer(bundle)
            joined = concat([s.of_device(code) for code, s in enumerate(batch)])
            alarms = []
            while len(joined):
                scored, count = scorer.take(joined, most_anomalies=len(joined) + scorer.touches)
                alarms.append(scored.verdicts.anomaly)
                joined = joined.take(slice(count, None))
            ends = np.cumsum([len(s) for s in batch])[:-1]
            found += np.split(np.concatenate(alarms), ends)
        return found

    return detect


def judge(name: str, detect: Detector, on: Exam) -> DetectorFigures:
    """Run a detector over an exam.

    A sample that the worker quarantines counts as an alarm, as the worker publishes an event about it. An episode is
    false if no part of it lies in a labelled fault or in the minute after one. A fault is found by an alarm between its
    onset and its end; the edge after it does not count.
    """
    broken = [~one.plausible(on.plausible) for one in on.series]
    good = [one.samples.take(~bad) for one, bad in zip(on.series, broken, strict=True)]
    false = normal = alarming = 0
    delays: list[float | None] = []
    for one, bad, said in zip(on.series, broken, detect(good), strict=True):
        alarm = bad.copy()
        alarm[~bad] = said
        ts, excused = one.samples.ts, one.fault.copy()
        for first, last in runs(one.fault):
            excused |= (ts >= ts[first]) & (ts <= ts[last] + QUIET_S)
            delays.append(_delay(alarm, ts, first, last))
        false += episodes(ts, alarm, excused)
        normal += int((~excused).sum())
        alarming += int((alarm & ~excused).sum())
    known = _found("labelled", 0.0, 0.0, delays) if delays else None
    return DetectorFigures(
        name,
        hours([one.samples for one in on.series]),
        false,
        alarming / normal if normal else 0.0,
        known,
        tuple(injected(detect, on.trials)),
    )


def injected(detect: Detector, on: Sequence[Trial]) -> list[FaultResult]:
    """What a detector finds of the faults in trials, one row per grade."""
    by: dict[Grade, list[float | None]] = {}
    for trial, alarm in zip(on, detect([t.samples for t in on]), strict=True):
        by.setdefault(trial.grade, []).append(_delay(alarm, trial.samples.ts, trial.first, trial.last))
    return [_found(g.fault, g.strength, g.lasts_s, by[g]) for g in CATALOGUE if g in by]


def _found(fault: str, strength: float, lasts_s: float, delays: Sequence[float | None]) -> FaultResult:
    found = [delay for delay in delays if delay is not None]
    return FaultResult(
        str(fault), strength, lasts_s, len(delays), len(found), float(np.median(found)) if found else None
    )


def _delay(alarm: Flags, ts: NDArray[np.float64], first: int, last: int) -> float | None:
    hits = np.flatnonzero(alarm[first : last + 1])
    return float(ts[first + hits[0]] - ts[first]) if len(hits) else None


def episodes(ts: NDArray[np.float64], alarm: Flags, excused: Flags) -> int:
    """The number of episodes in one device's alarms. An episode closes after `QUIET_S` without an alarm. Episodes with
    an excused sample are not counted."""
    rows = np.flatnonzero(alarm)
    number = np.cumsum(np.diff(ts[rows], prepend=-np.inf) > QUIET_S)
    return len(set(number.tolist()) - set(number[excused[rows]].tolist()))


def runs(flags: Flags) -> list[tuple[int, int]]:
    """First and last row of each run of true flags."""
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(edges == 1).tolist(), (np.flatnonzero(edges == -1) - 1).tolist(), strict=True))


def _batches(sessions: Sequence[Samples]) -> list[list[Samples]]:
    found: list[list[Samples]] = []
    size = _BATCH
    for session in sessions:
        if size >= _BATCH:
            found.append([])
            size = 0
        found[-1].append(session)
        size += len(session)
    return found
