"""The outbox of a lane: archive lines and messages, gathered until the next commit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from consumer.outgoing.muting import Muting
from consumer.state.head import Suppressed, is_backfill
from reporting.anomaly.episode_message import episode_message
from reporting.anomaly.episodes import Anomaly, Episode, Episodes, Step, strong
from reporting.anomaly.evidence import Evidence
from reporting.anomaly.publication import ChartLinker, Publication
from reporting.anomaly.sample_message import sample_message
from reporting.contract.events import MutedBefore, StreamPosition, utc
from reporting.health.notice import Notice
from reporting.keys import MINUTE_S, chart_key, minute_key, minute_of
from reporting.message import Message, Publish
from reporting.sinks.archive import StoredObject
from scoring.scorer import Scored
from scoring.succession import Succession
from window.released import Released
from window.rolling import RETAINED_S
from window.samples import Floats, Names

Minute = tuple[str, int]
"""A device and the start of a minute, epoch seconds."""
REACH_S = 360.0
"""How far the verdicts on a minute's samples reach back at most: policy `evidence` looks back two minutes, and the
features of the first sample there reach back four more, each at most a session's gap earlier."""
STEPS = 4
"""About how many steps of episodes one record leads to at most, with all the samples that it touches."""


@dataclass(frozen=True, slots=True)
class Reporting:
    """Where a lane reports to, and what. ``source``: the CloudEvents source; ``link``: signs the links of charts."""

    source: str
    table: str
    bucket: str
    chart_prefix: str
    link: ChartLinker
    publish: Publish = "episodes"


@dataclass(frozen=True, slots=True)
class Batch:
    """What one commit takes out of the outbox: messages in order, minutes that changed, and device and time of each
    message that was muted."""

    messages: tuple[Message, ...]
    minutes: tuple[Minute, ...]
    muted: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class _Record:
    """The record that caused a change: its own stamp, its creation time, and its place in the stream, None for one from
    the table."""

    stamp: float
    created: float
    position: StreamPosition | None


