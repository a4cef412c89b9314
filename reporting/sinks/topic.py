"""The topic: publishes rendered messages to SNS, in order, in batches.

A message that is published long after its event time gets a mark beside its body. The body itself is that of the
outbox, word for word, no matter when and by which owner it is published.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from reporting.duration import duration
from reporting.message import Message
from reporting.sinks.publisher import Answer, Refusal

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef, PublishBatchRequestEntryTypeDef

STALE_S = 600.0
"""A message that is published later than this after its event time is stale."""
BATCH = 10
BATCH_BYTES = 200 * 1024  # SNS refuses more than 256 KiB a batch, attributes included
INVALID = frozenset({"InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid", "ValidationException"})
"""The codes by which SNS says that what it was given is at fault. botocore's model has the first, third and last. AWS
answers the second for an entry (github.com/floci-io/floci/issues/992). All others, say of KMS or of a missing topic,
are about the topic or the moment, though many are called the sender's fault too."""
PLAIN = re.compile(r"[A-Za-z0-9 ._:@+/-]{1,255}")
"""A name that cannot be why a message was refused."""


@dataclass(frozen=True, slots=True)
class _Parcel:
    """A message that is published now, ``age_s`` after its event time. ``place``: its place among all."""

    message: Message
    age_s: float
    place: int = 0

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

    def publish(self, messages: Sequence[Message]) -> Answer:
        """Publish in order, in batches that have one message of a device: SNS may refuse an entry of a batch and take
        the ones after it, and subscribers get the events of a device in the order in which they happened."""
        now = self._clock()
        waiting = [
            _Parcel(message, now - (now if message.at is None else message.at), place)
            for place, message in enumerate(messages)
        ]
        refused: list[Refusal] = []
        held: list[_Parcel] = []
        while waiting:
            batch, waiting = _leading(waiting)
            found = [*self._send(batch)]
            refused += found
            behind = {refusal.message.device for refusal in found}
            held += [parcel for parcel in waiting if parcel.message.device in behind]
            waiting = [parcel for parcel in waiting if parcel.message.device not in behind]
        held.sort(key=lambda parcel: parcel.place)
        return Answer(tuple(refused), tuple(parcel.message for parcel in held))

    def publish_stub(self, message: Message, text: str) -> Refusal | None:
        """Publish this text in place of a message, with nothing beside it that may be why the message was refused.
        Raises also where the whole call is refused: then not the message is at fault, but the call."""
        attributes = {name: value for name, value in message.attributes.items() if PLAIN.fullmatch(value)}
        entry: PublishBatchRequestEntryTypeDef = {
            "Id": "0",
            "Message": text,
            "MessageAttributes": _attributes({**attributes, "undelivered": message.id}),
        }
        answer = self._client.publish_batch(TopicArn=self.arn, PublishBatchRequestEntries=[entry])
        for failure in answer.get("Failed", []):
            return _refusal(message, failure)
        return None

    def _send(self, batch: list[_Parcel]) -> Iterator[Refusal]:
        """Send a batch; yields what was refused."""
        entries = [_entry(row, parcel) for row, parcel in enumerate(batch)]
        try:
            answer = self._client.publish_batch(TopicArn=self.arn, PublishBatchRequestEntries=entries)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code not in INVALID:
                raise
            if len(batch) == 1:
                yield Refusal(batch[0].message, str(error), final=True)
                return
            # One entry may be why the whole call was refused. Alone it fails, and the others do not.
            for parcel in batch:
                yield from self._send([parcel])
            return
        for failure in answer.get("Failed", []):
            yield _refusal(batch[int(failure["Id"])].message, failure)


def _leading(parcels: Sequence[_Parcel]) -> tuple[list[_Parcel], list[_Parcel]]:
    """The next batch, and the rest in order: the first messages of as many devices as there is room for."""
    batch: list[_Parcel] = []
    rest: list[_Parcel] = []
    met: set[str] = set()
    size = 0
    for parcel in parcels:
        length = len(parcel.content) + 1024  # all ASCII; the attributes fit into 1024 bytes
        full = len(batch) == BATCH or (batch and size + length > BATCH_BYTES)
        if full or parcel.message.device in met:
            rest.append(parcel)
        else:
            batch.append(parcel)
            size += length
        met.add(parcel.message.device)
    return batch, rest


def _refusal(message: Message, failure: Mapping[str, object]) -> Refusal:
    code = str(failure.get("Code", ""))
    said = f"{code}: {failure['Message']}" if failure.get("Message") else code
    return Refusal(message, said, final=bool(failure.get("SenderFault")) and code in INVALID)


def _entry(row: int, parcel: _Parcel) -> PublishBatchRequestEntryTypeDef:
    return {
        "Id": str(row),
        "Message": parcel.content,
        "MessageStructure": "json",
        "Subject": f"Battery Watch: {parcel.message.severity}, {parcel.message.type}",
        "MessageAttributes": _attributes(parcel.attributes),
    }


def _attributes(values: Mapping[str, str]) -> dict[str, MessageAttributeValueTypeDef]:
    return {name: {"DataType": "String", "StringValue": value} for name, value in values.items()}
