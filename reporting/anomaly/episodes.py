"""Episodes: adjacent anomalous samples of a device are one incident, told in steps: opened, escalated, ongoing, closed.

Pure. What belongs together goes by the samples' own times; what is due when nothing comes goes by the stamps of their
records (rule 15): a device may send an hour of samples in one second.
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
from scoring.verdict import Severity

QUIET_S = 60.0
"""An anomalous sample further from an episode than this does not go on with it."""
CLOSED_AFTER_S = QUIET_S + 5.0
"""An episode is over when its last record is so old: a device may send once a minute, and not quite on time."""
COOL_DOWN_S = 300.0
"""One that comes back within that time after its quiet minute is opened again: it is no new incident."""
ONGOING_S = 300.0
"""How often an episode that goes on is told again."""
LIFT_S = 7.0
"""A record is processed at most so long after its own time, by stamps: others in its shard may lift its stamp by that
much (rule 3). A step that time causes waits so long, and comes in the same place whatever the shards are."""
WEAK_SAMPLES = 3
"""So many weak anomalies within an episode are worth telling."""
CLEARLY_ABOVE = 1.5
"""Of the threshold: a reconstruction error above this needs no second sample."""
Kind = Literal["opened", "escalated", "ongoing", "closed"]


class State(StrEnum):
    """Of an episode. Suspected: nothing but weak evidence so far, and nothing told. Closed: it may open again."""

    SUSPECTED = "suspected"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """An anomalous sample. ``stamp``: its record's own, whatever its shard holds besides; ``strong``: it is worth
    telling by itself; ``again``: it was anomalous before, and was scored again; ``late``: scored again, or out of
    order."""

    ts: float
    stamp: float
    severity: Severity
    strong: bool
    again: bool = False
    late: bool = False


@dataclass(frozen=True, slots=True)
class Episode:
    """Times in epoch seconds.

    ``opened``, ``last`` and ``peak``: of its first and its latest anomalous sample, and of the first of its highest
    ``severity``. ``stamp``: of the record that brought the latest, and ``told`` of its latest step, in whole seconds.
    ``samples``: how many are anomalous; ``weak``: how many in a row could not open it. ``steps``: how many were told.
    ``opened_last``: where it did not open with its first sample, when it did; ``reopened``: how often again.
    ``revision``: how often a sample that came late or was written again has changed it.
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

    @property
    def id(self) -> str:
        """A function of the device and of the time of the first sample."""
        return hashlib.sha256(f"{self.device}\n{self.opened!r}".encode()).hexdigest()[:16]

    @property
    def due(self) -> float:
        """When its next step is, by stamps, if no anomalous sample comes before; infinite where none is due."""
        if self.state is not State.OPEN:
            return inf
        return min(self.stamp + CLOSED_AFTER_S, self.told + ONGOING_S)

    @property
    def shown(self) -> float:
        """When it was opened last: a chart shows that."""
        return self.opened if self.opened_last is None else self.opened_last

    @property
    def until(self) -> float:
        """A later sample does not belong to it, epoch seconds."""
        return self.last + (QUIET_S if self.state is State.SUSPECTED else QUIET_S + COOL_DOWN_S)


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be told of an episode, which is as it stands after the step. ``at``: its event time."""

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
        """The stamp at which the next step can be told if nothing comes before; infinite where none is due."""
        return min((episode.due for each in self._of.values() for episode in each), default=inf) + LIFT_S

    def see(self, device: str, anomaly: Anomaly) -> tuple[Episode, list[Step]]:
        """An anomalous sample: its episode, and what is to be told."""
        steps = [*self._due_by(device, anomaly.stamp), *self._overtaken(device, anomaly)]
        there = [e for e in self._of.get(device, []) if e.opened - QUIET_S <= anomaly.ts <= e.until]
        before = there[-1] if there else None
        if before is None:
            before = Episode(device, anomaly.ts, anomaly.ts, anomaly.ts, ceil(anomaly.stamp))
        after, kind = _grown(before, anomaly)
        if kind is not None:
            after = replace(after, steps=after.steps + 1, told=ceil(anomaly.stamp))
            steps.append(Step(kind, anomaly.ts, after))
        self._keep(before, after)
        return after, steps

    def withdraw(self, device: str, ts: float, stamp: float) -> list[Step]:
        """A sample that was anomalous is not any more: it, or one before it, was written again."""
        steps = self._due_by(device, stamp)
        for before in reversed(self._of.get(device, [])):
            if before.opened <= ts <= before.last:
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
        """The watermark has reached `due`: what is to be told of the one episode concerned, the first by device."""
        return [self._time(min(self, key=lambda episode: episode.due))]

    def settle(self, device: str, before: float) -> None:
        """No sample of the device with a ``ts`` of ``before`` or less will be scored any more: episodes that only such
        a one could change are forgotten."""
        episodes = self._of.get(device, [])
        kept = [episode for episode in episodes if episode.state is State.OPEN or episode.until > before]
        if len(kept) < len(episodes):
            self._put(device, kept)

    def forget(self, device: str) -> None:
        """The device is forgotten, and with it its episodes."""
        self._of.pop(device, None)

    def _due_by(self, device: str, stamp: float) -> list[Step]:
        """What is to be told of the device before a record with that stamp of its own."""
        steps = []
        while late := [episode for episode in self._of.get(device, []) if episode.due <= stamp]:
            steps.append(self._time(min(late, key=lambda episode: episode.due)))
        return steps

    def _time(self, before: Episode) -> Step:
        """Time has gone on to what is due of an episode."""
        if before.stamp + CLOSED_AFTER_S <= before.due:
            return self._close(before, before, before.due)
        after = replace(before, steps=before.steps + 1, told=ceil(before.due))
        self._keep(before, after)
        return Step("ongoing", before.due, after)

    def _overtaken(self, device: str, anomaly: Anomaly) -> list[Step]:
        """A sample of more than a quiet minute later comes, while by the stamps that minute is not over."""
        over = [e for e in self._of.get(device, []) if e.state is State.OPEN and e.last + QUIET_S < anomaly.ts]
        return [self._close(episode, episode, anomaly.stamp) for episode in over]

    def _close(self, before: Episode, after: Episode, at: float) -> Step:
        closed = replace(after, state=State.CLOSED, weak=0, steps=after.steps + 1, told=ceil(at))
        self._keep(before, closed)
        return Step("closed", at, closed)

    def _keep(self, before: Episode, after: Episode) -> None:
        others = [episode for episode in self._of.get(after.device, []) if episode.opened != before.opened]
        self._put(after.device, sorted([*others, after], key=lambda episode: episode.opened))

    def _drop(self, episode: Episode) -> None:
        self._put(episode.device, [each for each in self._of[episode.device] if each != episode])

    def _put(self, device: str, episodes: list[Episode]) -> None:
        if episodes:
            self._of[device] = episodes
        else:
            self._of.pop(device, None)


def _grown(before: Episode, anomaly: Anomaly) -> tuple[Episode, Kind | None]:
    """The episode with one more anomalous sample, and what that is to be told as."""
    worse = before.samples == 0 or anomaly.severity > before.severity
    after = replace(
        before,
        last=max(before.last, anomaly.ts),
        stamp=max(before.stamp, ceil(anomaly.stamp)),
        samples=before.samples + (not anomaly.again),
        severity=max(before.severity, anomaly.severity),
        peak=anomaly.ts if worse else before.peak,
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


def strong(stages: Stage, severity: Severity, error: float, config: BundleConfig) -> bool:
    """Is an anomalous sample worth telling by itself? Where its readings lie beyond a severity limit, where both
    models say so, where policy `evidence` has weighed its neighbours already, or where its reconstruction error is far
    above the threshold."""
    both = Stage.RECONSTRUCTION | Stage.FOREST
    if severity > Severity.LOW or stages & both == both:
        return True
    if config.evidence is not None:
        return stages != Stage.FOREST
    return error > CLEARLY_ABOVE * config.thresholds.reconstruction_error
