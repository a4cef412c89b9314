"""The outbox of a lane: archive lines and messages, gathered until the next commit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from consumer.outgoing.archive_lines import ArchiveLines, Change, Lines, Minute
from consumer.outgoing.muting import Muting
from consumer.outgoing.told import Told
from consumer.outgoing.waiting import Waiting
from consumer.state.delivery import Delivered
from consumer.state.head import Suppressed, is_backfill
from consumer.stream.records import NameTables
from reporting.anomaly.episode import Anomaly, Episode
from reporting.anomaly.episode_message import episode_message
from reporting.anomaly.episodes import Episodes, Step, strong
from reporting.anomaly.evidence import Evidence
from reporting.anomaly.faults import reading
from reporting.anomaly.publication import ChartLinker, Publication
from reporting.anomaly.sample_message import sample_message
from reporting.contract.events import MutedBefore, StreamPosition, utc
from reporting.health.notice import Notice
from reporting.keys import chart_key, minute_of
from reporting.message import Message, Publish
from reporting.sinks.archive import StoredObject
from scoring.scorer import Scored
from scoring.succession import Succession
from window.released import Released
from window.rolling import RETAINED_S
from window.samples import Floats

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
class Pending:
    """What is about one device in an outbox: messages and minutes that wait for the commit, and the archive's lines."""

    device: str
    messages: list[Message]
    minutes: set[Minute]
    lines: dict[int, Lines]


@dataclass(frozen=True, slots=True)
class _Record:
    """The record that caused a change: its own stamp, its creation time, and its place in the stream, None for one from
    the table. ``alone``: all rows that were scored with it are its own or followers of it."""

    stamp: float
    created: float
    position: StreamPosition | None
    alone: bool


