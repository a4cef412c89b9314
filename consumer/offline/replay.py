"""Recorded samples on the worker's own way: a lane fed from memory, its commits kept there.

Nothing of the way is written a second time. What is different: there is no stream, so records count as written at
their ``ts``, and none is late or in the future; no charts are asked for; nothing is muted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from math import inf

import numpy as np
import orjson
from numpy.typing import NDArray

from consumer.lane.lane import Lane
from consumer.outgoing.chart_schedule import ChartSchedule
from consumer.outgoing.outbox import Reporting
from consumer.state.classes import CLASSES
from consumer.state.commit import Commit
from consumer.state.head import Head
from consumer.stream.records import Decoded, NameTables
from consumer.stream.source import ShardBatch, ShardEnded, ShardNode, ShardOpened, Topology
from reporting.anomaly.episodes import Anomaly, Episodes, strong
from reporting.message import Message, Publish
from reporting.sinks.archive import StoredObject
from scoring.bundle import Bundle
from scoring.detectors import Stage
from scoring.scorer import Scored, Scorer
from scoring.verdict import Severity
from window.features import FEATURES
from window.samples import Codes, Floats, Kind, Names, Samples

PAGE = 10_000
_CURRENT, _TEMPERATURE = FEATURES.index("current"), FEATURES.index("temperature")
Tell = Callable[[int], None]
"""Gets the number of records done since its last call."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the models said of every sample: columns of shape (n,), in order of time.

    ``device`` holds places in ``devices``, ``stages`` `Stage` bits, ``severity`` `Severity` values, ``episode`` ids,
    empty where there is none. A sample that was set aside because no score came of it has NaN for scores.
    """

    devices: tuple[str, ...]
    device: Codes
    ts: Floats
    current_a: Floats
    temperature_c: Floats
    expected_current_a: Floats
    expected_temperature_c: Floats
    reconstruction_error: Floats
    forest_score: Floats
    stages: NDArray[np.uint8]
    severity: NDArray[np.int8]
    episode: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.ts)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the worker would have said, and counted by device and class; ``quarantine``: the objects with what was set
    aside and why."""

    judged: Judged
    messages: tuple[Message, ...]
    counts: dict[str, dict[str, int]]
    quarantine: tuple[StoredObject, ...]


def replay(
    recorded: Decoded,
    bundle: Bundle,
    *,
    name: str,
    devices: Names,
    table: str,
    context: Samples | None = None,
    bucket: str = "",
    one_device: bool = False,
    publish: Publish = "episodes",
    tell: Tell = lambda _: None,
) -> Replayed:
    """Replay records that are in order of time and count as written at their ``ts``; ``name``: the shard they get.

    ``table``: whom the messages are about, as in the worker's settings. ``context``: samples from before, for the
    windows alone, as at the worker's first start. ``one_device``: the table's key cannot tell two devices apart. The
    same records and bundle give the same bytes: what is written down is written at the end of the recording.
    """
    scorer = _Remembering(bundle)
    now = float(recorded.samples.created.max(initial=0.0))
    shards = Names()
    shard = shards.code(name)
    to = Reporting(f"urn:battery-watch:{table}", table, bucket, "", lambda _: None, publish)
    head = Head(lane="replay", owner="replay", bundle=bundle.id)
    lane = Lane(scorer, head, to, NameTables(devices, shards), one_device=one_device)
    lane._parts.charts = _NoCharts(scorer, {}, "")
    if context is not None and len(context):
        lane.fill(context.of_kind(np.where(context.kind == Kind.SAMPLE, Kind.BACKFILL, context.kind).astype(np.int8)))
    lane.take(ShardOpened(name, 1, None, closed=True), now)
    lane.take(Topology((ShardNode(name, None, True),)), now)
    kept = _Kept()
    for page in _pages(recorded, name, shard):
        lane.take(page, now)
        kept.settle(lane, now)
        tell(len(page.samples))
    lane.take(ShardEnded(name, 1), now)
    kept.settle(lane, now)
    kept.keep(lane.cut(now, final=True))
    return Replayed(scorer.judged(devices), tuple(kept.messages), kept.counts(), tuple(kept.quarantine))


def _pages(recorded: Decoded, name: str, shard: int) -> Iterator[ShardBatch]:
    whole = recorded.samples
    for start in range(0, len(whole), PAGE):
        rows = slice(start, start + PAGE)
        samples = whole.take(rows)
        samples.shard[:] = shard
        rejects = {row - start: recorded.rejects[row] for row in range(start, start + PAGE) if row in recorded.rejects}
        yield ShardBatch(name, 1, samples, recorded.sequence[rows], rejects, asked_at=0.0, full=True)


