"""An independent witness: it knows what was written to the table, and holds it against what the worker did with it.

It does not ask the ledger whether a sample was read: of what was never read the ledger knows nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING, Any

import orjson
from sim_bucket import Bucket
from sim_script import Write

from consumer.state.commit import Commit
from reporting.health import silence
from scoring.scorer import Scored
from window.samples import Names

if TYPE_CHECKING:
    from sim_world import World

KINDS = ("lost", "silent late", "false silence", "conflicting", "unarchived", "untold", "untrue")
"""``lost``: written, and neither scored nor quarantined nor told as late nor in a declared gap. ``silent late``: booked
as late, and no message says so. ``false silence``: a device was called silent while samples of it were written.
``conflicting``: the messages of an episode contradict each other. ``unarchived``: scored as an anomaly, and not in the
archive. ``untold``: a durable head promises a message that nobody ever heard. ``untrue``: the last close of an episode
says other than the archive holds."""
EDGE_S = 8.0
"""A silence may be said from a stamp: at most 5 s after a creation time, which has whole seconds (rule 3)."""
LONG_S = 3600.0
"""Where devices are forgotten sooner, what was said of one that comes back is forgotten too."""
FLAP_S = 600.0
"""An episode is told to open once in so long (rule 30)."""
MOST_QUARANTINED = 100
"""Objects of a shard and an hour (rule 21); after that they are only counted."""
Sample = tuple[str, float, float, float]
"""Device, ts (epoch seconds), current (A), temperature (°C)."""
Row = tuple[str, float, float, float, bool]
"""A sample, and whether it was found to be an anomaly."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that may not be. ``kind``: one of `KINDS`."""

    kind: str
    said: str

    def __str__(self) -> str:
        return f"witness, {self.kind}: {self.said}"


@dataclass(frozen=True, slots=True)
class _Written:
    """A sample as it was written. ``ts`` is NaN for what has none. ``object``: how the name of its quarantine object
    ends, empty where the stream never had it. ``dated``: its record has a creation time."""

    write: Write
    device: str
    ts: float
    created: float
    object: str
    dated: bool

    @property
    def sample(self) -> Sample | None:
        image = self.write.image or {}
        try:
            current, temperature = (float(image[name]["N"]) for name in ("current", "temperature"))
        except (KeyError, ValueError):
            return None
        return self.device, self.ts, current, temperature


class LaneNotes:
    """`consumer.lane.observer.LaneObserver`: notes what a lane judges until a commit takes it along. ``key``: the
    lane's head; ``commit``: the number of the head that the lane begins with."""

    def __init__(self, witness: Witness, key: str, commit: int, devices: Names) -> None:
        self._witness = witness
        self._key = key
        self._commit = commit
        self._devices = devices
        self._rows: list[Row] = []
        self._recalled: list[Row] = []

    def judged(self, scored: Scored, episodes: Mapping[int, str]) -> None:
        """See `LaneObserver`."""
        self._rows += self._rows_of(scored)

    def recalled(self, scored: Scored) -> None:
        """See `LaneObserver`."""
        self._recalled += self._rows_of(scored)

    def submitted(self, commit: Commit) -> None:
        """All that was judged so far is in this commit, unless it is only a heartbeat."""
        head = commit.head
        if head.commit > self._commit:
            self._commit = head.commit
            made = (self._key, head.owner, head.epoch, head.commit)
            self._witness.commits.append((made, self._recalled, self._rows))
            self._rows, self._recalled = [], []

    def _rows_of(self, scored: Scored) -> list[Row]:
        columns = (scored.device, scored.ts, scored.current_a, scored.temperature_c, scored.verdicts.severity > 0)
        return [(self._devices[code], *values) for code, *values in zip(*(c.tolist() for c in columns), strict=True)]


