"""Episodes: adjacent anomalous samples of a device that show one kind of fault are one incident, with the steps opened,
escalated, ongoing, closed.

Pure. The samples' own times decide which of them belong together. The stamps of their records decide when a step is due
because nothing comes (rule 15): a device may send an hour of samples in one second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil, inf
from typing import Literal

from scoring.config import BundleConfig
from scoring.detectors import Stage
from scoring.faults import FaultKind
from scoring.severity import Severity

QUIET_S = 60.0
"""An anomalous sample further from an episode than this does not belong to it."""
CLOSED_AFTER_S = QUIET_S + 5.0
"""An episode closes when its last record is so old: a device may send once a minute, and not quite on time."""
COOL_DOWN_S = 300.0
"""An episode that comes back within so long after its quiet minute opens again: it is no new incident."""
ONGOING_S = 300.0
"""How often an open episode has a step ``ongoing``."""
LIFT_S = 7.0
"""By stamps, a record is processed at most so long after its own time: others in its shard may lift its stamp by that
much (rule 3). A step that time causes waits so long, and so comes in the same place whatever the shards are."""
WEAK_SAMPLES = 3
"""So many weak anomalies in a row open an episode."""
CLEARLY_ABOVE = 1.5
"""A reconstruction error above this many times its threshold opens an episode alone."""
Kind = Literal["opened", "escalated", "ongoing", "closed"]


class State(StrEnum):
    """The state of an episode. Suspected: weak evidence alone so far, and no message. Closed: it may open again."""

    SUSPECTED = "suspected"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """An anomalous sample. ``stamp``: of its record alone, whatever its shard holds besides. ``strong``: it opens an
    episode by itself. ``again``: it was anomalous before and was scored again. ``late``: it was scored again, or came
    out of order. ``kind``: what is wrong; ``extent``: how far the sample went, and its reading; None where no reading
    grades the kind (`reporting.anomaly.faults`)."""

    ts: float
    stamp: float
    severity: Severity
    strong: bool
    again: bool = False
    late: bool = False
    kind: FaultKind = FaultKind.UNUSUAL_PATTERN
    extent: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Episode:
    """One episode. Times are epoch seconds. The head stores it by the names of its fields.

    ``opened``, ``last`` and ``peak``: time of its first anomalous sample, of its latest, and of its worst: the first of
    its highest ``severity`` that went furthest. ``far`` and ``worst``: how far that one went, and its reading; None
    where no reading grades the ``kind``. ``stamp``: of the record of its latest sample; ``told``: of its latest step;
    both in whole seconds. ``samples``: how many are anomalous; ``weak``: how many in a row could not open it.
    ``steps``: how many it had. ``opened_last``: when it opened last, None if with its first sample; ``reopened``: how
    often it opened again. ``revision``: how often a sample that came late or was written again has changed it.
    """

    device: str
    opened: float
    last: float
    peak: float
    stamp: int
    severity: Severity = Severity.LOW
    state: State = State.SUSPECTED
    samples: int = 0
    weak: int = 0
    told: int = 0
    steps: int = 0
    opened_last: float | None = None
    reopened: int = 0
    revision: int = 0
    kind: FaultKind = FaultKind.UNUSUAL_PATTERN
    far: float = 0.0
    worst: float | None = None

    @property
    def id(self) -> str:
        """The id: a function of the device, the kind and the time of the first sample."""
        return hashlib.sha256(f"{self.device}\n{self.kind}\n{self.opened!r}".encode()).hexdigest()[:16]

    @property
    def due(self) -> float:
        """The stamp of its next step if no anomalous sample comes before; infinite where none is due."""
        if self.state is not State.OPEN:
            return inf
        return min(self.stamp + CLOSED_AFTER_S, self.told + ONGOING_S)

    @property
    def shown(self) -> float:
        """When it opened last: the chart shows that time."""
        return self.opened if self.opened_last is None else self.opened_last

    def spans(self, ts: float) -> bool:
        """Does a sample at ``ts`` belong to it?"""
        return self.opened - QUIET_S <= ts <= self.until

    @property
    def until(self) -> float:
        """Samples up to here may belong to it, epoch seconds."""
        return self.last + (QUIET_S if self.state is State.SUSPECTED else QUIET_S + COOL_DOWN_S)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of an episode, which gets a message. ``at``: event time of the step; ``episode``: as it is afterwards."""

    kind: Kind
    at: float
    episode: Episode


