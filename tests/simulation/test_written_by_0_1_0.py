"""A worker of today goes on where one of version 0.1.0 stood, from `tests/fixtures/0.1.0`."""

from __future__ import annotations

from dataclasses import replace
from math import floor, inf
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from released import CASES, Case
from sim_bucket import Bucket, Stored
from sim_bundle import arithmetic_bundle, stricter_bundle
from sim_outcome import ARCHIVE, Outcome
from sim_plan import Later, Plan
from sim_script import Script, Shard, Write
from sim_stream import Weather
from sim_topic import Subscriber
from sim_world import World

from scoring.bundle import Bundle

TAKE_OVER_S = 35.0
"""So long after its last sign of life a worker is known to be gone."""
CLASSES = ("scored", "late", "quarantined", "ignored", "backfilled")


def script_of(case: Case) -> Script:
    """The stream that the worker was reading."""
    stream = case.stream
    shards = [
        Shard(name, parent, opened, inf if closed is None else closed, low, high)
        for name, parent, opened, closed, low, high in stream["shards"]
    ]
    rows: list[list[Any]] = [[] for _ in shards]
    for row in stream["records"]:
        rows[row[0]].append(row)
    filled = tuple(
        replace(
            shard,
            records=tuple(map(_record, own)),
            sequences=tuple(int(row[3]) for row in own),
            written=tuple(row[1] for row in own),
            visible=tuple(row[2] for row in own),
        )
        for shard, own in zip(shards, rows, strict=True)
    )
    writes = [Write(row[1], row[4], row[5], row[6], "", 0.0) for row in stream["records"]]
    by_name = {shard.name: shard for shard in filled}
    return Script(filled, tuple(sorted(writes, key=lambda w: w.written)), stream["table"], stream["label"], by_name)


def _record(row: list[Any]) -> dict[str, Any]:
    """As GetRecords has it."""
    _, written, _, sequence, change, keys, image = row
    about = {"ApproximateCreationDateTime": floor(written), "Keys": keys, "SequenceNumber": sequence, "SizeBytes": 200}
    return {"eventName": change, "dynamodb": about if image is None else {**about, "NewImage": image}}


def going_on(case: Case, bundle: Bundle, **more: Any) -> World:
    """A world with the bucket as it lay there, in which a worker starts when the other one is known to be gone."""
    bucket = Bucket(
        {k: Stored(body, f'"{n}"', case.metadata.get(k, {})) for n, (k, body) in enumerate(case.objects.items())}
    )
    left = case.stream["left"]
    edges: Any = SimpleNamespace(bucket=bucket, subscriber=Subscriber())
    later = Later(deleted=case.stream["deleted"])
    return World(script_of(case), bundle, Plan(begins=left + TAKE_OVER_S, **more), edges=edges, later=later)


def scores(world: World) -> dict[tuple[str, float], Any]:
    """By device and time, what the archive says of an anomalous sample."""
    lines = [orjson.loads(line) for body in world.edges.bucket.under(ARCHIVE).values() for line in body.splitlines()]
    return {(line["device"], line["ts"]): (line["severity"], line["scores"], line["model"]) for line in lines}


@pytest.mark.parametrize("name", CASES)
def test_a_lane_goes_on_without_a_gap(name: str, bundle: Bundle) -> None:
    """Every record is in one class of the ledger, no new gap is declared, what the other worker promised is sent word
    for word, and every line of the archive is still there."""
    case = CASES[name]
    world = going_on(case, stricter_bundle() if name == "rollout" else bundle)
    before = scores(world)
    world.run()
    world.stop_all()
    found = Outcome.of(world)
    assert "start refused" not in world.faults.injected
    assert (found.imbalance, found.lost, found.conflicts) == (0, 0, ())
    books = [counts for head in world.durable_heads() for day in head.ledger.values() for counts in day.values()]
    assert sum(counts.get(kind, 0) for counts in books for kind in CLASSES) == len(case.stream["records"])

    heads = case.heads.values()
    events = [orjson.loads(heard.body) for heard in world.edges.subscriber.heard]
    gaps = {gap["since"] for head in heads for gap in head["gaps"]}
    assert {event["data"]["since"] for event in events if event["type"] == "health.gap"} <= gaps
    promised = {message["body"].encode() for head in heads for message in head["outbox"]["messages"]}
    assert promised <= {heard.body for heard in world.edges.subscriber.heard}
    assert before.keys() <= scores(world).keys()
    assert {head.epoch for head in world.durable_heads()} >= {max(head["epoch"] for head in heads) + 1}


@pytest.mark.parametrize("name", ["filled", "gap", "lanes"])
def test_the_windows_that_were_restored_give_the_scores_of_a_worker_that_was_always_there(
    name: str, bundle: Bundle
) -> None:
    """What a sample scores leans on those before it, which the worker has from the windows alone."""
    case = CASES[name]
    world = going_on(case, bundle).run()
    plan = Plan(begins=case.stream["left"], weather=Weather(kept_s=inf))
    alone = World(script_of(case), arithmetic_bundle(), plan).run()
    assert scores(world) == scores(alone) != {}


def test_a_sample_after_the_rollout_is_scored_by_the_new_bundle() -> None:
    """The head names both bundles and since when the second one scores; a wrong clock has a time of its own."""
    case = CASES["rollout"]
    (head,) = case.heads.values()
    first, second = head["bundles"]
    world = going_on(case, stricter_bundle()).run()
    by_bundle = {key: model for key, (_, _, model) in scores(world).items() if key[0] not in second["own"]}
    assert {*by_bundle.values()} == {first["bundle"], second["bundle"]}
    assert all(model == (second if ts >= second["since"] else first)["bundle"] for (_, ts), model in by_bundle.items())
