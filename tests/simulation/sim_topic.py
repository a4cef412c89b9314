"""A topic in memory behind the SNS client's own method; it keeps every publish with its virtual time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from botocore.exceptions import ClientError, ReadTimeoutError
from sim_faults import SNS, Faults

IN_PART = "sns batch in part"
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
    """Everything that was ever published, in order. ``refuses``: gives the code with which the topic refuses an entry
    for good, None for one that it takes. ``stubs``: ids and texts of what came as a stub."""

    heard: list[Published] = field(default_factory=list)
    refuses: Callable[[Mapping[str, Any]], str | None] = lambda entry: None
    stubs: list[tuple[str, str]] = field(default_factory=list)


class TopicClient:
    """The part of boto3's SNS client that the worker uses. ``in_part``: chance that a batch is taken but for one."""

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
            faults = self._faults
            left_out = ""
            if faults.since <= faults.clock.now < faults.until and faults.rng.random() < faults.rates.get(IN_PART, 0.0):
                faults.count(IN_PART)
                left_out = faults.rng.choice(entries)["Id"]
            wrong = {e["Id"]: code for e in entries if (code := self._subscriber.refuses(e)) and e["Id"] != left_out}
            for entry in entries:
                if entry["Id"] != left_out and entry["Id"] not in wrong:
                    attributes = {name: each["StringValue"] for name, each in entry["MessageAttributes"].items()}
                    if "undelivered" in attributes:
                        self._subscriber.stubs.append((attributes["undelivered"], entry["Message"]))
                        continue
                    body = orjson.loads(entry["Message"])["default"].encode()
                    stale = attributes.get("stale") == "true"
                    self._subscriber.heard.append(Published(faults.clock.now, attributes["device"], body, stale))
            failed = [{"Id": left_out, "Code": "InternalError", "SenderFault": False}] if left_out else []
            failed += [{"Id": name, "Code": code, "SenderFault": True} for name, code in wrong.items()]
            refused = {failure["Id"] for failure in failed}
            return {"Successful": [{"Id": e["Id"]} for e in entries if e["Id"] not in refused], "Failed": failed}

        return self._faults.call(SNS, publish, _error)


def _error(fault: str) -> Exception:
    if "time-out" in fault:
        return ReadTimeoutError(endpoint_url="https://sns.eu-central-1.amazonaws.com")
    answer: Any = {"Error": {"Code": "Throttling", "Message": fault}, "ResponseMetadata": {"HTTPStatusCode": 429}}
    return ClientError(answer, "PublishBatch")
