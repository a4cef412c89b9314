"""What a run has left behind, and how two runs differ: the promise that closes the rules of order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import Any

import orjson
from sim_topic import Published
from sim_world import World

from consumer.state.head import Head

COMPARED = ("scored", "late", "quarantined", "ignored")
BALANCE = {"read": 1, "duplicate": -1, **dict.fromkeys(COMPARED, -1)}
ARCHIVE, QUARANTINE, UNDELIVERED = "battery-events/", "battery-quarantine/", "battery-undelivered/"
OF_THE_LANE = (
    *("health.gap", "health.lagging", "health.warming", "health.bundle"),
    *("health.host_clock", "health.rewritten", "health.undelivered"),
)
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """``messages``: by device, in the order of their first publication, without what may differ. ``conflicts``: ids
    published with two bodies. ``counts``: records of the compared classes, by day and device. ``guesses``: forced
    releases and broken promises of idleness. ``aside``: ids of messages that were set aside (rule 29);
    ``gathered``: types of which one message was about many devices (rule 30); ``ends``: when the last record could be
    read; ``overwritten``: records that overwrote others, by day and device."""

    archive: Mapping[str, bytes]
    messages: Mapping[str, list[Any]]
    conflicts: tuple[str, ...]
    counts: Mapping[str, int]
    imbalance: int
    lost: int
    guesses: int
    aside: frozenset[str] = frozenset()
    gathered: frozenset[str] = frozenset()
    ends: float = inf
    overwritten: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, world: World) -> Outcome:
        """Of a run that is over."""
        bucket = world.edges.bucket
        heads = world.durable_heads()
        counts: Counter[str] = Counter()
        overwritten: Counter[str] = Counter()
        imbalance = lost = 0
        for day, devices in (day for head in heads for day in head.ledger.items()):
            for device, books in devices.items():
                counts.update({f"{day} {device} {name}": books[name] for name in COMPARED if books.get(name)})
                imbalance += abs(sum(books.get(name, 0) * sign for name, sign in BALANCE.items()))
                lost += books.get("lost", 0)
                overwritten.update({f"{day} {device} overwritten": books.get("overwritten", 0)})
        horizon = datetime.fromtimestamp(world.ends, UTC)
        forced = sum(head.forced for head in heads)
        messages, conflicts = _heard(world.edges.subscriber.heard, horizon)
        aside = frozenset(name_of(key) for key in bucket.under(UNDELIVERED))
        events = (orjson.loads(each.body) for each in world.edges.subscriber.heard)
        gathered = frozenset(event["type"] for event in events if "devices" in event["data"])
        archive = bucket.under(ARCHIVE, QUARANTINE)
        beside = aside, gathered, world.ends, +overwritten
        return cls(archive, messages, conflicts, counts, imbalance, lost, forced, *beside)

    @property
    def events(self) -> dict[str, bytes]:
        """The archive without the quarantine, whose keys name shards."""
        return {key: body for key, body in self.archive.items() if key.startswith(ARCHIVE)}


def name_of(key: str) -> str:
    """The id of the message that lies under this key."""
    return key.rsplit("/", 1)[1].removesuffix(".json")


def head_of(world: World) -> Any:
    """The lane's head as it lies in the bucket, as a tree without its defaults."""
    (body,) = (stored.body for key, stored in world.edges.bucket.objects.items() if key.endswith("/head"))
    return Head.model_validate_json(body).model_dump(mode="json", exclude_defaults=True)


