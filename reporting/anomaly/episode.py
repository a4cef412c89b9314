"""An episode: adjacent anomalous samples of a device that show one kind of fault, and what was told of it.

Pure. What an episode says is a function of its samples as they are judged now: in whatever order they came, and however
often they were written again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil, inf

from scoring.faults import FaultKind
from scoring.severity import Severity

QUIET_S = 60.0
"""An anomalous sample further from an episode than this does not belong to it."""
CLOSED_AFTER_S = QUIET_S + 5.0
"""An episode closes when its last record is so old: a device may send once a minute, and not quite on time."""
COOL_DOWN_S = 300.0
"""An episode that comes back within so long after its quiet minute opens again: it is no new incident."""
FLAP_S = 600.0
"""An episode is told to open at most once in so long, and to be over at most once (rule 30)."""
ONGOING_S = 300.0
"""How often an open episode has a step ``ongoing``."""
WEAK_SAMPLES = 3
"""So many weak anomalies in a row open an episode."""


class State(StrEnum):
    """The state of an episode. Suspected: weak evidence alone so far, and no message. Closed: it may open again."""

    SUSPECTED = "suspected"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """An anomalous sample. ``stamp``: of its record alone, whatever its shard holds besides. ``strong``: it opens an
    episode by itself. ``again``: it was anomalous before and was scored again. ``late``: it was scored again, or came
    out of order. ``kind``: what is wrong; ``reading``: its reading and what was usual before it; None where no reading
    grades the kind (`reporting.anomaly.faults`)."""

    ts: float
    stamp: float
    severity: Severity
    strong: bool
    again: bool = False
    late: bool = False
    kind: FaultKind = FaultKind.UNUSUAL_PATTERN
    reading: tuple[float, float] | None = None

    def rank(self, usual: float | None) -> tuple[Severity, float, float]:
        """What is worse has more: of two that are equal the first is worse. ``usual``: before the episode began."""
        far = 0.0 if self.reading is None or usual is None else abs(self.reading[0] - usual)
        return self.severity, round(far, 3), -self.ts


@dataclass(frozen=True, slots=True)
class Episode:
    """One episode. Times are epoch seconds. The head stores it by the names of its fields.

    What its samples say: ``opened``, ``last`` and ``peak``, the time of its first anomalous sample, of its latest, and
    of its worst (the first of its highest ``severity`` that went furthest); ``worst``, the reading of that one, and
    ``usual``, what was usual before the first one, None where no reading grades the ``kind``; ``samples``, how many are
    anomalous.

    ``stamp``: of the record of its latest sample; ``told``: of its latest step; both in whole seconds. ``steps``: how
    many it had. ``opened_last``: when it opened last, None if with its first sample. ``reopened``: how often it opened
    again. ``revision``: how many records that came late or were written again have changed it.

    ``origin``: the time its id is made of, None for that of its first sample. ``held``: how often it came back without
    a word since it was told to be over. ``amended``: what was told at its close is no longer so. ``opened_told`` and
    ``closed_told``: event time of the last opening or escalation that was told, and of the last close. ``withdrawn``:
    it was told last that none of its samples is anomalous any more. ``loudest``: the highest severity that was told.
    ``said``: time of its latest message, never before that of another one of its device.
    """

    device: str
    opened: float
    last: float
    peak: float
    stamp: int
    severity: Severity = Severity.LOW
    state: State = State.SUSPECTED
    samples: int = 0
    told: int = 0
    steps: int = 0
    opened_last: float | None = None
    reopened: int = 0
    revision: int = 0
    kind: FaultKind = FaultKind.UNUSUAL_PATTERN
    usual: float | None = None
    worst: float | None = None
    origin: float | None = None
    held: int = 0
    amended: bool = False
    opened_told: float | None = None
    closed_told: float | None = None
    withdrawn: bool = False
    loudest: Severity | None = None
    said: float | None = None

    @property
    def id(self) -> str:
        """The id: a function of the device, the kind and the time of the sample that was seen first."""
        return hashlib.sha256(f"{self.device}\n{self.kind}\n{self.start!r}".encode()).hexdigest()[:16]

    @property
    def start(self) -> float:
        """The time of the sample that was seen first: an earlier one that comes late does not change it."""
        return self.opened if self.origin is None else self.origin

    @property
    def shown(self) -> float:
        """When it opened last: the chart shows that time."""
        return self.start if self.opened_last is None else self.opened_last

    @property
    def announced(self) -> bool:
        """Was it told that it is open?"""
        return self.state is State.OPEN and not self.held and not self.amended

    @property
    def due(self) -> float:
        """The stamp of its next step if no anomalous sample comes before; infinite where none is due."""
        if self.state is not State.OPEN:
            return inf
        over, again = self.stamp + self.over_in, self.stamp + max(0.0, self.again_in)
        if self.held and again <= self.stamp + CLOSED_AFTER_S:
            return again
        # While it may only not be told that it is over, it does not go on.
        ongoing = self.told + ONGOING_S if self.announced else inf
        return min(over, ongoing) if ongoing <= self.stamp + CLOSED_AFTER_S else over

    @property
    def due_at(self) -> float:
        """Event time of that step."""
        return self.last + self.due - self.stamp

    @property
    def over_in(self) -> float:
        """How long after its latest sample it is told to be over if nothing comes, seconds."""
        free_in = -inf if self.closed_told is None else self.closed_told + FLAP_S - self.last
        return max(CLOSED_AFTER_S if self.samples else 0.0, free_in)

    def is_over_at(self, ts: float) -> bool:
        """Is it told to be over when a sample at ``ts`` comes? By the samples' own times a quiet minute is enough."""
        wait_s = self.over_in if self.over_in > CLOSED_AFTER_S else QUIET_S
        return self.state is State.OPEN and self.last + wait_s < ts

    @property
    def again_in(self) -> float:
        """How long after its latest sample it may be told to have opened again, seconds; not positive: now."""
        return -inf if self.opened_told is None else self.opened_told + FLAP_S - self.last

    @property
    def until(self) -> float:
        """Samples up to here may belong to it, epoch seconds: what comes so soon is no new incident."""
        if self.state is State.SUSPECTED:
            return self.last + QUIET_S
        free = -inf if self.opened_told is None else self.opened_told + FLAP_S
        return max(self.last + QUIET_S + COOL_DOWN_S, free)

    def takes(self, ts: float) -> bool:
        """Is a sample at ``ts`` within a quiet minute of those that it has? The one that its id is made of always is:
        no other episode may have that id."""
        return self.opened - QUIET_S <= ts <= self.last + QUIET_S or ts == self.start

    def surrounds(self, other: Episode) -> bool:
        """Do the samples of another lie among its own?"""
        return self.opened < other.opened < self.last

    def says_as(self, other: Episode) -> bool:
        """Do the samples of both say the same?"""
        return _said(self) == _said(other)