@dataclass(slots=True)
class Witness:
    """Notes a run, and says afterwards what is missing, wrong or unsaid. ``commits``: of each commit what was re-read
    before it and what it has scored; ``heads``: the commits whose head was written, with the ids of the messages that
    it promises."""

    commits: list[tuple[tuple[str, str, int, int], list[Row], list[Row]]] = field(default_factory=list)
    heads: dict[tuple[str, str, int, int], list[str]] = field(default_factory=dict)

    def stored(self, key: str, body: bytes) -> None:
        """An object was written."""
        if key.endswith("/head"):
            head = orjson.loads(body)
            outbox = head.get("outbox", {}).get("messages", [])
            self.heads[key, head["owner"], head.get("epoch", 1), head.get("commit", 0)] = [m["id"] for m in outbox]

    def scored(self) -> tuple[set[Sample], dict[tuple[str, float], Row]]:
        """All that was scored durably: every sample, and by device and ts what was found last. A sample that is only
        re-read was not scored for that: somebody else must have done it."""
        seen: set[Sample] = set()
        last: dict[tuple[str, float], Row] = {}
        for commit, recalled, rows in self.commits:
            if commit in self.heads:
                seen.update(row[:4] for row in rows)
                last.update({row[:2]: row for row in (*recalled, *rows)})
        return seen, last

    def overwritten(self) -> Counter[str]:
        """By device: how many samples that were scored durably took the place of others with other readings."""
        last: dict[tuple[str, float], tuple[float, float]] = {}
        found: Counter[str] = Counter()
        for row in (row for commit, _, rows in self.commits if commit in self.heads for row in rows):
            found[row[0]] += last.get(row[:2], row[2:4]) != row[2:4]
            last[row[:2]] = row[2:4]
        return found

    def findings(self, world: World, *, before: float = inf) -> list[Finding]:
        """What may not be, of all that was written up to ``before`` (epoch seconds)."""
        told = _Told(world)
        written = [each for each in _written(world) if _promised(world, each) and each.write.written <= before]
        found = [*self._unaccounted(world, written, told)]
        found += _false_silences(written, told)
        found += _contradictions(told)
        found += _untrue(world, told)
        found += self._unarchived(world.edges.bucket)
        found += self._untold(told, world.edges.bucket)
        return found

    def _unaccounted(self, world: World, written: list[_Written], told: _Told) -> Iterator[Finding]:
        scored, _ = self.scored()
        objects = _Quarantined(world.edges.bucket)
        rest = [w for w in written if not (w.sample in scored or w in objects or told.in_gap(w) or told.takes_late(w))]
        booked = _booked_late(world) - told.taken
        # What was late is what was the oldest when it was written.
        for each in sorted(rest, key=lambda w: w.ts - w.created):
            if booked[each.device] > 0:
                booked[each.device] -= 1
                yield Finding("silent late", _about(each))
            else:
                yield Finding("lost", _about(each))

    def _unarchived(self, bucket: Bucket) -> Iterator[Finding]:
        archived = set()
        for body in bucket.under("battery-events/").values():
            for line in map(orjson.loads, body.splitlines()):
                archived.add((line["device"], line["ts"], line["actual"]["current_a"], line["actual"]["temperature_c"]))
        _, last = self.scored()
        for row in last.values():
            if row[4] and row[:4] not in archived:
                yield Finding("unarchived", f"{row[0]} at {row[1]!r}, {row[2]:g} A")

    def _untold(self, told: _Told, bucket: Bucket) -> Iterator[Finding]:
        aside = "".join(key for key in bucket.objects if key.startswith("battery-undelivered/"))
        newest = {commit[0]: commit for commit in self.heads}  # its messages may still be under way
        for commit, ids in self.heads.items():
            for each in ids if newest[commit[0]] != commit else []:
                if each not in told.ids and each not in aside:
                    yield Finding("untold", f"message {each}, promised in commit {commit[3]} of epoch {commit[2]}")


