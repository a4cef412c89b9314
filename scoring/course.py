"""The course of a reading before a sample: what it led to, and since when it has been off.

A function of the samples of one tail alone, each tail by itself: it does not depend on the batch. Plain Python: it is
asked for anomalous samples only, and 36 numbers are too few for arrays to pay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from statistics import median_low
from typing import Literal

from scoring.config import BundleConfig, Change
from scoring.evidence import Past, session_of
from window.features import ROLLING

ReadingName = Literal["current", "temperature"]
READINGS: tuple[ReadingName, ...] = ("current", "temperature")
LEAST = 5
"""So many samples show a course; with fewer nothing is known of what was before."""
FASTEST_C_S = 1.0 / 60.0
"""A charge warms or cools a cell by no more than a degree a minute: `docs/models.md` says why."""
FASTEST_SHARE_S = 0.002
"""A current changes by no more than this share of itself a second in a normal charge: when it tails off at the end."""
_FLOOR_SHARE, _FLOOR_C, _LIMIT = 0.012, 0.06, 3.5
"""Where a bundle judges no changes: the scatter that counts at least, as a share of the currents in training and in
degrees Celsius, and how many times that is off."""
JUMP_C_S = 0.6
"""No cell of the size that a person can lift warms faster than this, in degrees a second: a sensor does."""
_MOST = 0.6
"""A jump makes at least this share of how far a reading went."""
_AT_FIRST = 15
"""The median of so many samples is what is usual, until enough of them have been seen to be normal."""
_REST = 3
"""More samples than this in their place end a swing."""
_AGAIN = 4
"""A reading that is off so many times, with little rest between, swings."""
_SLOPE_FROM = _RATE_OVER = 10
"""The slope of fewer samples than this is their noise."""


@dataclass(frozen=True, slots=True)
class Course:
    """One reading in a tail, in amperes or degrees Celsius; times are epoch seconds.

    ``ts`` and ``values``: the session's samples, newest last. ``expected``: what the normal ones among them lead to, at
    the time of the newest. ``reach``: a normal sample lies at most so far from that. ``scatter``: the standard
    deviation of the normal samples. ``excursions``: from which to before which place samples were off, in order.
    """

    reading: ReadingName
    ts: Sequence[float]
    values: Sequence[float]
    expected: float
    reach: float
    scatter: float
    excursions: tuple[tuple[int, int], ...]

    @property
    def now(self) -> float:
        """The newest reading."""
        return self.values[-1]

    @property
    def departed(self) -> float:
        """How far the newest reading lies from what was expected."""
        return self.now - self.expected

    @property
    def is_off(self) -> bool:
        """Is the newest reading off?"""
        return bool(self.excursions) and self.excursions[-1][1] == len(self.values)

    @property
    def is_back(self) -> bool:
        """Was it off a moment ago, so that the features of the newest sample still see that?"""
        return bool(self.excursions) and 0 < len(self.values) - self.excursions[-1][1] < ROLLING

    @property
    def extreme(self) -> float:
        """The value of the last excursion that went furthest."""
        first, end = self.excursions[-1]
        return max(self.values[first:end], key=lambda value: abs(value - self.before))

    @property
    def onset(self) -> int:
        """The place of the first sample of the last excursion; raises IndexError where there is none."""
        return self.excursions[-1][0]

    @property
    def before(self) -> float:
        """The reading before the last excursion; what was expected where that began the session."""
        return self.values[self.onset - 1] if self.onset else self.expected

    @property
    def jumped(self) -> bool:
        """Did it go off in one step, and faster than a cell can warm? A current is free to jump."""
        most = abs(self.extreme - self.before)
        step, elapsed_s = max(self._steps(), key=lambda each: abs(each[0]))
        fast = self.reading == "current" or abs(step) > JUMP_C_S * elapsed_s
        return fast and abs(step) >= _MOST * most

    @property
    def swing(self) -> int | None:
        """Where a reading began to be off to either side, or again and again, without rest between; None where it does
        not so now."""
        first, times = len(self.values), 0
        off: list[float] = []
        for begun, end in reversed(self.excursions):
            if first - end > _REST:
                break
            first, times = begun, times + 1
            off += self.values[begun:end]
        low, high = min(off, default=self.expected), max(off, default=self.expected)
        both = low < self.expected - self.reach / 2 and high > self.expected + self.reach / 2
        return first if both or times >= _AGAIN else None

    def rate(self) -> float:
        """The slope since the last excursion began, over its newest ten samples at most, per second: by least squares.
        Without an excursion, over the newest ten."""
        first = max(self.onset - 1 if self.excursions else 0, len(self.values) - _RATE_OVER, 0)
        return _slope(self.ts[first:], self.values[first:])

    def _steps(self) -> Iterator[tuple[float, float]]:
        """In the last excursion, the change of each sample against the one before it, and the seconds that took."""
        first, end = self.excursions[-1]
        if first == 0:
            yield self.values[0] - self.expected, 1.0
        for k in range(max(first, 1), end):
            yield self.values[k] - self.values[k - 1], self.ts[k] - self.ts[k - 1]


def courses(past: Past, row: int, config: BundleConfig) -> dict[ReadingName, Course]:
    """The courses of both readings up to one sample of ``past``; none where its session is too young, or too restless,
    to say what is normal."""
    tails = past.tails
    one = slice(row, row + 1)
    session = session_of(tails.take(one), config.evidence, config.features.session_gap_s)
    first = int(session.settled[0].argmax()) if session.settled[0].any() else len(session.settled[0])
    ts = tails.ts[row, first:].tolist()
    if len(ts) <= LEAST:
        return {}
    found: dict[ReadingName, Course] = {}
    for reading in READINGS:
        values = (tails.current_a if reading == "current" else tails.temperature_c)[row, first:].tolist()
        course = _course(reading, ts, values, *_floor_and_limit(reading, config))
        if course is None:
            return {}
        found[reading] = course
    return found


def _course(
    reading: ReadingName, ts: Sequence[float], values: Sequence[float], floor: float, limit: float
) -> Course | None:
    """Walk from the oldest sample on. A sample out of reach of what those before it lead to begins an excursion, with
    those just before it that were half as far away; one that is back within half the reach ends it. None where too few
    samples are normal."""
    normal = _Normal(reading, ts[0], values[0], floor, limit)
    usual = median_low(values[:_AT_FIRST])
    if reading == "temperature" and _is_ramp(ts[:_AT_FIRST], values[:_AT_FIRST], limit * floor):
        # The tail begins within a heating: all of it is off from where it began.
        return Course(reading, ts, values, values[0], limit * floor, floor, ((0, len(ts)),))
    excursions: list[tuple[int, int]] = []
    doubtful: int | None = None
    begun: int | None = None
    for k, (at, value) in enumerate(zip(ts, values, strict=True)):
        # Most of the first samples are normal, though the tail may begin within a fault that is over.
        known = normal.count >= LEAST
        away = abs(value - (normal.at(at) if known else usual))
        if begun is not None and away > normal.reach / 2:
            continue
        if begun is not None:
            excursions.append((begun, k))
            begun = None
        if away > normal.reach:
            begun = k if doubtful is None else doubtful
        elif known and away > normal.reach / 2:
            doubtful = k if doubtful is None else doubtful
        else:
            for each in range(k if doubtful is None else doubtful, k + 1):
                normal.add(ts[each], values[each])
            doubtful = None
    if begun is not None:
        excursions.append((begun, len(ts)))
    if normal.count < LEAST:
        return None
    return Course(reading, ts, values, normal.at(ts[-1]), normal.reach, normal.scatter, tuple(excursions))


def _is_ramp(ts: Sequence[float], values: Sequence[float], reach: float) -> bool:
    """Do temperatures go one way, faster than in a normal charge and not in one step?"""
    if len(values) < _AT_FIRST or abs(_slope(ts, values)) <= 2.0 * FASTEST_C_S:
        return False
    steps = [abs(after - before) for before, after in pairwise(values)]
    return abs(values[-1] - values[0]) > max(reach, 2.0 * max(steps))


class _Normal:
    """A line through normal samples, with no more slope than a normal charge has, and their scatter around it. Sums are
    relative to the first sample, which keeps their digits."""

    def __init__(self, reading: ReadingName, ts: float, value: float, floor: float, limit: float) -> None:
        self._reading, self._floor, self._limit = reading, floor, limit
        self._ts, self._value = ts, value
        self.count = 0
        self._t = self._v = self._tt = self._tv = self._vv = 0.0
        self._slope, self.reach, self.scatter = 0.0, limit * floor, 0.0

    def add(self, ts: float, value: float) -> None:
        """One more normal sample."""
        t, v = ts - self._ts, value - self._value
        self.count += 1
        self._t, self._v = self._t + t, self._v + v
        self._tt, self._tv, self._vv = self._tt + t * t, self._tv + t * v, self._vv + v * v
        n = self.count
        spread = self._tt - self._t * self._t / n
        along = self._tv - self._t * self._v / n
        if n >= _SLOPE_FROM and spread > 0.0:
            mean = self._value + self._v / n
            fastest = FASTEST_C_S if self._reading == "temperature" else FASTEST_SHARE_S * abs(mean)
            self._slope = max(-fastest, min(fastest, along / spread))
        squares = self._vv - self._v * self._v / n - 2.0 * self._slope * along + self._slope * self._slope * spread
        self.scatter = sqrt(max(0.0, squares / n))
        self.reach = self._limit * sqrt(self.scatter * self.scatter + self._floor * self._floor)

    def at(self, ts: float) -> float:
        """Where the line leads to."""
        n = self.count
        return self._value + self._v / n + self._slope * (ts - self._ts - self._t / n)


def _floor_and_limit(reading: ReadingName, config: BundleConfig) -> tuple[float, float]:
    """The scatter that counts at least, and how many times that is off: those of the bundle's most sensitive change."""
    changes: Sequence[Change] = () if config.evidence is None else config.evidence.changes
    own = [change for change in changes if change.reading == reading]
    if own:
        finest = min(own, key=lambda change: change.limit * change.floor)
        return finest.floor, finest.limit
    low, high = config.training_range.current_a
    return (_FLOOR_SHARE * (high - low) if reading == "current" else _FLOOR_C), _LIMIT


def _slope(ts: Sequence[float], values: Sequence[float]) -> float:
    """The slope of samples, by least squares; 0 where there is none."""
    middle, mean = sum(ts) / len(ts), sum(values) / len(values)
    spread = sum((at - middle) ** 2 for at in ts)
    if spread == 0.0:
        return 0.0
    return sum((at - middle) * (value - mean) for at, value in zip(ts, values, strict=True)) / spread