class LaneOutbox:
    """What a lane will publish with its next commit.

    ``episodes``, ``muting`` and ``waiting``: their state, restored from the head.
    """

    def __init__(
        self,
        bundles: Succession,
        to: Reporting,
        episodes: Mapping[str, Iterable[Episode]],
        muting: Muting,
        waiting: Waiting,
        names: NameTables,
    ) -> None:
        self._bundles = bundles
        self._to = to
        self._devices = names.devices
        self._shards = names.shards
        self._muting = muting
        self._waiting = waiting
        self._lines = ArchiveLines()
        self.episodes = Episodes(episodes, self._lines.between)
        self._minutes: set[Minute] = set()
        self._opened: list[tuple[str, float]] = []
        self.told: dict[int, Told] = {}
        """By row of what was emitted last: what was told of a sample that has become an anomaly, or another one."""

    def stored(self) -> dict[str, Any]:
        """For the head. What waits for the commit stands in its outbox."""
        return {"episodes": self.episodes.stored}

    @property
    def messages(self) -> int:
        """Messages that wait for the commit, muted ones included: their samples are archived all the same, and a commit
        holds no more of them."""
        return len(self._waiting) + self._muting.waiting

    def cuts(self, now: float) -> bool:
        """Does a message ask for a commit at ``now`` (epoch seconds)?"""
        return self._waiting.due(now) or self._muting.waiting > 0

    def messages_per_record(self, touches: int) -> int:
        """At most how many messages one record leads to that touches so many rows. A few about many devices may come on
        top: counted here, they could leave a commit no room for any record."""
        samples, steps = self._to.publish != "episodes", self._to.publish != "samples"
        return touches * samples + STEPS * steps

    def capacity(self, messages: int) -> int:
        """How many anomalous samples in order lead to no more than so many messages, at least 1. Each may have its own
        message, and end an episode and begin another of two kinds."""
        return max(1, messages // {"samples": 1, "episodes": 4, "both": 5}[self._to.publish])

    def emit(
        self, scored: Scored, run: Released, times: Floats, notices: Sequence[tuple[int, Notice]], *, now: float
    ) -> None:
        """Add the messages of rows that were just scored, and of the notices of those records, in their order.

        ``run``: the records of the rows. Where they were in order, record and row are one to one; else it is one
        record, and the rows are its own and those of the followers it touched. ``times``: when each record shows its
        device to be alive, stamps, shape (n,). ``notices``: each with its row. ``now``: when the messages are written.
        """
        self.told = {}
        self.episodes.begin_record()
        found: list[tuple[int, Message | Notice]] = [
            (row, notice) for row, notice in notices if not self._muting.notice(notice)
        ]
        for change in self._lines.update(scored, self._devices, self._bundles):
            row = change.row
            self._minutes.add((self._devices[int(scored.device[row])], minute_of(float(scored.ts[row]))))
            if change.evidence is not None:
                why = change.evidence.explanation
                self.told[row] = Told("", why.kinds, why.rules)
            if change.judged:
                record = self._record(run, times, row if row < len(run) else 0)
                found += [(row, message) for message in self._anomaly(scored, change, record, now)]
        found.sort(key=lambda each: each[0])
        for row, item in found:
            self._waiting.add([item], now=now, stamp=float(run.stamp[row if row < len(run) else 0]))

    def notify(self, notices: Iterable[Notice], *, now: float, stamp: float | None = None) -> None:
        """Add notices that are not about a scored sample, unless they are muted. ``stamp``: of the record or deadline
        that led to them."""
        self._waiting.add((each for each in notices if not self._muting.notice(each)), now=now, stamp=stamp)

    def flush_unmuted(self, notices: Iterable[Notice], *, now: float) -> None:
        """Add notices whose mute has ended and that still hold."""
        self._waiting.add(notices, now=now)

    @property
    def due(self) -> float:
        """The stamp at which the next step of an episode is due; infinite where none is."""
        return self.episodes.due

    def fire(self, *, now: float) -> None:
        """The watermark has reached `due`: add the step that is due."""
        due = self.due
        for step in self.episodes.fire():
            self._waiting.add(self._step(step, None, None, now), now=now, stamp=due)

    def recall(self, scored: Scored, between: Collection[str] = ()) -> None:
        """Restore the archive lines of rows that were published before a restart. Adds no message. ``between``: devices
        of which new records came between those that are read again. Their rows may be judged otherwise than they were
        published, so their minutes are written again."""
        for _ in self._lines.update(scored, self._devices, self._bundles):
            pass
        for device, ts in zip(scored.device.tolist(), scored.ts.tolist(), strict=True) if between else ():
            if self._devices[device] in between:
                self._minutes.add((self._devices[device], minute_of(ts)))

    def delivered(self, delivered: Delivered, *, now: float) -> None:
        """The last commit is durable: carry what its sinks did not take, and report what was set aside."""
        self.notify(self._waiting.delivered(delivered, now), now=now)

    def promise(self, minutes: Iterable[Minute]) -> None:
        """Add minutes that the last owner's head promised: they are written with the next commit."""
        self._minutes.update(minutes)

    def minute(self, minute: Minute) -> StoredObject:
        """The archive object of a minute as the window now has it."""
        return self._lines.object(minute)

    def opened(self) -> list[tuple[str, float]]:
        """Device and time of the episodes opened since the last call."""
        opened, self._opened = self._opened, []
        return opened

    def drain(self) -> Batch:
        """Take all that waits, for a commit."""
        self._lines.keep_detached(self._minutes)
        batch = Batch(self._waiting.drain(), tuple(sorted(self._minutes)), self._muting.drain())
        self._minutes = set()
        return batch

    def forget(self, device: str, newest: float) -> None:
        """Drop the lines of minutes that have left a device's window, whose newest sample is at ``newest``."""
        self._lines.forget(device, newest, self._minutes)
        self.episodes.settle(device, newest - RETAINED_S)

    def detach(self, device: str) -> None:
        """See `ArchiveLines.detach`."""
        self._lines.detach(device)

    def release(self, device: str) -> Pending:
        """Another lane has a device from now on: take out all that waits for the commit and is about it."""
        minutes = {minute for minute in self._minutes if minute[0] == device}
        self._minutes -= minutes
        return Pending(device, self._waiting.release(device), minutes, self._lines.release(device))

    def adopt(self, pending: Pending) -> None:
        """Go on with what another lane had waiting for its commit."""
        self._waiting.adopt(pending.messages)
        self._minutes |= pending.minutes
        self._lines.adopt(pending.device, pending.lines)

    @staticmethod
    def whole(minute: Minute, newest: float) -> bool:
        """May a minute's object be rewritten (rule 9)? Only while a window whose newest sample is at ``newest`` retains
        the minute and all samples that its features reach back to."""
        return minute[1] >= newest - RETAINED_S + REACH_S

    def _record(self, run: Released, times: Floats, row: int) -> _Record:
        shard = self._shards[int(run.samples.shard[row])]
        position = None if is_backfill(shard) else StreamPosition(shard=shard, sequence=str(run.sequence[row]))
        return _Record(float(times[row]), float(run.samples.created[row]), position, len(run) == 1)

    def _anomaly(self, scored: Scored, change: Change, record: _Record, now: float) -> Iterator[Message]:
        """The messages of a row that is an anomaly now, or that is none any more."""
        row, evidence = change.row, change.evidence
        device, ts = self._devices[int(scored.device[row])], float(scored.ts[row])
        kinds = () if evidence is None else evidence.explanation.kinds
        for kind in change.before:
            if kind not in kinds:
                for step in self.episodes.withdraw(device, kind, ts, record.stamp):
                    yield from self._step(step, None, record.position, now)
        if evidence is None:
            return
        config = self._bundles.at(int(scored.device[row]), ts).config
        seen = Anomaly(
            ts,
            record.stamp,
            evidence.severity,
            strong=strong(evidence.stages, evidence.severity, evidence.reconstruction_error, config),
            late=bool(scored.rescored[row]) or (record.alone and bool(scored.rescored.any())),
        )
        for kind in kinds:
            anomaly = replace(seen, kind=kind, again=kind in change.before, reading=reading(kind, evidence))
            episode, steps = self.episodes.see(device, anomaly)
            if kind == kinds[0]:
                self.told[row] = replace(self.told[row], episode=episode.id)
                if self._to.publish != "episodes":
                    yield from self._sample(evidence, episode, record, int(scored.rescored[row]), now)
            if episode.start == ts:
                self._opened.append((device, ts))
            for step in steps:
                about = evidence if step.episode.id == episode.id and step.kind != "closed" else None
                yield from self._step(step, about, record.position, now)

    def _sample(
        self, evidence: Evidence, episode: Episode, record: _Record, revision: int, now: float
    ) -> Iterator[Message]:
        mentions = self._to.publish == "samples"
        if self._muting.sample(episode, evidence.ts, record.created, mentioned=mentions):
            return
        suppressed = self._muting.catch_up(episode, evidence.ts) if mentions else None
        to = self._publication(episode, episode.start, record.position, suppressed, now)
        yield sample_message(evidence, to, episode=episode.id, revision=revision)

    def _step(
        self, step: Step, evidence: Evidence | None, position: StreamPosition | None, now: float
    ) -> Iterator[Message]:
        episode = step.episode
        if step.kind == "opened" and episode.shown != episode.start:
            self._opened.append((episode.device, episode.shown))
        if self._to.publish == "samples":
            return
        if self._muting.step(step):
            self.episodes.unheard(step)
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