class _Told:
    """What was published, each message once, as a subscriber has it."""

    def __init__(self, world: World) -> None:
        self.events: dict[str, Any] = {}
        for heard in world.edges.subscriber.heard:
            self.events.setdefault(heard.id, orjson.loads(heard.body))
        self.ids = set(self.events)
        stored = world.edges.bucket.under("battery-undelivered/").values()
        aside = [orjson.loads(body)["event"] for body in stored]
        self.events = {event["id"]: event for event in aside} | self.events  # somebody is told where they lie
        self.aside = {event["data"].get("episode") for event in aside}
        """Episodes of which a message was set aside (rule 29)."""
        self._late: dict[str | None, list[tuple[float, float]]] = {}
        self._count: Counter[str | None] = Counter()
        self._used: Counter[str | None] = Counter()
        self.taken: Counter[str] = Counter()
        """Samples that the messages have accounted for, by device."""
        self._gaps: list[tuple[float, float]] = []
        for event in self.of("health.late"):
            self._note_late(event["data"].get("device"), event["data"])
        for event in self.of("health.gap"):
            data = event["data"]
            self._gaps.append((data["since"], data.get("until") or data["since"]))
        for head in world.durable_heads():
            for device, health in head.health.items():
                if health.late is not None:  # the run goes on, and will be told when it is over
                    run = health.late
                    self._note_late(device, {"since": run.since, "until": run.until, "count": run.count})
            for storm in head.storms:
                if storm.notice is not None and storm.notice.type == "health.late":
                    self._note_late(
                        None, {"since": storm.notice.since, "until": storm.notice.until, "count": storm.notice.count}
                    )

    def of(self, kind: str) -> list[Any]:
        """The messages whose type begins so."""
        return [event for event in self.events.values() if event["type"].startswith(kind)]

    def takes_late(self, each: _Written) -> bool:
        """Does a message (or a run that is not over) call the sample late? Each speaks of so many and no more."""
        for device in (each.device, None):  # None: a message about many devices (rule 30)
            intervals = self._late.get(device, ())
            if self._used[device] < self._count[device] and any(a <= each.ts <= b for a, b in intervals):
                self._used[device] += 1
                self.taken[each.device] += 1
                return True
        return False

    def in_gap(self, each: _Written) -> bool:
        """Does it lie in a gap that was declared?"""
        times = (each.ts, each.created)
        return any(since - 1.0 <= at <= until + 1.0 for since, until in self._gaps for at in times)

    def _note_late(self, device: str | None, data: Mapping[str, Any]) -> None:
        self._late.setdefault(device, []).append((data["since"], data["until"]))
        self._count[device] += data["count"]


class _Quarantined:
    """What was set aside, by the names of its objects."""

    def __init__(self, bucket: Bucket) -> None:
        names = [key.rsplit("/", 1)[1].removesuffix(".json") for key in bucket.under("battery-quarantine/")]
        self._names = set(names)
        shards = Counter(name.rsplit("-", 1)[0] for name in names)
        self._full = {shard for shard, count in shards.items() if count >= MOST_QUARANTINED}

    def __contains__(self, each: _Written) -> bool:
        if not each.object:
            return False
        full = each.write.expected == "quarantined" and each.object.rsplit("-", 1)[0] in self._full
        return each.object in self._names or full


def _written(world: World) -> Iterator[_Written]:
    """Every sample that was ever written to the table, read or not."""
    at = {}
    for stream in world.edges.streams:
        for shard in stream.script.shards:
            for record in shard.records:
                change = record["dynamodb"]
                if "NewImage" in change:
                    created = change.get("ApproximateCreationDateTime")
                    at[id(change["NewImage"])] = created, f"{shard.name}-{change['SequenceNumber']}"
    table = world.script.table
    for write in world.edges.table.writes:
        if write.image is not None and write.written <= world.clock.now:
            created, name = at.get(id(write.image), (None, ""))
            device = str(next(iter(write.image.get("device", {"S": table}).values())))
            ts = float(write.image.get("ts", {}).get("N", "nan"))
            when = write.written if created is None else float(created)
            yield _Written(write, device, ts, when, name, created is not None or not name)


def _promised(world: World, each: _Written) -> bool:
    """Nothing is promised of what was written before a first start at the tip."""
    return each.write.written >= world.promised_from


def _booked_late(world: World) -> Counter[str]:
    """By device: how many records the ledgers have as late."""
    booked: Counter[str] = Counter()
    for head in world.durable_heads():
        for devices in head.ledger.values():
            booked.update({device: counts.get("late", 0) for device, counts in devices.items()})
    return booked


