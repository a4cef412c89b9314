"""A bucket and a topic of one deployment of the worker: what it must be told of them, and what it left in them."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from consumer.state.head import Head
from demo.world import ARCHIVE, BUCKET, LEDGER, Clients, World

HEADS = "state/"


@dataclass(frozen=True)
class Results:
    """``name`` is the namespace too; the queue gets every message of the topic."""

    aws: Clients
    name: str
    bucket: str
    topic_arn: str
    queue_url: str

    @classmethod
    def first(cls, world: World) -> Results:
        """Those that the account has from the beginning."""
        return cls(world.aws, "first", BUCKET, world.topic_arn, world.queue_url)

    @classmethod
    def create(cls, aws: Clients, name: str) -> Results:
        """Others, that nobody has used."""
        aws.s3.create_bucket(Bucket=name)
        topic_arn = aws.sns.create_topic(Name=name)["TopicArn"]
        queue_url = aws.sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = aws.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]
        aws.sns.subscribe(
            TopicArn=topic_arn,
            Protocol="sqs",
            Endpoint=attributes["QueueArn"],
            Attributes={"RawMessageDelivery": "true"},
        )
        return cls(aws, name, name, topic_arn, queue_url)

    @property
    def environment(self) -> dict[str, str]:
        """What a worker must be told to leave its results here, and to tell of samples and episodes."""
        place = {"NAMESPACE": self.name, "RESULTS_BUCKET_NAME": self.bucket, "TOPIC_ARN": self.topic_arn}
        return {**place, "PUBLISH": "both"}

    def books(self) -> Counter[str]:
        """The counts of all days, lanes and devices."""
        total: Counter[str] = Counter()
        for _, body in self._objects(LEDGER):
            for counts in json.loads(body)["devices"].values():
                total.update(counts)
        return total

    def committed(self) -> Counter[str]:
        """The same as the heads have it, which is sooner."""
        total: Counter[str] = Counter()
        for head in self.heads().values():
            for devices in head.ledger.values():
                for counts in devices.values():
                    total.update(counts)
        return total

    def archive(self) -> dict[str, bytes]:
        """Key and bytes of every object of the archive."""
        return dict(self._objects(ARCHIVE))

    def heads(self) -> dict[str, Head]:
        """The head of every lane."""
        found = ((key, body) for key, body in self._objects(HEADS) if key.endswith("/head") and body)
        return {key.split("/")[-2]: Head.decode(body) for key, body in found}

    def bodies(self) -> list[str]:
        """The bodies of all messages that wait in the queue, in order, duplicates included. They are taken out."""
        found: list[str] = []
        sqs = self.aws.sqs
        while messages := sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            found += [message["Body"] for message in messages]
            entries: Any = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
            sqs.delete_message_batch(QueueUrl=self.queue_url, Entries=entries)
        return found

    def _objects(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        pages = self.aws.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        for key in sorted(found["Key"] for page in pages for found in page.get("Contents", [])):
            yield key, self.aws.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()


OF_THE_LANE = ("health.gap", "health.lagging", "health.warming", "health.bundle")


def told(bodies: list[str]) -> dict[str, list[dict[str, Any]]]:
    """By device: the events in the order in which each was first told, without what may differ from run to run: when
    it was written down, in which bucket its archive and chart lie, and what a lane says of itself."""
    found: dict[str, list[dict[str, Any]]] = {}
    seen: set[str] = set()
    for body in bodies:
        event = json.loads(body)
        if event["id"] in seen:
            continue
        seen.add(event["id"])
        if event["type"] in OF_THE_LANE:
            continue
        event.pop("recordedtime", None)
        event["data"].pop("chart", None)
        event["data"].get("archive", {}).pop("bucket", None)
        found.setdefault(event["subject"], []).append(event)
    return found


def contradictions(bodies: list[str]) -> dict[str, list[str]]:
    """The ids that were told with more than one body, and those bodies."""
    known: dict[str, set[str]] = {}
    for body in bodies:
        known.setdefault(json.loads(body)["id"], set()).add(body)
    return {name: sorted(each) for name, each in known.items() if len(each) > 1}


def eventually(question: Callable[[], Any], *, within_s: float = 60.0) -> Any:
    """Ask again until the answer is true; returns it."""
    deadline = time.monotonic() + within_s
    while not (answer := question()):
        if time.monotonic() > deadline:
            pytest.fail(f"still {answer!r} after {within_s:.0f} s")
        time.sleep(0.05)
    return answer
