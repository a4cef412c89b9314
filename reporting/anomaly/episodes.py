"""The episodes of every device, with the steps opened, escalated, ongoing, closed.

Pure. The samples' own times decide which of them belong together. The stamps of their records decide when a step is due
because nothing comes (rule 15): a device may send an hour of samples in one second. A fault that comes and goes is told
at most once in ten minutes, unless it is worse than what was told (rule 30).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import Literal

from reporting.anomaly.episode import (
    COOL_DOWN_S,
    QUIET_S,
    WEAK_SAMPLES,
    Anomaly,
    Episode,
    State,
    begun,
    grown,
    joined,
    judged,
    shrunk,
)
from scoring.config import BundleConfig
from scoring.detectors import Stage
from scoring.faults import FaultKind
from scoring.severity import Severity

LIFT_S = 7.0
"""By stamps, a record is processed at most so long after its own time: others in its shard may lift its stamp by that
much (rule 3). A step that time causes waits so long, and so comes in the same place whatever the shards are."""
CLEARLY_ABOVE = 1.5
"""A reconstruction error above this many times its threshold opens an episode alone."""
Kind = Literal["opened", "escalated", "ongoing", "closed"]
Between = Callable[[str, FaultKind, float, float], Sequence[Anomaly]]
"""The anomalous samples of a device that show a kind of fault now, from one time to another, in order of time."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of an episode, which gets a message. ``at``: event time of the step, which never runs backwards among
    those of a device; ``episode``: as it is afterwards."""

    kind: Kind
    at: float
    episode: Episode


Seen = tuple[Episode, list[Step]]
"""An episode, and the steps that follow, in order."""


class Episodes:
    """The episodes of every device that can still change. ``between``: gives the samples that episodes are made of.

    >>> episodes = Episodes(); strong = lambda ts: Anomaly(ts, ts, Severity.LOW, strong=True)
    >>> first, steps = episodes.see("d", strong(0.0)); [step.kind for step in steps]
    ['opened']
    >>> episodes.due, [step.kind for step in episodes.fire()], episodes.due
    (72.0, ['closed'], inf)
    """

    def __init__(self, stored: Mapping[str, Iterable[Episode]] | None = None, between: Between = lambda *_: ()) -> None:
        self._between = between
        self._of = {device: [_lifted(each) for each in episodes] for device, episodes in (stored or {}).items()}
        self._revised: set[str] = set()

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

    def begin_record(self) -> None:
        """What is seen and withdrawn from now on belongs to another record: an episode counts each once."""
        self._revised.clear()

    def see(self, device: str, anomaly: Anomaly) -> Seen:
        """Take an anomalous sample. Returns its episode and the steps that follow from it, in order."""
        steps = [*self._due_by(device, anomaly.stamp), *self._overtaken(device, anomaly)]
        of = [e for e in self._of.get(device, []) if e.kind == anomaly.kind]
        told = [e for e in of if e.state is not State.SUSPECTED and e.takes(anomaly.ts)]
        suspected = [e for e in of if e.state is State.SUSPECTED and e.takes(anomaly.ts)]
        if told:
            before = max(told, key=lambda each: each.start == anomaly.ts or each.opened <= anomaly.ts <= each.last)
        else:
            before = suspected.pop() if suspected else begun(device, anomaly)
        after = self._grown(before, anomaly)
        if told:
            suspected = [e for e in of if e.state is State.SUSPECTED and (e in suspected or after.surrounds(e))]
        for each in suspected:
            self._drop(each)
            after = joined(after, each)
        self._keep(before, after)
        if told:
            return self._amend(before, after, anomaly, steps)
        if not anomaly.strong and after.samples < WEAK_SAMPLES:
            return after, steps
        return self._bear_out(after, anomaly, steps)

    def withdraw(self, device: str, kind: FaultKind, ts: float, stamp: float) -> list[Step]:
        """A sample no longer shows a kind of fault: it, or one before it, was written again. Returns the steps that
        follow."""
        steps = self._due_by(device, stamp)
        of = [e for e in self._of.get(device, []) if e.kind == kind and e.opened <= ts <= e.last]
        if not of:
            return steps
        before = of[-1]
        after = self._revise(shrunk(before, ts, stamp, self._samples(before)))
        if before.state is State.SUSPECTED and not after.samples:
            self._drop(before)
            return steps
        if before.state is State.CLOSED:
            after = replace(after, state=State.OPEN, amended=True)
        if after.withdrawn and not after.samples:
            # What came back is withdrawn too, as was told.
            after = replace(after, state=State.CLOSED, held=0, amended=False)
        self._keep(before, after)
        if after.announced and after.due <= after.stamp:
            steps.append(self._close(after, stamp))
        return steps

    def unheard(self, step: Step) -> None:
        """A step was muted: if it was an opening, nobody has to wait ten minutes for the next."""
        for each in self._of.get(step.episode.device, []):
            if step.kind == "opened" and each.id == step.episode.id:
                self._keep(each, replace(each, opened_told=None))
                return

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
        self._put(device, sorted([*self._of.get(device, []), *map(_lifted, episodes)], key=_order))

    def _samples(self, episode: Episode) -> Sequence[Anomaly]:
        return self._between(episode.device, episode.kind, episode.opened, episode.last)

    def _grown(self, before: Episode, anomaly: Anomaly) -> Episode:
        samples = self._samples(before) if anomaly.again and anomaly.ts == before.peak else ()
        after = grown(before, anomaly, samples)
        return self._revise(after) if anomaly.late and before.samples else after

    def _revise(self, episode: Episode) -> Episode:
        if episode.id in self._revised:
            return episode
        self._revised.add(episode.id)
        return replace(episode, revision=episode.revision + 1)

    def _amend(self, before: Episode, after: Episode, anomaly: Anomaly, steps: list[Step]) -> Seen:
        """A sample has joined those of an episode that was told. If that is over and the sample comes behind its last,
        it has come back; else what was said of it is amended."""
        if not before.announced and not after.says_as(before):
            back = before.last < anomaly.ts or not before.samples
            after = replace(
                after,
                state=State.OPEN,
                held=max(after.held, int(back)),
                amended=after.amended or not back,
            )
            self._keep(before, after)
        return self._out_with(after, anomaly, steps)

    def _out_with(self, after: Episode, anomaly: Anomaly, steps: list[Step]) -> Seen:
        """Tell of an episode what may be told with this sample: that it is worse, or that it has come back."""
        if after.state is State.OPEN and (_louder(after) or (after.held and after.again_in <= 0.0)):
            kind: Kind = "escalated" if after.announced else "opened"
            steps.append(self._opened(kind, after, anomaly.ts, anomaly.stamp, shown=anomaly.ts))
            after = steps[-1].episode
        return after, steps

    def _bear_out(self, found: Episode, anomaly: Anomaly, steps: list[Step]) -> Seen:
        """A suspicion is borne out. Soon after an episode of its kind it is that one, come back; soon before one it is
        its beginning, come late."""
        of = [e for e in self._of[found.device] if e.kind == found.kind and e.state is not State.SUSPECTED]
        if later := [e for e in of if found.last < e.opened <= found.last + QUIET_S + COOL_DOWN_S]:
            before = later[0]
            after = self._joined(before, found)
            return self._amend(before, after, anomaly, steps)
        earlier = sorted((e for e in of if e.last < found.opened), key=lambda each: each.last)
        if not earlier or earlier[-1].until < found.opened:
            closed = [e.closed_told for e in earlier if e.closed_told is not None]
            found = replace(found, closed_told=max(closed, default=None))
            steps.append(self._opened("opened", found, anomaly.ts, anomaly.stamp, shown=anomaly.ts))
            return steps[-1].episode, steps
        before = earlier[-1]
        after = self._joined(before, found)
        if before.announced:
            after = replace(after, reopened=after.reopened + 1)
        else:
            after = replace(after, state=State.OPEN, held=after.held + 1)
        self._keep(before, after)
        return self._out_with(after, anomaly, steps)

    def _joined(self, told: Episode, found: Episode) -> Episode:
        """An episode that was told with a suspicion, and with those between them."""
        first, last = min(told.last, found.last), max(told.opened, found.opened)
        after = told
        for each in [e for e in self._of[told.device] if e.kind == told.kind and e.state is State.SUSPECTED]:
            if each == found or first < each.opened < last:
                self._drop(each)
                after = joined(after, each)
        self._keep(told, after)
        return after

    def _due_by(self, device: str, stamp: float) -> list[Step]:
        """The device's steps that are due before a record with this stamp of its own."""
        steps = []
        while late := [episode for episode in self._of.get(device, []) if episode.due <= stamp]:
            steps.append(self._time(min(late, key=lambda episode: episode.due)))
        return steps

    def _time(self, before: Episode) -> Step:
        """The step of an episode that is due because of the time."""
        due, at = before.due, before.due_at
        if due >= before.stamp + before.over_in:
            return self._close(before, due)
        if before.held:
            return self._opened("opened", before, at, due, shown=before.last)
        return self._tell("ongoing", before, before, at, due)

    def _overtaken(self, device: str, anomaly: Anomaly) -> list[Step]:
        """Close episodes that are over by the sample's time, though by the stamps they are not."""
        over = [e for e in self._of.get(device, []) if e.is_over_at(anomaly.ts)]
        return [self._close(episode, anomaly.stamp) for episode in over]

    def _close(self, before: Episode, stamp: float) -> Step:
        at = before.last + before.over_in
        after = replace(
            judged(before, self._samples(before)),
            state=State.CLOSED,
            reopened=before.reopened + before.held,
            held=0,
            amended=False,
            closed_told=at,
            withdrawn=not before.samples,
        )
        return self._tell("closed", before, after, at, stamp)

    def _opened(self, kind: Kind, before: Episode, at: float, stamp: float, *, shown: float) -> Step:
        opened_last = before.opened_last
        if kind == "opened":
            opened_last = None if shown == before.start else shown
        after = replace(
            before,
            state=State.OPEN,
            reopened=before.reopened + max(before.held, int(before.amended)),
            held=0,
            amended=False,
            opened_last=opened_last,
            opened_told=at,
            withdrawn=False,
            loudest=before.severity if before.loudest is None else max(before.loudest, before.severity),
        )
        return self._tell(kind, before, after, at, stamp)

    def _tell(self, kind: Kind, before: Episode, after: Episode, at: float, stamp: float) -> Step:
        """``at``: event time of the step. Its message has that of the device's latest step if that is later."""
        said = max([at, *(e.said for e in self._of.get(before.device, []) if e.said is not None)])
        after = replace(after, steps=after.steps + 1, told=ceil(stamp), said=said)
        self._keep(before, after)
        return Step(kind, said, after)

    def _keep(self, before: Episode, after: Episode) -> None:
        others = [e for e in self._of.get(after.device, []) if (e.kind, e.start) != (before.kind, before.start)]
        self._put(after.device, sorted([*others, after], key=_order))

    def _drop(self, episode: Episode) -> None:
        self._put(episode.device, [each for each in self._of[episode.device] if each != episode])

    def _put(self, device: str, episodes: list[Episode]) -> None:
        if episodes:
            self._of[device] = episodes
        else:
            self._of.pop(device, None)


def _lifted(episode: Episode) -> Episode:
    """An episode of a head that does not say how severe it was told to be: as severe as it is."""
    told = episode.state is not State.SUSPECTED and episode.loudest is None
    return replace(episode, loudest=episode.severity) if told else episode


def _louder(episode: Episode) -> bool:
    """Is it worse than what was told of it?"""
    return episode.loudest is None or episode.severity > episode.loudest


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
