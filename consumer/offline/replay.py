"""Replays recorded samples through the worker's own lane, from memory, and keeps its commits there.

So a replay gives the worker's results by construction. The differences: there is no stream, so records count as written
at their ``ts``, and none is late or in the future; it asks for no charts; nothing is muted. Files have no account, so
the source of their events names the table alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np
import orjson
from numpy.typing import NDArray

from consumer.lane.lane import Lane
from consumer.lane.observer import NoObserver
from consumer.lane.parts import LaneOptions
from consumer.outgoing.outbox import Reporting
from consumer.outgoing.told import Told
from consumer.state.classes import CLASSES
from consumer.state.commit import Commit
from consumer.state.head import Head
from consumer.stream.records import Decoded, NameTables
from consumer.stream.source import ShardBatch, ShardEnded, ShardNode, ShardOpened, Topology
from reporting.contract.source import EventSource
from reporting.message import Message, Publish
from reporting.sinks.archive import StoredObject
from scoring.bundle import Bundle
from scoring.scorer import Scored, Scorer
from window.features import FEATURES
from window.samples import Codes, Floats, Kind, Names, Samples

PAGE = 10_000
_CURRENT, _TEMPERATURE = FEATURES.index("current"), FEATURES.index("temperature")


@dataclass(frozen=True, slots=True)
class Recorded:
    """``records`` in order of time, which count as written at their ``ts``; ``name``: the name of their shard;
    ``devices``: the table of their codes; ``context``: earlier samples, for the windows alone, as at the worker's first
    start."""

    records: Decoded
    name: str
    devices: Names
    context: Samples | None = None


@dataclass(frozen=True, slots=True)
class WatchedTable:
    """The table of the records, as in the worker's settings: the messages name it, and the bucket. ``one_device``: the
    table is keyed by time alone, so it can hold one device only. ``arn``: the table's, empty where there is none."""

    name: str
    bucket: str = ""
    publish: Publish = "episodes"
    one_device: bool = False
    arn: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """The models' results for every sample: columns of shape (n,), in order of time.

    ``device`` has indexes into ``devices``, ``stages`` `Stage` bits, ``severity`` `Severity` values, ``episode`` ids of
    the episodes of their main kinds, empty if there is none, ``kinds`` a tuple of `FaultKind`, ``rules`` a tuple of
    `Rule`. A sample that was quarantined because it has no finite score has NaN scores.
    """

    devices: tuple[str, ...]
    device: Codes
    ts: Floats
    current_a: Floats
    temperature_c: Floats
    reconstructed_current_a: Floats
    reconstructed_temperature_c: Floats
    reconstruction_error: Floats
    forest_score: Floats
    stages: NDArray[np.uint8]
    severity: NDArray[np.int8]
    episode: NDArray[np.object_]
    kinds: NDArray[np.object_]
    rules: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.ts)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the worker would have published, and its counts by device and class. ``quarantine``: the objects with the
    quarantined records and the reasons."""

    judged: Judged
    messages: tuple[Message, ...]
    counts: dict[str, dict[str, int]]
    quarantine: tuple[StoredObject, ...]


def replay(
    recorded: Recorded, bundle: Bundle, table: WatchedTable, *, progress: Callable[[int], None] = lambda _: None
) -> Replayed:
    """Replay a recording. ``progress`` gets the number of records processed since its last call.

    The same records and bundle give the same bytes: the clock stands at the end of the recording.
    """
    rows = _Rows()
    now = float(recorded.records.samples.created.max(initial=0.0))
    shards = Names()
    shard = shards.code(recorded.name)
    source = str(EventSource.of(table.name, table.arn))
    to = Reporting(source, table.name, table.bucket, "", lambda _: None, table.publish)
    head = Head(lane="replay", owner="replay", bundle=bundle.id)
    options = LaneOptions(one_device=table.one_device, charts=False, observer=rows)
    lane = Lane(Scorer(bundle), head, to, NameTables(recorded.devices, shards), None, options)
    context, name = recorded.context, recorded.name
    if context is not None and len(context):
        lane.recovery.fill(
            context.of_kind(np.where(context.kind == Kind.SAMPLE, Kind.BACKFILL, context.kind).astype(np.int8))
        )
    lane.take(ShardOpened(name, 1, None, closed=True), now)
    lane.take(Topology((ShardNode(name, None, True),)), now)
    kept = _Kept()
    for page in _pages(recorded.records, name, shard):
        lane.take(page, now)
        kept.settle(lane, now)
        progress(len(page.samples))
    lane.take(ShardEnded(name, 1), now)
    kept.settle(lane, now)
    lane.conclude(now)
    kept.keep(lane.cut(now, final=True))
    return Replayed(rows.judgements(recorded.devices), tuple(kept.messages), kept.counts(), tuple(kept.quarantine))


def _pages(recorded: Decoded, name: str, shard: int) -> Iterator[ShardBatch]:
    # As the table would have written them: creation times, which are the stamps, have whole seconds.
    whole = replace(recorded.samples, created=np.floor(recorded.samples.created))
    for start in range(0, len(whole), PAGE):
        rows = slice(start, start + PAGE)
        samples = whole.take(rows)
        samples.shard[:] = shard
        rejects = {row - start: recorded.rejects[row] for row in range(start, start + PAGE) if row in recorded.rejects}
        yield ShardBatch(name, 1, samples, recorded.sequence[rows], rejects, asked_at=0.0, full=True)


@dataclass(slots=True)
class _Kept:
    """The results in a lane's commits."""

    messages: list[Message] = field(default_factory=list)
    quarantine: list[StoredObject] = field(default_factory=list)
    ledger: dict[str, bytes] = field(default_factory=dict)

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
            self.ledger.update((item.key, item.body) for item in commit.ledger)

    def counts(self) -> dict[str, dict[str, int]]:
        """By device, over all days."""
        sums: dict[str, dict[str, int]] = {}
        for body in self.ledger.values():
            for device, counts in orjson.loads(body)["devices"].items():
                so_far = sums.setdefault(device, dict.fromkeys(CLASSES, 0))
                for name, count in counts.items():
                    so_far[name] += count
        return sums