def begun(device: str, anomaly: Anomaly) -> Episode:
    """An episode without samples, for this first one."""
    return Episode(device, anomaly.ts, anomaly.ts, anomaly.ts, ceil(anomaly.stamp), kind=anomaly.kind)


def grown(before: Episode, anomaly: Anomaly, samples: Sequence[Anomaly]) -> Episode:
    """The episode with an anomalous sample that is new, or judged anew. ``samples``: those that it has now."""
    none = before.samples == 0
    opened = anomaly.ts if none else min(before.opened, anomaly.ts)
    first = anomaly.ts == opened and anomaly.reading is not None
    after = replace(
        before,
        opened=opened,
        last=anomaly.ts if none else max(before.last, anomaly.ts),
        origin=before.origin if opened == before.opened else before.start,
        stamp=max(before.stamp, ceil(anomaly.stamp)),
        samples=max(1, before.samples + (not anomaly.again)),
        usual=anomaly.reading[1] if first and anomaly.reading else before.usual,
    )
    if none or anomaly.rank(after.usual) > _rank(before, after.usual):
        return _worst(after, [anomaly])
    return _worst(after, samples) if anomaly.ts == before.peak else after


def joined(one: Episode, other: Episode) -> Episode:
    """``one`` with the samples of another."""
    both = sorted((each for each in (one, other) if each.samples), key=lambda each: each.opened)
    usual = both[0].usual
    worse = max(both, key=lambda each: _rank(each, usual))
    return replace(
        one,
        opened=both[0].opened,
        last=max(each.last for each in both),
        origin=one.origin if both[0].opened == one.opened else one.start,
        stamp=max(one.stamp, other.stamp),
        samples=one.samples + other.samples,
        usual=usual,
        peak=worse.peak,
        severity=worse.severity,
        worst=worse.worst,
    )


def shrunk(before: Episode, ts: float, stamp: float, samples: Sequence[Anomaly]) -> Episode:
    """The episode without the sample at ``ts``. ``samples``: those that it has now, in order of time."""
    first = samples and ts == before.opened
    after = replace(
        before,
        samples=max(0, before.samples - 1),
        stamp=max(before.stamp, ceil(stamp)),
        origin=before.start if first else before.origin,
        opened=samples[0].ts if first else before.opened,
        usual=samples[0].reading[1] if first and samples[0].reading else before.usual,
        last=samples[-1].ts if samples and ts == before.last else before.last,
    )
    return _worst(after, samples) if ts == before.peak else after


def judged(episode: Episode, samples: Sequence[Anomaly]) -> Episode:
    """The episode as its ``samples`` are judged now, if its worst is among them: what is not retained is final."""
    return _worst(episode, samples) if any(each.ts == episode.peak for each in samples) else episode


def _worst(episode: Episode, samples: Sequence[Anomaly]) -> Episode:
    """The episode, the worst of whose samples is among these."""
    if not samples:
        return episode
    worst = max(samples, key=lambda each: each.rank(episode.usual))
    return replace(episode, peak=worst.ts, severity=worst.severity, worst=worst.reading[0] if worst.reading else None)


def _rank(episode: Episode, usual: float | None) -> tuple[Severity, float, float]:
    far = 0.0 if episode.worst is None or usual is None else abs(episode.worst - usual)
    return episode.severity, round(far, 3), -episode.peak


def _said(episode: Episode) -> tuple[object, ...]:
    of = episode
    return of.opened, of.last, of.peak, of.severity, of.samples, of.usual, of.worst