def _false_silences(written: list[_Written], told: _Told) -> Iterator[Finding]:
    by_device: dict[str, list[_Written]] = {}
    for each in written:
        if each.write.expected == "scored" and each.dated:  # when the others came, nobody can say
            by_device.setdefault(each.device, []).append(each)
    for event in told.of("health.silence"):
        data = event["data"]
        if data["state"] != "opened":
            continue
        until = datetime.fromisoformat(event["time"]).timestamp()
        within = [
            each
            for each in by_device.get(data.get("device"), ())  # a message about many has no times of one device
            if data["since"] + EDGE_S < each.write.written < until - EDGE_S
        ]
        if within:
            yield Finding("false silence", f"{data['summary']} Written: {len(within)}, first {_about(within[0])}")


def _contradictions(told: _Told) -> Iterator[Finding]:
    """An episode opens, escalates and closes. Only as one that is reopened it opens again, and not within ten minutes
    unless it is worse (rule 30); only as one that was amended or came back it closes again. Along the steps of a device
    time never runs backwards."""
    story: dict[str, list[Any]] = {}
    said: dict[str, str] = {}
    for event in told.of("anomaly."):
        data = event["data"]
        if data.get("state") is None or data["episode"] in told.aside:
            continue
        before = story.setdefault(data["episode"], [])
        if why := _unfit(before, event):
            yield Finding("conflicting", f"episode {data['episode']} of {event['subject']}: {why}")
        if event["time"] < said.get(event["subject"], "") and silence.FORGET_S > LONG_S:
            yield Finding("conflicting", f"{event['type']} of {event['subject']} at {event['time']} after a later one")
        said[event["subject"]] = event["time"]
        before.append(event)


def _unfit(before: list[Any], event: Any) -> str:
    """Why a step cannot follow those before it; empty if it can."""
    data = event["data"]
    last = before[-1]["data"]["state"] if before else "nothing"
    if last == "nothing":
        return "" if data["state"] == "opened" else f"{data['state']} after nothing"
    if data["state"] == "opened":
        if last != "closed" or not data["reopened"]:
            return f"opened after {last}"
        opened = [each for each in before if each["data"]["state"] == "opened"]
        worst = max(each["severitynumber"] for each in before)
        # The message's time may be that of another step: the one of a late sample is that of the step before it.
        first = opened[-1]["data"]
        soon = _epoch(event["time"]) - first.get("evidence", {"ts": first["last"]})["ts"] < FLAP_S
        return "opened again within ten minutes" if soon and event["severitynumber"] <= worst else ""
    if last == "closed" and data["state"] != "closed":
        return f"{data['state']} after closed"
    return ""


def _untrue(world: World, told: _Told) -> Iterator[Finding]:
    """The last close of each episode that is over, held against the lines of the archive."""
    lines: dict[str, list[Any]] = {}
    for body in world.edges.bucket.under("battery-events/").values():
        for line in map(orjson.loads, body.splitlines()):
            lines.setdefault(line["device"], []).append(line)
    waiting = {e.id for head in world.durable_heads() for of in head.episodes.values() for e in of if e.state == "open"}
    last = {event["data"]["episode"]: event for event in told.of("anomaly.closed")}
    for episode, event in last.items():
        data = event["data"]
        if episode in waiting or episode in told.aside or not data["samples"]:
            continue
        within = sorted(
            line["ts"]
            for line in lines.get(event["subject"], [])
            if data["kind"] in line["kinds"] and data["opened"] <= line["ts"] <= data["last"]
        )
        if (len(within), within[:1], within[-1:]) != (data["samples"], [data["opened"]], [data["last"]]):
            yield Finding("untrue", f"episode {episode}: {data['summary']} The archive has {within}")


def _epoch(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def _about(each: _Written) -> str:
    at = datetime.fromtimestamp(each.write.written, UTC)
    return f"{each.device}, ts {each.ts!r}, written at {at:%H:%M:%S.%f}, {each.write.expected}"