class Episodes:
    """The episodes of every device that can still change.

    >>> episodes = Episodes(); strong = lambda ts: Anomaly(ts, ts, Severity.LOW, strong=True)
    >>> first, steps = episodes.see("d", strong(0.0)); [step.kind for step in steps]
    ['opened']
    >>> episodes.due, [step.kind for step in episodes.fire()], episodes.due
    (72.0, ['closed'], inf)
    """

    def __init__(self, stored: Mapping[str, Iterable[Episode]] | None = None) -> None:
        self._of = {device: list(episodes) for device, episodes in (stored or {}).items()}

    def __iter__(self) -> Iterator[Episode]:
        """By device, in order of time."""
        return (episode for device in sorted(self._of) for episode in self._of[device])

    @property
    def stored(self) -> dict[str, list[Episode]]:
        """By device, in order of time: what a successor is given."""
        return {device: list(each) for device, each in self._of.items()}

    @property
    def due(self) -> float:
        """The stamp at which the next step fires if nothing comes before; infinite where none is due."""
        return min((episode.due for each in self._of.values() for episode in each), default=inf) + LIFT_S

    def see(self, device: str, anomaly: Anomaly) -> tuple[Episode, list[Step]]:
        """Take an anomalous sample. Returns its episode and the steps that follow from it, in order."""
        steps = [*self._due_by(device, anomaly.stamp), *self._overtaken(device, anomaly)]
        there = [e for e in self._of.get(device, []) if e.kind == anomaly.kind and e.spans(anomaly.ts)]
        before = there[-1] if there else None
        if before is None:
            before = Episode(device, anomaly.ts, anomaly.ts, anomaly.ts, ceil(anomaly.stamp), kind=anomaly.kind)
        after, kind = _grown(before, anomaly)
        if kind is not None:
            after = replace(after, steps=after.steps + 1, told=ceil(anomaly.stamp))
            steps.append(Step(kind, anomaly.ts, after))
        self._keep(before, after)
        return after, steps

    def withdraw(self, device: str, kind: FaultKind, ts: float, stamp: float) -> list[Step]:
        """A sample no longer shows a kind of fault: it, or one before it, was written again. Returns the steps that
        follow."""
        steps = self._due_by(device, stamp)
        for before in reversed(self._of.get(device, [])):
            if before.kind == kind and before.opened <= ts <= before.last:
                after = replace(before, samples=max(0, before.samples - 1), revision=before.revision + 1)
                if after.samples or before.state is State.CLOSED:
                    self._keep(before, after)
                    return steps
                if before.state is State.SUSPECTED:
                    self._drop(before)
                    return steps
                return [*steps, self._close(before, after, stamp)]
        return steps

    def fire(self) -> list[Step]:
        """The watermark has reached `due`: the step of the one episode that is due first; of several the first by name
        of its device, and of one device the one that began first."""
        return [self._time(min(self, key=lambda episode: episode.due))]

    def settle(self, device: str, before: float) -> None:
        """Forget the episodes that only a sample with a ``ts`` of ``before`` or less could change: no such sample of
        the device will be scored any more."""
        episodes = self._of.get(device, [])
        kept = [episode for episode in episodes if episode.state is State.OPEN or episode.until > before]
        if len(kept) < len(episodes):
            self._put(device, kept)

    def forget(self, device: str) -> list[Episode]:
        """Forget a device's episodes; returns them."""
        return self._of.pop(device, [])

    def adopt(self, device: str, episodes: Iterable[Episode]) -> None:
        """Go on with the episodes of a device that another lane has had until now."""
        self._put(device, sorted([*self._of.get(device, []), *episodes], key=_order))

    def _due_by(self, device: str, stamp: float) -> list[Step]:
        """The device's steps that are due before a record with this stamp of its own."""
        steps = []
        while late := [episode for episode in self._of.get(device, []) if episode.due <= stamp]:
            steps.append(self._time(min(late, key=lambda episode: episode.due)))
        return steps

    def _time(self, before: Episode) -> Step:
        """The step of an episode that is due because of the time."""
        if before.stamp + CLOSED_AFTER_S <= before.due:
            return self._close(before, before, before.due)
        after = replace(before, steps=before.steps + 1, told=ceil(before.due))
        self._keep(before, after)
        return Step("ongoing", before.due, after)

    def _overtaken(self, device: str, anomaly: Anomaly) -> list[Step]:
        """Close episodes whose quiet minute is over by the sample's time, though by the stamps it is not."""
        over = [e for e in self._of.get(device, []) if e.state is State.OPEN and e.last + QUIET_S < anomaly.ts]
        return [self._close(episode, episode, anomaly.stamp) for episode in over]

    def _close(self, before: Episode, after: Episode, at: float) -> Step:
        closed = replace(after, state=State.CLOSED, weak=0, steps=after.steps + 1, told=ceil(at))
        self._keep(before, closed)
        return Step("closed", at, closed)

    def _keep(self, before: Episode, after: Episode) -> None:
        others = [e for e in self._of.get(after.device, []) if (e.kind, e.opened) != (before.kind, before.opened)]
        self._put(after.device, sorted([*others, after], key=_order))

    def _drop(self, episode: Episode) -> None:
        self._put(episode.device, [each for each in self._of[episode.device] if each != episode])

    def _put(self, device: str, episodes: list[Episode]) -> None:
        if episodes:
            self._of[device] = episodes
        else:
            self._of.pop(device, None)


