"""A topic in memory behind the SNS client's own method; it keeps every publish with its virtual time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import orjson
from botocore.exceptions import ClientError, ReadTimeoutError
from sim_faults import SNS, Faults

IN_PART, FOR_GOOD = "sns batch in part", "sns refuses for good"
MOST_BATCH, MOST_BYTES = 10, 256 * 1024


@dataclass(frozen=True, slots=True)
class Published:
    """One message as a subscriber gets it."""

    at: float
    device: str
    body: bytes
    stale: bool = False

    @property
    def id(self) -> str:
        """The CloudEvents id."""
        return str(orjson.loads(self.body)["id"])


@dataclass(slots=True)
class Subscriber:
    """Everything that was ever published, in order; ``stubs``: ids and texts of what came as a stub. ``refuses``: says
    of an event whether the topic never takes its message and, with ``refuses_stubs``, its stub. ``refused``: the bodies
    that it did not take for good, by id: another body of that id it takes."""

    heard: list[Published] = field(default_factory=list)
    stubs: list[tuple[str, str]] = field(default_factory=list)
    refuses: Callable[[Any], bool] | None = None
    refuses_stubs: bool = False
    refused: dict[str, bytes] = field(default_factory=dict)


class TopicClient:
    """The part of boto3's SNS client that the worker uses. Entries may be refused: some of a batch in passing
    (`IN_PART`), or a message whose whole body the topic never takes (`FOR_GOOD`)."""

    def __init__(self, subscriber: Subscriber, faults: Faults) -> None:
        self._subscriber = subscriber
        self._faults = faults

    def publish_batch(self, *, TopicArn: str, PublishBatchRequestEntries: Sequence[Any]) -> dict[str, Any]:  # noqa: N803
        """PublishBatch: at most 10 messages and 256 KiB, ids distinct."""
        entries = PublishBatchRequestEntries
        assert 1 <= len(entries) <= MOST_BATCH
        assert len({entry["Id"] for entry in entries}) == len(entries)
        assert sum(len(entry["Message"].encode()) for entry in entries) <= MOST_BYTES

        def publish() -> dict[str, Any]:
            refused = self._refused(entries)
            for entry in entries:
                if entry["Id"] not in refused:
                    attributes = {name: each["StringValue"] for name, each in entry["MessageAttributes"].items()}
                    if "undelivered" in attributes:
                        self._subscriber.stubs.append((attributes["undelivered"], entry["Message"]))
                        continue
                    body = orjson.loads(entry["Message"])["default"].encode()
                    stale = attributes.get("stale") == "true"
                    self._subscriber.heard.append(Published(self._faults.clock.now, attributes["device"], body, stale))
            taken = [{"Id": entry["Id"]} for entry in entries if entry["Id"] not in refused]
            return {"Successful": taken, "Failed": list(refused.values())}

        return self._faults.call(SNS, publish, _error)

    def _refused(self, entries: Sequence[Any]) -> dict[str, dict[str, Any]]:
        """The answers about entries that are not taken, by their ids."""
        faults = self._faults
        refused = {entry["Id"]: _IN_PASSING for entry in self._left_out(entries)}
        for entry in entries:
            if self._never_taken(entry):
                faults.count(FOR_GOOD)
                refused[entry["Id"]] = _FOR_GOOD
        return {each: {"Id": each, **answer} for each, answer in refused.items()}

    def _left_out(self, entries: Sequence[Any]) -> Sequence[Any]:
        faults = self._faults
        if not faults.strikes(IN_PART):
            return ()
        faults.count(IN_PART)
        return [faults.rng.choice(entries)] if len(entries) < 3 else faults.rng.sample(list(entries), len(entries) // 3)

    def _never_taken(self, entry: Any) -> bool:
        """The same at every attempt: whether a message is refused belongs to its body."""
        stub = entry["MessageAttributes"].get("undelivered", {}).get("StringValue")
        if stub is not None:
            return self._subscriber.refuses_stubs and stub in self._subscriber.refused
        rate, refuses = self._faults.rates.get(FOR_GOOD, 0.0), self._subscriber.refuses
        if not rate and refuses is None:
            return False
        body = orjson.loads(entry["Message"])["default"].encode()
        known = self._subscriber.refused
        if body in known.values():
            return True
        try:
            event = orjson.loads(body)
        except orjson.JSONDecodeError:
            return False  # a stub in plain text
        drawn = crc32(event["id"].encode()) / 2**32 < rate
        if event["id"] in known or not (drawn or (refuses is not None and refuses(event))):
            return False
        known[event["id"]] = body
        return True


_IN_PASSING = {"Code": "InternalError", "Message": "try again", "SenderFault": False}
_FOR_GOOD = {"Code": "InvalidParameter", "Message": "Invalid parameter: Message", "SenderFault": True}


def _error(fault: str) -> Exception:
    if "time-out" in fault:
        return ReadTimeoutError(endpoint_url="https://sns.eu-central-1.amazonaws.com")
    answer: Any = {"Error": {"Code": "Throttling", "Message": fault}, "ResponseMetadata": {"HTTPStatusCode": 429}}
    return ClientError(answer, "PublishBatch")