class _Rows(NoObserver):
    """A `LaneObserver` that keeps all that the lane judged. The lane's windows keep minutes only."""

    def __init__(self) -> None:
        self._pages: list[Judged] = []
        self._told: dict[tuple[int, float], Told] = {}

    def judged(self, scored: Scored, told: Mapping[int, Told]) -> None:
        """See `LaneObserver`. A row that is scored again and stays the same anomaly stays in its episode."""
        scores, verdicts = scored.scores, scored.verdicts
        episode, kinds, rules = (_filled(len(scored.ts), each) for each in ("", (), ()))
        for row in np.flatnonzero(verdicts.severity > 0):
            key = int(scored.device[row]), float(scored.ts[row])
            if row in told:
                now = told[int(row)]
                self._told[key] = now if now.episode else replace(now, episode=self._told[key].episode)
            if key in self._told:
                last = self._told[key]
                episode[row], kinds[row], rules[row] = last.episode, last.kinds, last.rules
        self._pages.append(
            Judged(
                devices=(),
                device=scored.device,
                ts=scored.ts,
                current_a=scored.current_a,
                temperature_c=scored.temperature_c,
                reconstructed_current_a=scores.reconstruction[:, _CURRENT].copy(),
                reconstructed_temperature_c=scores.reconstruction[:, _TEMPERATURE].copy(),
                reconstruction_error=scores.reconstruction_error,
                forest_score=scores.forest_score,
                stages=verdicts.stages,
                severity=verdicts.severity,
                episode=episode,
                kinds=kinds,
                rules=rules,
            )
        )

    def judgements(self, names: Names) -> Judged:
        """Every sample as it was judged last. A sample is judged again if it is written again, or if a neighbour comes
        out of order."""
        devices = np.array([names[code] for code in range(len(names))], object)
        columns = [field.name for field in fields(Judged) if field.name != "devices"]
        pages = self._pages or [Judged((), *(np.empty(0, np.int32) for _ in columns))]  # type: ignore[arg-type]
        whole = {name: np.concatenate([getattr(page, name) for page in pages]) for name in columns}
        order = np.lexsort((np.arange(len(whole["ts"])), whole["ts"], whole["device"]))
        device, ts = whole["device"][order], whole["ts"][order]
        last = order[np.append((device[1:] != device[:-1]) | (ts[1:] != ts[:-1]), True)[: len(order)]]
        rank = np.argsort(np.argsort(devices))[whole["device"][last]]
        rows = last[np.lexsort((rank, whole["ts"][last]))]
        return Judged(tuple(devices), **{name: column[rows] for name, column in whole.items()})


def _filled(count: int, value: object) -> NDArray[np.object_]:
    column = np.empty(count, object)
    column[:] = [value] * count
    return column