class LaneOutbox:
    """What a lane will publish with its next commit.

    ``episodes`` and ``muting``: their state, restored from the head. ``devices`` and ``shards``: the tables of codes.
    """

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
        self._lines: dict[str, dict[int, dict[float, bytes]]] = {}  # by device and minute
        self._detached: dict[Minute, dict[float, bytes]] = {}
        self._messages: list[Message] = []
        self._minutes: set[Minute] = set()
        self._opened: list[tuple[str, float]] = []
        self.episode_of: dict[int, str] = {}
        """By row of what was emitted last: the id of the episode of a sample that has become an anomaly."""

    def stored(self) -> dict[str, Any]:
        """For the head. What waits for the commit stands in its outbox."""
        return {"episodes": self.episodes.stored}

    @property
    def messages(self) -> int:
        """Messages that wait for the commit, muted ones included: their samples are archived all the same, and a commit
        holds no more of them."""
        return len(self._messages) + self._muting.waiting

    def messages_per_record(self, touches: int) -> int:
        """At most how many messages one record leads to that touches so many rows."""
        samples, steps = self._to.publish != "episodes", self._to.publish != "samples"
        return touches * samples + STEPS * steps

    def capacity(self, messages: int) -> int:
        """How many anomalous samples in order lead to no more than so many messages, at least 1. Each may have its own
        message, end an episode and begin another."""
        return max(1, messages // {"samples": 1, "episodes": 2, "both": 3}[self._to.publish])

    def emit(
        self, scored: Scored, run: Released, times: Floats, notices: Sequence[tuple[int, Notice]], *, now: float
    ) -> None:
        """Add the messages of rows that were just scored, and of the notices of those records, in their order.

        ``run``: the records of the rows. Where they were in order, record and row are one to one; else it is one
        record, and the rows are its own and those of the followers it touched. ``times``: when each record shows its
        device to be alive, stamps, shape (n,). ``notices``: each with its row. ``now``: when the messages are written.
        """
        self.episode_of = {}
        found: list[tuple[int, Message]] = [
            (row, self._notice(notice, now)) for row, notice in notices if not self._muting.notice(notice)
        ]
        for row, evidence in self._update_lines(scored):
            self._minutes.add((self._devices[int(scored.device[row])], minute_of(float(scored.ts[row]))))
            record = self._record(run, times, row if row < len(run) else 0)
            found += [(row, message) for message in self._anomaly(scored, row, evidence, record, now)]
        found.sort(key=lambda each: each[0])
        self._messages.extend(message for _, message in found)

    def notify(self, notices: Iterable[Notice], *, now: float) -> None:
        """Add notices that are not about a scored sample, unless they are muted."""
        self._messages.extend(self._notice(notice, now) for notice in notices if not self._muting.notice(notice))

    def flush_unmuted(self, notices: Iterable[Notice], *, now: float) -> None:
        """Add notices whose mute has ended and that still hold."""
        self._messages.extend(self._notice(notice, now) for notice in notices)

    @property
    def due(self) -> float:
        """The stamp at which the next step of an episode is due; infinite where none is."""
        return self.episodes.due

    def fire(self, *, now: float) -> None:
        """The watermark has reached `due`: add the step that is due."""
        for step in self.episodes.fire():
            self._messages.extend(self._step(step, None, None, now))

    def recall(self, scored: Scored) -> None:
        """Restore the archive lines of rows that were published before a restart. Adds no message."""
        for _ in self._update_lines(scored):
            pass

    def promise(self, minutes: Iterable[Minute]) -> None:
        """Add minutes that the last owner's head promised: they are written with the next commit."""
        self._minutes.update(minutes)

    def minute(self, minute: Minute) -> StoredObject:
        """The archive object of a minute as the window now has it."""
        device, at = minute
        lines = self._lines.get(device, {}).get(at, self._detached.get(minute, {}))
        return StoredObject(minute_key(*minute), b"".join(lines[ts] for ts in sorted(lines)), "application/x-ndjson")

    def opened(self) -> list[tuple[str, float]]:
        """Device and time of the episodes opened since the last call."""
        opened, self._opened = self._opened, []
        return opened

    def drain(self) -> Batch:
        """Take all that waits, for a commit."""
        self._detached = {minute: lines for minute, lines in self._detached.items() if minute in self._minutes}
        batch = Batch(tuple(self._messages), tuple(sorted(self._minutes)), self._muting.drain())
        self._messages, self._minutes = [], set()
        return batch

    def forget(self, device: str, newest: float) -> None:
        """Drop the lines of minutes that have left a device's window, whose newest sample is at ``newest``."""
        horizon = newest - RETAINED_S
        there = self._lines.get(device, {})
        for at in [at for at in there if at + MINUTE_S < horizon and (device, at) not in self._minutes]:
            del there[at]
        if not there:
            self._lines.pop(device, None)
        self.episodes.settle(device, horizon)

    def detach(self, device: str) -> None:
        """A device is forgotten. Its minutes that wait for the commit are written as they stand. If the device comes
        back before the commit, its new samples do not join them; after the commit they would not either."""
        for at, lines in self._lines.pop(device, {}).items():
            self._detached[device, at] = lines

    @staticmethod
    def whole(minute: Minute, newest: float) -> bool:
        """May a minute's object be rewritten (rule 9)? Only while a window whose newest sample is at ``newest`` retains
        the minute and all samples that its features reach back to."""
        return minute[1] >= newest - RETAINED_S + REACH_S

    def _update_lines(self, scored: Scored) -> Iterator[tuple[int, Evidence | None]]:
        """Bring the archive lines up to date. Yields the rows that changed, with None for a row that is no anomaly any
        more."""
        verdicts = scored.verdicts
        for row in np.flatnonzero(scored.changed & (verdicts.anomaly | scored.was_anomaly)):
            device, ts = self._devices[int(scored.device[row])], float(scored.ts[row])
            lines = self._lines.setdefault(device, {}).setdefault(minute_of(ts), {})
            evidence = None
            if verdicts.anomaly[row]:
                bundle = self._bundles.at(int(scored.device[row]), ts)
                evidence = Evidence.of(scored, int(row), device=device, bundle=bundle)
                lines[ts] = evidence.line()
            else:
                lines.pop(ts, None)
            yield int(row), evidence

    def _notice(self, notice: Notice, now: float) -> Message:
        return notice.message(source=self._to.source, table=self._to.table, recorded=utc(now))

    def _record(self, run: Released, times: Floats, row: int) -> _Record:
        shard = self._shards[int(run.samples.shard[row])]
        position = None if is_backfill(shard) else StreamPosition(shard=shard, sequence=str(run.sequence[row]))
        return _Record(float(times[row]), float(run.samples.created[row]), position)

    def _anomaly(
        self, scored: Scored, row: int, evidence: Evidence | None, record: _Record, now: float
    ) -> Iterator[Message]:
        """The messages of a row that is an anomaly now, or that is none any more (``evidence`` None)."""
        device, ts = self._devices[int(scored.device[row])], float(scored.ts[row])
        if evidence is None:
            steps = self.episodes.withdraw(device, ts, record.stamp)
        else:
            config = self._bundles.at(int(scored.device[row]), ts).config
            anomaly = Anomaly(
                ts,
                record.stamp,
                evidence.severity,
                strong=strong(evidence.stages, evidence.severity, evidence.reconstruction_error, config),
                again=bool(scored.was_anomaly[row]),
                late=bool(scored.rescored[row]),
            )
            episode, steps = self.episodes.see(device, anomaly)
            self.episode_of[row] = episode.id
            if episode.opened == ts:
                self._opened.append((device, ts))
            if self._to.publish != "episodes":
                yield from self._sample(evidence, episode, record, int(scored.rescored[row]), now)
        for step in steps:
            yield from self._step(step, None if step.kind == "closed" else evidence, record.position, now)

    def _sample(
        self, evidence: Evidence, episode: Episode, record: _Record, revision: int, now: float
    ) -> Iterator[Message]:
        mentions = self._to.publish == "samples"
        if self._muting.sample(episode, evidence.ts, record.created, mentioned=mentions):
            return
        suppressed = self._muting.catch_up(episode, evidence.ts) if mentions else None
        to = self._publication(episode, episode.opened, record.position, suppressed, now)
        yield sample_message(evidence, to, episode=episode.id, revision=revision)

    def _step(
        self, step: Step, evidence: Evidence | None, position: StreamPosition | None, now: float
    ) -> Iterator[Message]:
        episode = step.episode
        if step.kind == "opened" and episode.shown != episode.opened:
            self._opened.append((episode.device, episode.shown))
        if self._to.publish == "samples" or self._muting.step(step):
            return
        suppressed = self._muting.catch_up(episode)
        code = self._devices.code(episode.device)
        yield episode_message(
            step,
            self._publication(episode, episode.shown, position, suppressed, now),
            evidence=evidence,
            model=self._bundles.at(code, episode.peak).id if evidence is None else evidence.model,
            publish_as="opened" if suppressed is not None and suppressed.unopened else None,
        )

    def _publication(
        self,
        episode: Episode,
        chart_at: float,
        position: StreamPosition | None,
        suppressed: Suppressed | None,
        now: float,
    ) -> Publication:
        muted = None
        if suppressed is not None:
            muted = MutedBefore(opened=episode.opened, since=suppressed.since, count=suppressed.count)
        return Publication(
            source=self._to.source,
            bucket=self._to.bucket,
            recorded=utc(now),
            position=position,
            chart=self._to.link(chart_key(self._to.chart_prefix, episode.device, chart_at)),
            muted=muted,
        )
