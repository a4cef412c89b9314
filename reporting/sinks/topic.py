"""The topic: publishes rendered messages to SNS, in order, in batches.

A message that is published long after its event time gets a mark beside its body. The body itself is that of the
outbox, word for word, no matter when and by which owner it is published.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reporting.duration import duration
from reporting.message import Message

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import PublishBatchRequestEntryTypeDef

STALE_S = 600.0
"""A message that is published later than this after its event time is stale."""
BATCH = 10
BATCH_BYTES = 200 * 1024  # SNS refuses more than 256 KiB a batch, attributes included


@dataclass(frozen=True, slots=True)
class _Parcel:
    """A message that is published now, ``age_s`` after its event time."""

    message: Message
    age_s: float

    @property
    def stale(self) -> bool:
        return self.age_s > STALE_S

    @property
    def content(self) -> str:
        """The body for machines, the text for e-mail, the sentence for phones."""
        late = f"Late: this happened {duration(self.age_s)} ago.\n" if self.stale else ""
        text = self.message.text
        return json.dumps({"default": self.message.body, "email": late + text, "sms": late + text.split("\n")[1]})

    @property
    def attributes(self) -> dict[str, str]:
        return {**self.message.attributes, **({"stale": "true"} if self.stale else {})}


class Topic:
    """Publishes to one topic. Calls block for the client's time-outs and raise botocore's errors. ``clock``: epoch
    seconds."""

    name = "topic"

    def __init__(self, client: SNSClient, arn: str, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._clock = clock
        self.arn = arn

    def publish(self, messages: Sequence[Message]) -> list[Message]:
        """Publish in order. Returns the messages that SNS did not take and all of later batches, for the next call. No
        batch is sent past a refused message: subscribers get events in the order in which they happened."""
        done, now = 0, self._clock()
        parcels = [_Parcel(message, now - (now if message.at is None else message.at)) for message in messages]
        for batch in _batches(parcels):
            answer = self._client.publish_batch(
                TopicArn=self.arn,
                PublishBatchRequestEntries=[_entry(row, parcel) for row, parcel in enumerate(batch)],
            )
            refused = [int(failure["Id"]) for failure in answer.get("Failed", [])]
            if refused:
                rest = [parcel.message for row, parcel in enumerate(batch) if row in refused]
                return rest + list(messages[done + len(batch) :])
            done += len(batch)
        return []


def _batches(parcels: Sequence[_Parcel]) -> Iterator[list[_Parcel]]:
    batch: list[_Parcel] = []
    size = 0
    for parcel in parcels:
        length = len(parcel.content) + 1024  # all ASCII; the attributes fit into 1024 bytes
        if batch and (len(batch) == BATCH or size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(parcel)
        size += length
    if batch:
        yield batch


def _entry(row: int, parcel: _Parcel) -> PublishBatchRequestEntryTypeDef:
    return {
        "Id": str(row),
        "Message": parcel.content,
        "MessageStructure": "json",
        "Subject": f"Battery Watch: {parcel.message.severity}, {parcel.message.type}",
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in parcel.attributes.items()
        },
    }
