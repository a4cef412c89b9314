"""The topic: rendered messages go to SNS, in order, in batches."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from reporting.message import Message

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import PublishBatchRequestEntryTypeDef

BATCH = 10
BATCH_BYTES = 200 * 1024  # SNS refuses more than 256 KiB a batch, attributes included


class Topic:
    """Publishes to one topic. Calls block for the client's time-outs and raise botocore's errors."""

    def __init__(self, client: SNSClient, arn: str) -> None:
        self._client = client
        self.arn = arn

    def publish(self, messages: Sequence[Message]) -> list[Message]:
        """Publish in order. Returns the messages that SNS did not take and all later batches, to be tried again:
        no batch is sent past a refused message, so what is told keeps the order of what happened."""
        done = 0
        for batch in _batches(messages):
            answer = self._client.publish_batch(
                TopicArn=self.arn,
                PublishBatchRequestEntries=[_entry(row, message) for row, message in enumerate(batch)],
            )
            refused = [int(failure["Id"]) for failure in answer.get("Failed", [])]
            if refused:
                rest = [message for row, message in enumerate(batch) if row in refused]
                return rest + list(messages[done + len(batch) :])
            done += len(batch)
        return []


def _batches(messages: Sequence[Message]) -> Iterator[list[Message]]:
    batch: list[Message] = []
    size = 0
    for message in messages:
        length = len(_content(message)) + 1024  # all ASCII; the attributes fit into the rest
        if batch and (len(batch) == BATCH or size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += length
    if batch:
        yield batch


def _content(message: Message) -> str:
    return json.dumps({"default": message.body, "email": message.text, "sms": message.text.split("\n")[1]})


def _entry(row: int, message: Message) -> PublishBatchRequestEntryTypeDef:
    return {
        "Id": str(row),
        "Message": _content(message),
        "MessageStructure": "json",
        "Subject": f"Battery Watch: {message.severity}, {message.type}",
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in message.attributes.items()
        },
    }