def _grown(before: Episode, anomaly: Anomaly) -> tuple[Episode, Kind | None]:
    """The episode with one more anomalous sample, and the kind of step that this makes, if any."""
    far, reading = anomaly.extent or (0.0, None)
    worse = before.samples == 0 or (anomaly.severity, far) > (before.severity, before.far)
    after = replace(
        before,
        last=max(before.last, anomaly.ts),
        stamp=max(before.stamp, ceil(anomaly.stamp)),
        samples=before.samples + (not anomaly.again),
        severity=max(before.severity, anomaly.severity),
        peak=anomaly.ts if worse else before.peak,
        far=far if worse else before.far,
        worst=reading if worse else before.worst,
        revision=before.revision + (anomaly.late and before.samples > 0),
    )
    if before.state is State.OPEN:
        return after, "escalated" if anomaly.severity > before.severity else None
    in_a_row = anomaly.ts <= before.last + QUIET_S
    weak = (before.weak if in_a_row else 0) + (not anomaly.again)
    if not anomaly.strong and weak < WEAK_SAMPLES:
        return replace(after, weak=weak), None
    reopened = before.reopened + (before.state is State.CLOSED)
    opened_last = None if anomaly.ts == before.opened else anomaly.ts
    return replace(after, state=State.OPEN, weak=0, opened_last=opened_last, reopened=reopened), "opened"


def _order(episode: Episode) -> tuple[float, FaultKind]:
    return episode.opened, episode.kind


def strong(stages: Stage, severity: Severity, error: float, config: BundleConfig) -> bool:
    """Does an anomalous sample open an episode by itself? Yes if its readings lie beyond a severity limit, if both
    models alarm, if policy `evidence` has weighed its neighbours already, or if its reconstruction error is far above
    the threshold."""
    both = Stage.RECONSTRUCTION | Stage.FOREST
    if severity > Severity.LOW or stages & both == both:
        return True
    if config.evidence is not None:
        return stages != Stage.FOREST
    return error > CLEARLY_ABOVE * config.thresholds.reconstruction_error