@dataclass(slots=True)
class _Kept:
    """What a lane's commits bring."""

    messages: list[Message] = field(default_factory=list)
    quarantine: list[StoredObject] = field(default_factory=list)
    books: dict[str, bytes] = field(default_factory=dict)

    def settle(self, lane: Lane, now: float) -> None:
        """Process all that was delivered, commit after commit."""
        while True:
            lane.step(now)
            self.keep(lane.cut(now))
            if lane.idle:
                return

    def keep(self, commit: Commit | None) -> None:
        if commit is not None:
            self.messages += commit.messages
            self.quarantine += commit.quarantine
            self.books.update((book.key, book.body) for book in commit.books)

    def counts(self) -> dict[str, dict[str, int]]:
        """By device, over all days."""
        sums: dict[str, dict[str, int]] = {}
        for body in self.books.values():
            for device, counts in orjson.loads(body)["devices"].items():
                so_far = sums.setdefault(device, dict.fromkeys(CLASSES, 0))
                for name, count in counts.items():
                    so_far[name] += count
        return sums


class _NoCharts(ChartSchedule):
    """A replay has no charts of every five minutes."""

    def begin(self, stamp: float) -> None:
        """See `ChartSchedule`."""

    def until(self, stamp: float) -> float:
        """See `ChartSchedule`."""
        return inf

    def opening(self, device: str, at: float) -> None:
        """See `ChartSchedule`."""


@dataclass(frozen=True, slots=True)
class _Said:
    """Rows as they were scored, one call after the other; ``device`` holds codes."""

    device: Codes
    ts: Floats
    current_a: Floats
    temperature_c: Floats
    expected_current_a: Floats
    expected_temperature_c: Floats
    reconstruction_error: Floats
    forest_score: Floats
    stages: NDArray[np.uint8]
    severity: NDArray[np.int8]
    changed: NDArray[np.bool_]
    was_anomaly: NDArray[np.bool_]


class _Remembering(Scorer):
    """The worker's scorer, which remembers what it said: windows forget after 32 minutes."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        self._said: list[_Said] = []

    def take(
        self, samples: Samples, *, most_anomalies: int, ends: NDArray[np.intp] | None = None
    ) -> tuple[Scored, int]:
        """See `Scorer`."""
        scored, count = super().take(samples, most_anomalies=most_anomalies, ends=ends)
        scores, verdicts = scored.scores, scored.verdicts
        self._said.append(
            _Said(
                device=scored.device,
                ts=scored.ts,
                current_a=scored.current_a,
                temperature_c=scored.temperature_c,
                expected_current_a=scores.reconstruction[:, _CURRENT].copy(),
                expected_temperature_c=scores.reconstruction[:, _TEMPERATURE].copy(),
                reconstruction_error=scores.reconstruction_error,
                forest_score=scores.forest_score,
                stages=verdicts.stages,
                severity=verdicts.severity,
                changed=scored.changed,
                was_anomaly=scored.was_anomaly,
            )
        )
        return scored, count

    def judged(self, names: Names) -> Judged:
        """Every sample as it was judged last: one that was written again, or that one out of order touched, was judged
        more than once."""
        called = np.array([names[code] for code in range(len(names))], object)
        said = self._said or [_Said(*(np.empty(0, np.int32) for _ in fields(_Said)))]  # type: ignore[arg-type]
        whole = _Said(*(np.concatenate([getattr(part, f.name) for part in said]) for f in fields(_Said)))
        episode = self._episodes(whole, called)
        order = np.lexsort((np.arange(len(whole.ts)), whole.ts, whole.device))
        device, ts = whole.device[order], whole.ts[order]
        last = order[np.append((device[1:] != device[:-1]) | (ts[1:] != ts[:-1]), True)[: len(order)]]
        rank = np.argsort(np.argsort(called))[whole.device[last]]
        rows = last[np.lexsort((rank, whole.ts[last]))]
        columns = {f.name: getattr(whole, f.name)[rows] for f in fields(_Said)}
        del columns["changed"], columns["was_anomaly"]
        return Judged(tuple(called), **columns, episode=episode[rows])

    def _episodes(self, of: _Said, called: NDArray[np.object_]) -> NDArray[np.object_]:
        """The episode of each anomalous row, as the messages have it."""
        episodes, known = Episodes(), dict[tuple[int, float], str]()
        config = self.bundles.bundles[-1].config
        found = np.full(len(of.ts), "", object)
        for row in np.flatnonzero((of.severity > 0) | of.was_anomaly):
            code, ts = int(of.device[row]), float(of.ts[row])
            if of.severity[row] == 0:
                episodes.withdraw(called[code], ts, ts)
            elif of.changed[row]:
                stages, severity = Stage(int(of.stages[row])), Severity(int(of.severity[row]))
                clear = strong(stages, severity, float(of.reconstruction_error[row]), config)
                again = bool(of.was_anomaly[row])
                episode, _ = episodes.see(called[code], Anomaly(ts, ts, severity, strong=clear, again=again))
                known[code, ts] = episode.id
            if of.severity[row] > 0:
                found[row] = known.get((code, ts), "")
        return found
