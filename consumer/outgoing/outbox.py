"""What a lane has to say: archive lines and messages, gathered until the next commit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import structlog

from consumer.outgoing.muting import Muting
from consumer.state.head import Untold, is_backfill
from reporting.anomaly import episode_message as incident
from reporting.anomaly.episodes import Anomaly, Episode, Episodes, Step, strong
from reporting.anomaly.evidence import ChartLinker, Evidence
from reporting.contract.events import MutedBefore, StreamPosition, utc
from reporting.health.notice import Notice
from reporting.keys import MINUTE_S, chart_key, minute_key, minute_of
from reporting.message import Message, Publish
from reporting.sinks.archive import StoredObject
from scoring.scorer import Scored
from scoring.succession import Succession
from window.merge import Released
from window.rolling import RETAINED_S
from window.samples import Floats, Names

Minute = tuple[str, int]
"""A device and the start of a minute, epoch seconds."""
REACH_S = 360.0
"""As far as a verdict on a minute's samples reaches back at most: by policy `evidence` two minutes, and by the features
from there four samples more, each within a session's gap."""
STEPS = 4
"""As many steps of episodes as one record can bring, about, with all the samples that it touches."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reporting:
    """What must be known of the world that is reported to. ``source``: the CloudEvents source."""

    source: str
    table: str
    bucket: str
    chart_prefix: str
    link: ChartLinker
    publish: Publish = "episodes"


@dataclass(frozen=True, slots=True)
class Batch:
    """What was gathered: messages in order, and minutes that changed. ``muted``: device and time of the messages that
    were not to be told."""

    messages: tuple[Message, ...]
    minutes: tuple[Minute, ...]
    muted: tuple[tuple[str, float], ...]


class Outgoing:
    """Gathers what verdicts and notices have to say."""

    def __init__(
        self,
        bundles: Succession,
        to: Reporting,
        episodes: Episodes,
        muting: Muting,
        *,
        devices: Names,
        shards: Names,
    ) -> None:
        self._bundles = bundles
        self._to = to
        self._devices = devices
        self._shards = shards
        self.episodes = episodes
        self._muting = muting
        self._lines: dict[Minute, dict[float, bytes]] = {}
        self._parting: dict[Minute, dict[float, bytes]] = {}
        self._messages: list[Message] = []
        self._minutes: set[Minute] = set()
        self._opened: list[tuple[str, float]] = []

    def stored(self) -> dict[str, Any]:
        """For the head. What waits for the commit stands in its outbox."""
        return {"episodes": self.episodes.stored}

    @property
    def messages(self) -> int:
        """Messages waiting for the commit, and those muted: what they are about is archived as soon, and as much of it
        in one commit."""
        return len(self._messages) + self._muting.waiting

    def brings(self, touches: int) -> int:
        """How many messages a record may bring that touches so many rows."""
        samples, steps = self._to.publish != "episodes", self._to.publish != "samples"
        return touches * samples + STEPS * steps

    def room(self, messages: int) -> int:
        """How many anomalous samples in order bring no more than so many messages: each may be one itself, and may be
        the end of an episode and the beginning of another."""
        return max(1, messages // {"samples": 1, "episodes": 2, "both": 3}[self._to.publish])

    def tell(
        self, scored: Scored, run: Released, times: Floats, notices: Sequence[tuple[int, Notice]], *, now: float
    ) -> None:
        """Tell of rows just scored, and of what else those records mean, in their order.

        ``run``: the records the rows come from, one a row where they were in order; else one record, whose row is the
        first, and followers it touched. ``times``: when each record shows its device to be alive, shape (n,).
        ``now``: when it is written down.
        """
        told: list[tuple[int, Message]] = [
            (row, self._notice(notice, now)) for row, notice in notices if not self._muting.notice(notice)
        ]
        for row, evidence in self._record(scored):
            self._minutes.add((self._devices[int(scored.device[row])], minute_of(float(scored.ts[row]))))
            told += [(row, message) for message in self._anomaly(scored, row, evidence, run, times, now)]
        told.sort(key=lambda found: found[0])
        self._messages.extend(message for _, message in told)

    def notify(self, notices: Iterable[Notice], *, now: float) -> None:
        """Tell of something that is not about a scored sample."""
        self._messages.extend(self._notice(notice, now) for notice in notices if not self._muting.notice(notice))

    def make_up(self, notices: Iterable[Notice], *, now: float) -> None:
        """Tell of what was muted and goes on."""
        self._messages.extend(self._notice(notice, now) for notice in notices)

    @property
    def due(self) -> float:
        """The stamp at which the next step of an episode is due; infinite where none is."""
        return self.episodes.due

    def fire(self, *, now: float) -> None:
        """The watermark has reached `due`."""
        for step in self.episodes.fire():
            self._messages.extend(self._step(step, None, None, now))

    def recall(self, scored: Scored) -> None:
        """Take in rows that were told of before a restart: their archive lines are known again, nothing is sent."""
        for _ in self._record(scored):
            pass

    def promise(self, minutes: Iterable[Minute]) -> None:
        """Minutes that the last owner promised to write: they go with the next commit."""
        self._minutes.update(minutes)

    def minute(self, minute: Minute) -> StoredObject:
        """The archive object of a minute as the window now has it."""
        lines = self._lines.get(minute, self._parting.get(minute, {}))
        return StoredObject(minute_key(*minute), b"".join(lines[ts] for ts in sorted(lines)), "application/x-ndjson")

    def opened(self) -> list[tuple[str, float]]:
        """Device and time of the episodes opened since the last call."""
        opened, self._opened = self._opened, []
        return opened

    def drain(self) -> Batch:
        """All that waits, for a commit."""
        self._parting = {minute: lines for minute, lines in self._parting.items() if minute in self._minutes}
        batch = Batch(tuple(self._messages), tuple(sorted(self._minutes)), self._muting.drain())
        self._messages, self._minutes = [], set()
        return batch

    def _record(self, scored: Scored) -> Iterator[tuple[int, Evidence | None]]:
        """Bring the archive lines up to date; yields the rows that changed, with None for one that is no longer an
        anomaly."""
        verdicts = scored.verdicts
        for row in np.flatnonzero(scored.changed & (verdicts.anomaly | scored.was_anomaly)):
            device = self._devices[int(scored.device[row])]
            ts = float(scored.ts[row])
            lines = self._lines.setdefault((device, minute_of(ts)), {})
            evidence = self._evidence(scored, int(row), device) if verdicts.anomaly[row] else None
            if evidence is None:
                lines.pop(ts, None)
            else:
                lines[ts] = evidence.line()
            yield int(row), evidence

    def _notice(self, notice: Notice, now: float) -> Message:
        return notice.message(source=self._to.source, table=self._to.table, recorded=utc(now))

    def _anomaly(
        self, scored: Scored, row: int, evidence: Evidence | None, run: Released, times: Floats, now: float
    ) -> Iterator[Message]:
        """What is to be told of a row that has become an anomaly, or another one, or (None) is none any more."""
        device, ts = self._devices[int(scored.device[row])], float(scored.ts[row])
        record = row if row < len(run) else 0
        stamp, created = float(times[record]), float(run.samples.created[record])
        shard = self._shards[int(run.samples.shard[record])]
        position = None if is_backfill(shard) else StreamPosition(shard=shard, sequence=str(run.sequence[record]))
        if evidence is None:
            steps = self.episodes.withdraw(device, ts, stamp)
        else:
            episode, steps = self.episodes.see(device, self._seen(scored, row, evidence, stamp))
            if episode.opened == ts:
                self._opened.append((device, ts))
            if self._to.publish != "episodes":
                yield from self._sample(evidence, episode, position, created, int(scored.rescored[row]), now)
        for step in steps:
            about = None if step.kind == "closed" else evidence
            yield from self._step(step, about, position, now)

    def _seen(self, scored: Scored, row: int, evidence: Evidence, stamp: float) -> Anomaly:
        config = self._bundles.at(int(scored.device[row]), evidence.ts).config
        return Anomaly(
            evidence.ts,
            stamp,
            evidence.severity,
            strong=strong(evidence.stages, evidence.severity, evidence.reconstruction_error, config),
            again=bool(scored.was_anomaly[row]),
            late=bool(scored.rescored[row]),
        )

    def _sample(
        self,
        evidence: Evidence,
        episode: Episode,
        position: StreamPosition | None,
        created: float,
        revision: int,
        now: float,
    ) -> Iterator[Message]:
        mentions = self._to.publish == "samples"
        if self._muting.sample(episode, evidence.ts, created, mentioned=mentions):
            return
        yield evidence.message(
            source=self._to.source,
            bucket=self._to.bucket,
            episode=episode.id,
            position=position,
            chart=self._to.link(chart_key(self._to.chart_prefix, evidence.device, episode.opened)),
            revision=revision,
            recorded=utc(now),
            muted=_before(episode, self._muting.catch_up(episode, evidence.ts)) if mentions else None,
        )

    def _step(
        self, step: Step, evidence: Evidence | None, position: StreamPosition | None, now: float
    ) -> Iterator[Message]:
        episode = step.episode
        if step.kind == "opened" and episode.shown != episode.opened:
            self._opened.append((episode.device, episode.shown))
        if self._to.publish == "samples" or self._muting.step(step):
            return
        untold = self._muting.catch_up(episode)
        code = self._devices.code(episode.device)
        yield incident.message(
            step,
            told_as="opened" if untold is not None and untold.unopened else None,
            line=None if evidence is None else orjson.loads(evidence.line()),
            model=self._bundles.at(code, episode.peak).id if evidence is None else evidence.model,
            sentence=evidence.explanation.sentence if evidence is not None else "",
            source=self._to.source,
            bucket=self._to.bucket,
            position=position,
            chart=self._to.link(chart_key(self._to.chart_prefix, episode.device, episode.shown)),
            recorded=utc(now),
            muted=_before(episode, untold),
        )

    def _evidence(self, scored: Scored, row: int, device: str) -> Evidence:
        bundle = self._bundles.at(int(scored.device[row]), float(scored.ts[row]))
        return Evidence.of(scored, row, device=device, bundle=bundle)

    @staticmethod
    def whole(minute: Minute, newest: float) -> bool:
        """May a minute's object be rewritten (rule 9)? Only while it, and what its features reach back to, is retained
        by a window whose newest sample is at ``newest``."""
        return minute[1] >= newest - RETAINED_S + REACH_S

    def forget(self, device: str, newest: float) -> None:
        """Drop the lines of minutes that have left a device's window, whose newest sample is at ``newest``."""
        horizon = newest - RETAINED_S
        for minute in [m for m in self._lines if m[0] == device and m[1] + MINUTE_S < horizon]:
            if minute not in self._minutes:
                del self._lines[minute]
        self.episodes.settle(device, horizon)

    def part(self, device: str) -> None:
        """A device is forgotten. Its minutes that wait for the commit are written as they stand: should it come back
        before, what it sends then is not joined to them, as it would not be after the commit."""
        for minute in [minute for minute in self._lines if minute[0] == device]:
            self._parting[minute] = self._lines.pop(minute)


def _before(episode: Episode, untold: Untold | None) -> MutedBefore | None:
    return None if untold is None else MutedBefore(opened=episode.opened, since=untold.since, count=untold.count)
