"""Hosts, bucket and topic of the simulator: clocks of their own, work that takes time, damage, refusals for good."""

from __future__ import annotations

import json
from math import inf
from random import Random
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError
from sim_bucket import Bucket, BucketClient
from sim_cases import BEGIN, charge, live, shard, stream
from sim_clocks import ClockFault, HostClocks
from sim_damage import Damage
from sim_edges import BUCKET
from sim_faults import Clock, Faults
from sim_pace import Pace
from sim_plan import Plan
from sim_topic import Subscriber, TopicClient
from sim_witness import Witness
from sim_world import World

from scoring.bundle import Bundle


def test_a_host_has_clocks_of_its_own() -> None:
    """The wall clock is off, gains and jumps; the monotonic one gains and never jumps."""
    true = Clock(BEGIN)
    clocks = HostClocks(true, ClockFault(16.0, 0.01, ((BEGIN + 50.0, 600.0), (BEGIN + 80.0, -600.0))))
    shown = []
    for _ in range(10):
        shown.append((clocks() - true.now, clocks.monotonic()))
        assert clocks.true(clocks.monotonic()) == pytest.approx(true.now)
        true.advance(10.0)
    assert [round(off_s, 3) for off_s, _ in shown] == [16.0, 16.1, 16.2, 16.3, 16.4, 616.5, 616.6, 616.7, 16.8, 16.9]
    assert [round(at, 3) for _, at in shown] == [round(n * 10.1, 3) for n in range(10)]
    right = HostClocks(true)
    assert right() == right.monotonic() == right.true(true.now) == true.now


def test_a_worker_believes_its_own_clock(bundle: Bundle) -> None:
    """Its heads bear the time of its wall clock, whatever the time is."""
    plan = live(clocks={0: ClockFault(offset_s=300.0)})
    world = World(stream(charge(1.0, 30.0), [shard()]), bundle, plan)
    world.run(until=lambda w: w.clock.now >= BEGIN + 40.0)
    assert BEGIN + 325.0 <= world.durable_head().heartbeat <= BEGIN + 345.0


def test_time_passes_while_a_worker_works(bundle: Bundle) -> None:
    """A turn over 300 samples takes 300 times as long as one sample does, and everyone else may act meanwhile."""
    script = stream(charge(1.0, 301.0), [shard()])
    ends = []
    for record_s in (0.0, 0.1):
        world = World(script, bundle, Plan(begins=BEGIN + 400.0, pace=Pace(poll_s=0.2, record_s=record_s)))
        ends.append(world.run().clock.now)
    assert 15.0 <= ends[1] - ends[0] <= 40.0  # while it works, nothing else of it does


def test_state_is_deleted_saved_and_put_back() -> None:
    """As someone does it in the console, with everything else untouched."""
    bucket = Bucket()
    client = BucketClient(bucket, Faults(Random(1), Clock(BEGIN)))

    def put(**bodies: str) -> None:
        for name, body in bodies.items():
            key = f"state/ns/t/l/table/{name}"
            client.put_object(Bucket=BUCKET, Key=key, Body=body.encode(), ContentType="")

    def state() -> dict[str, bytes]:
        return {key.rsplit("/", 1)[1]: body for key, body in bucket.under("state/").items()}

    client.put_object(Bucket=BUCKET, Key="battery-events/head", Body=b"an event", ContentType="")
    damage = Damage(bucket)
    put(head="one", windows="one")
    damage.do("state saved")
    put(head="two", windows="two")
    damage.do("heads restored")
    assert state() == {"head": b"one", "windows": b"two"}
    damage.do("windows deleted")
    assert state() == {"head": b"one"}
    put(head="three", windows="three")
    damage.do("state restored")
    assert state() == {"head": b"one", "windows": b"one"}
    damage.do("heads deleted")
    assert state() == {"windows": b"one"}
    assert bucket.under("battery-events/") == {"battery-events/head": b"an event"}
    damage.do("bucket deleted")
    for call in (
        lambda: put(head="four"),
        lambda: client.get_object(Bucket=BUCKET, Key="state/ns/t/l/table/head"),
        lambda: client.paginate(Bucket=BUCKET, Prefix="state/"),
    ):
        with pytest.raises(ClientError, match="NoSuchBucket"):
            call()


def test_damage_happens_when_the_plan_says(bundle: Bundle) -> None:
    """To a bucket whose worker is alive."""
    plan = live(events=((BEGIN + 20.0, "windows deleted"),))
    world = World(stream(charge(1.0, 90.0), [shard()]), bundle, plan, witness=Witness())
    seen = []

    def over(now: World) -> bool:
        seen.append(any(key.endswith("/windows") for key in now.edges.bucket.objects))
        return now.all_durable()

    world.run(until=over)
    assert seen.index(True) < len(seen) - 1 - seen[::-1].index(False)
    assert world.faults.injected["windows deleted"] == 1


def entry(name: str, **more: str) -> dict[str, Any]:
    """An entry of PublishBatch about an event of that id."""
    body = json.dumps({"default": json.dumps({"specversion": "1.0", "id": name, **more})})
    return {"Id": name, "Message": body, "MessageAttributes": {"device": {"StringValue": "a"}}}


def test_a_topic_refuses_a_message_for_good() -> None:
    """That entry, at every attempt, as the sender's fault; the others of its batch are taken, and so is something else
    with the same id."""
    subscriber = Subscriber(refuses=lambda event: event["id"] == "b")
    topic = TopicClient(subscriber, Faults(Random(1), Clock(BEGIN)))
    batch = [entry("a"), entry("b"), entry("c")]
    for attempt in (1, 2):
        answer = topic.publish_batch(TopicArn="t", PublishBatchRequestEntries=batch)
        assert [(f["Id"], f["Code"], f["SenderFault"]) for f in answer["Failed"]] == [("b", "InvalidParameter", True)]
        assert len(subscriber.heard) == 2 * attempt
    assert topic.publish_batch(TopicArn="t", PublishBatchRequestEntries=[entry("b", stub="yes")])["Failed"] == []


def test_a_topic_refuses_part_of_a_batch_in_passing() -> None:
    """Some entries, not as the sender's fault; the next attempt may take them."""
    subscriber = Subscriber()
    faults = Faults(Random(1), Clock(BEGIN), {"sns batch in part": 0.5}, until=inf)
    topic = TopicClient(subscriber, faults)
    batch = [entry(name) for name in "abcdefghi"]
    while batch:
        answer = topic.publish_batch(TopicArn="t", PublishBatchRequestEntries=batch)
        assert all((f["Code"], f["SenderFault"]) == ("InternalError", False) for f in answer["Failed"])
        failed = {f["Id"] for f in answer["Failed"]}
        assert len(failed) in (0, max(1, len(batch) // 3))
        batch = [each for each in batch if each["Id"] in failed]
    assert sorted(orjson.loads(heard.body)["id"] for heard in subscriber.heard) == list("abcdefghi")
    assert faults.injected["sns batch in part"] >= 1


def test_messages_are_refused_for_good_by_chance() -> None:
    """Which ones is the same in every run, and for every host."""
    found = []
    for seed in range(2):
        faults = Faults(Random(seed), Clock(BEGIN), {"sns refuses for good": 0.2}, until=inf)
        topic = TopicClient(Subscriber(), faults)
        answers = [topic.publish_batch(TopicArn="t", PublishBatchRequestEntries=[entry(str(n))]) for n in range(100)]
        found.append([n for n, answer in enumerate(answers) if answer["Failed"]])
    assert found[0] == found[1]
    assert 10 < len(found[0]) < 35