def differences(
    expected: Outcome, found: Outcome, *, across_shards: bool = False, types: tuple[str, ...] = ("",)
) -> list[str]:
    """How a run differs from the undisturbed one, in words; empty where the promise was kept.

    After a guess (a forced release) only archive and books are compared, the latter without telling scored from
    late: messages may have revisions.
    ``across_shards``: the runs had different shards, so positions and quarantine keys are left out. ``types``: how the
    types of the messages compared begin.
    """
    said = [f"id {i} was published with two bodies" for i in sorted({*found.conflicts}.difference(expected.conflicts))]
    if found.imbalance or found.lost:
        said.append(f"the ledger is off by {found.imbalance}, {found.lost} lost")
    guessed = bool(found.guesses or expected.guesses)
    said += _different("ledger", _books(expected.counts, guessed), _books(found.counts, guessed))
    if not guessed and not across_shards:  # which of several records of one second is the last depends on the shards
        said += _different("ledger", expected.overwritten, found.overwritten)
    archives = [each.events if across_shards else each.archive for each in (expected, found)]
    if guessed:
        # A minute that was taken for anomalous and then was not stays behind, empty.
        archives = [{key: body for key, body in archive.items() if body} for archive in archives]
    said += _different("archive", *archives)
    if guessed:
        return said
    aside = expected.aside | found.aside
    # Which devices are told together depends on the order across devices, which is not promised.
    gathered = expected.gathered | found.gathered
    for device in sorted({*expected.messages, *found.messages}):
        before, after = (
            [
                m
                for m in each.messages.get(device, [])
                if m["type"].startswith(types) and m["id"] not in aside and m["type"] not in gathered
            ]
            for each in (expected, found)
        )
        if across_shards:
            until = min(expected.ends, found.ends)  # the last record is readable sooner in one of them
            before, after = ([_unplaced(m) for m in each if _at(m) <= until] for each in (before, after))
        said += _reordered(device, before, after)
    return said


def _at(event: Any) -> float:
    return datetime.fromisoformat(event["time"]).timestamp()


def _books(counts: Mapping[str, int], guessed: bool) -> Mapping[str, int]:
    """After a guess a sample may come when its window has gone on without it: it is then booked as late, not scored."""
    if not guessed:
        return counts
    merged: Counter[str] = Counter()
    for name, count in counts.items():
        merged[name.removesuffix("late") + "scored" if name.endswith(" late") else name] += count
    return merged


def _heard(published: Iterable[Published], horizon: datetime) -> tuple[dict[str, list[Any]], tuple[str, ...]]:
    bodies: dict[str, set[bytes]] = {}
    messages: dict[str, list[Any]] = {}
    for each in published:
        event = orjson.loads(each.body)
        known = bodies.setdefault(event["id"], set())
        if each.body in known:
            continue
        known.add(each.body)
        # Runs end at different times, and what a lane says of itself depends on how it fared.
        if event["type"] in OF_THE_LANE or datetime.fromisoformat(event["time"]) > horizon:
            continue
        event.pop("recordedtime", None)
        event["data"].pop("chart", None)
        messages.setdefault(each.device, []).append(event)
    return messages, tuple(sorted(i for i, known in bodies.items() if len(known) > 1))


def _unplaced(event: Any) -> Any:
    return {name: value for name, value in event.items() if name not in ("sequence", "data")} | {
        "data": {name: value for name, value in event["data"].items() if name != "position"}
    }


def _different(what: str, expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    keys = sorted({*expected, *found})
    wrong = [key for key in keys if expected.get(key) != found.get(key)]
    said = [f"{what} {key}: {_short(expected.get(key))} became {_short(found.get(key))}" for key in wrong[:SHOWN]]
    return said + ([f"{what}: {len(wrong) - SHOWN} more differ"] if len(wrong) > SHOWN else [])


def _reordered(device: str, expected: list[Any], found: list[Any]) -> list[str]:
    if expected == found:
        return []
    names = [
        [(m["type"], m["time"], m["data"].get("revision"), m["id"][:6]) for m in each] for each in (expected, found)
    ]
    row = next((n for n, pair in enumerate(zip(expected, found, strict=False)) if pair[0] != pair[1]), None)
    row = min(len(expected), len(found)) if row is None else row
    near = [each[max(0, row - 1) : row + SHOWN] for each in names]
    return [f"messages of {device}: {len(expected)} became {len(found)}; from {row}: {near[0]} became {near[1]}"]


def _short(value: Any) -> str:
    if isinstance(value, bytes):
        lines = value.splitlines()
        return f"{len(lines)} lines"
    return "nothing" if value is None else repr(value)
