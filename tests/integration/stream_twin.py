"""DynamoDB Streams with several shards, in front of the embedded AWS, whose streams have one that never ends.

The table stays the embedded AWS's own: whatever is written to it comes out of its one shard, and is scattered from
there over the twin's shards by the hash of the key. So a test writes as it always does.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from proxy import AWS_JSON, Answer

from demo.environment import LOOPBACK, REGION

HASHES = 2**32
PAGE, PAGE_BYTES = 1000, 1_000_000
MOST_SHARDS = 100
"""DescribeStream names at most that many at once."""
ITERATOR_LIVES_S = 15 * 60.0
TARGET = "DynamoDBStreams_20120810."
ERRORS = "com.amazonaws.dynamodb.v20120810#"


class Refused(Exception):
    """A call that the API refuses: the error's code and its message."""


@dataclass
class Shard:
    """``low`` to ``high``: the hashes of its keys. ``end``: the last sequence number of a shard that is closed."""

    name: str
    parent: str | None
    low: int
    high: int
    start: int
    end: int | None = None
    records: list[dict[str, Any]] = field(default_factory=list)
    trimmed: int = 0

    def described(self) -> dict[str, Any]:
        """As DescribeStream names it."""
        numbers = {"StartingSequenceNumber": str(self.start)}
        if self.end is not None:
            numbers["EndingSequenceNumber"] = str(self.end)
        about = {"ShardId": self.name, "SequenceNumberRange": numbers}
        return about if self.parent is None else {**about, "ParentShardId": self.parent}


class StreamTwin:
    """The four calls. Threads may make them; the commands (`roll`, `split`, `trim`, `expire`) are the test's.

    ``port``: the embedded AWS, which must have ``table`` already. ``created``: a change's creation time, epoch seconds;
    by default when it was written, in whole seconds as AWS has them. A test exchanges it for a backlog of hours.
    """

    def __init__(self, port: int, table: str, shards: int = 4) -> None:
        self._port = port
        self._table = table
        self._lock = threading.RLock()
        self._sequence = 10**20
        self._shards: dict[str, Shard] = {}
        self._epoch = 0
        self.created: Callable[[Mapping[str, Any]], int] = lambda change: int(change["ApproximateCreationDateTime"])
        found = self._emulated("ListStreams", {"TableName": table})["Streams"][0]
        self.arn: str = found["StreamArn"]
        described = self._emulated("DescribeStream", {"StreamArn": self.arn})["StreamDescription"]
        self._about = {
            name: value for name, value in described.items() if name not in ("Shards", "LastEvaluatedShardId")
        }
        request = {"StreamArn": self.arn, "ShardId": described["Shards"][0]["ShardId"]}
        self._iterator = self._emulated("GetShardIterator", {**request, "ShardIteratorType": "TRIM_HORIZON"})[
            "ShardIterator"
        ]
        for n in range(shards):
            self._open(None, HASHES * n // shards, HASHES * (n + 1) // shards)

    @property
    def open(self) -> list[str]:
        """The shards that are written to, in the order of their hashes."""
        with self._lock:
            return [shard.name for shard in sorted(self._shards.values(), key=lambda s: s.low) if shard.end is None]

    @property
    def records(self) -> int:
        """How many records all shards have got, those that were trimmed included."""
        with self._lock:
            self._scatter()
            return sum(shard.trimmed + len(shard.records) for shard in self._shards.values())

    def counts(self) -> dict[str, int]:
        """The same by shard."""
        with self._lock:
            self._scatter()
            return {shard.name: shard.trimmed + len(shard.records) for shard in self._shards.values()}

    def roll(self, shard: str) -> str:
        """Close a shard; the one child that goes on with its keys."""
        return self._succeed(shard, 1)[0]

    def split(self, shard: str) -> list[str]:
        """Close a shard; its two children share its keys."""
        return self._succeed(shard, 2)

    def trim(self, shard: str) -> int:
        """Drop all that a shard has, as the stream does after 24 hours; how many records that was."""
        with self._lock:
            self._scatter()
            at = self._shards[shard]
            count = len(at.records)
            at.trimmed += count
            at.records.clear()
            return count

    def expire(self) -> None:
        """Iterators that were taken so far expire, as they do after 15 minutes."""
        with self._lock:
            self._epoch += 1

    def answer(self, operation: str, asked: Mapping[str, Any]) -> Answer:
        """The answer to one call, in the protocol AWS JSON 1.0."""
        calls = {
            "ListStreams": self._list_streams,
            "DescribeStream": self._describe,
            "GetShardIterator": self._get_iterator,
            "GetRecords": self._get_records,
        }
        try:
            if operation not in calls:
                raise Refused("UnknownOperationException", operation)
            with self._lock:
                return Answer.of_json(200, calls[operation](asked))
        except Refused as refusal:
            code, message = refusal.args
            return Answer.of_json(400, {"__type": f"{ERRORS}{code}", "message": message})

    def _list_streams(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        if asked.get("TableName", self._table) != self._table:
            return {"Streams": []}
        return {
            "Streams": [{"StreamArn": self.arn, "StreamLabel": self._about["StreamLabel"], "TableName": self._table}]
        }

    def _describe(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        self._known_stream(asked)
        names = list(self._shards)
        after = asked.get("ExclusiveStartShardId")
        first = names.index(after) + 1 if after in self._shards else 0
        limit = min(int(asked.get("Limit", MOST_SHARDS)), MOST_SHARDS)
        page = names[first : first + limit]
        listed = [self._shards[name].described() for name in page]
        wanted = asked.get("ShardFilter", {})
        if wanted.get("Type") == "CHILD_SHARDS":
            listed = [shard for shard in listed if shard.get("ParentShardId") == wanted.get("ShardId")]
        description: dict[str, Any] = {**self._about, "Shards": listed}
        if first + limit < len(names):
            description["LastEvaluatedShardId"] = page[-1]
        return {"StreamDescription": description}

    def _get_iterator(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        self._known_stream(asked)
        self._scatter()
        shard = self._known_shard(asked.get("ShardId", ""))
        kind = asked.get("ShardIteratorType")
        if kind == "TRIM_HORIZON":
            at = shard.trimmed
        elif kind == "LATEST":
            at = shard.trimmed + len(shard.records)
        elif kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER") and asked.get("SequenceNumber"):
            number = int(asked["SequenceNumber"])
            if shard.trimmed and (not shard.records or number < int(_number(shard.records[0]))):
                raise Refused("TrimmedDataAccessException", "the sequence number is older than the trim horizon")
            before = (lambda n: n <= number) if kind == "AFTER_SEQUENCE_NUMBER" else (lambda n: n < number)
            at = shard.trimmed + sum(before(int(_number(record))) for record in shard.records)
        else:
            raise Refused("ValidationException", f"{kind} {asked.get('SequenceNumber')}")
        return {"ShardIterator": self._iterator_at(shard.name, at)}

    def _get_records(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        self._scatter()
        try:
            name, at, epoch, taken = json.loads(base64.b64decode(asked["ShardIterator"], validate=True))
        except (KeyError, ValueError) as error:
            raise Refused("ValidationException", f"invalid ShardIterator: {error!r}") from None
        if epoch != self._epoch or time.time() - taken > ITERATOR_LIVES_S:
            raise Refused("ExpiredIteratorException", "the iterator is older than 15 minutes")
        shard = self._known_shard(name)
        if at < shard.trimmed:
            raise Refused("TrimmedDataAccessException", "the records are trimmed")
        page: list[dict[str, Any]] = []
        size = 0
        for record in shard.records[at - shard.trimmed :][: min(int(asked.get("Limit", PAGE)), PAGE)]:
            size += record["dynamodb"].get("SizeBytes", 0)
            if page and size > PAGE_BYTES:
                break
            page.append(record)
        at += len(page)
        if shard.end is not None and at >= shard.trimmed + len(shard.records):
            return {"Records": page}
        return {"Records": page, "NextShardIterator": self._iterator_at(name, at)}

    def _iterator_at(self, shard: str, at: int) -> str:
        return base64.b64encode(json.dumps([shard, at, self._epoch, time.time()]).encode()).decode()

    def _known_stream(self, asked: Mapping[str, Any]) -> None:
        if asked.get("StreamArn") != self.arn:
            raise Refused(
                "ResourceNotFoundException", f"Requested resource not found: Stream: {asked.get('StreamArn')}"
            )

    def _known_shard(self, name: str) -> Shard:
        if name not in self._shards:
            raise Refused("ResourceNotFoundException", f"Requested resource not found: {name}")
        return self._shards[name]

    def _open(self, parent: str | None, low: int, high: int) -> Shard:
        self._sequence += 1
        name = f"shardId-{int(time.time() * 1000):020d}-{len(self._shards):08x}"
        self._shards[name] = Shard(name, parent, low, high, self._sequence)
        return self._shards[name]

    def _succeed(self, name: str, children: int) -> list[str]:
        with self._lock:
            self._scatter()  # what was written before belongs to the parent
            shard = self._shards[name]
            assert shard.end is None, "only an open shard has children"
            self._sequence += 1
            shard.end = self._sequence
            width = shard.high - shard.low
            bounds = [shard.low + width * n // children for n in range(children + 1)]
            return [self._open(name, low, high).name for low, high in pairwise(bounds)]

    def _scatter(self) -> None:
        """Take over what the embedded AWS has written to its own stream since the last time."""
        while True:
            page = self._emulated("GetRecords", {"ShardIterator": self._iterator, "Limit": PAGE})
            self._iterator = page["NextShardIterator"]
            for record in page["Records"]:
                change = record["dynamodb"]
                self._sequence += 1
                change["SequenceNumber"] = str(self._sequence)
                change["ApproximateCreationDateTime"] = self.created(change)
                change["SizeBytes"] = len(json.dumps(change))
                hashed = _hash(change["Keys"])
                (to,) = (s for s in self._shards.values() if s.end is None and s.low <= hashed < s.high)
                to.records.append(record)
            if len(page["Records"]) < PAGE:
                return

    def _emulated(self, operation: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A call of the embedded AWS, as plain JSON: a client would make objects of it."""
        who = (
            f"AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/dynamodb/aws4_request, SignedHeaders=host, Signature=0"
        )
        headers = {"Content-Type": AWS_JSON, "X-Amz-Target": TARGET + operation, "Authorization": who}
        server = http.client.HTTPConnection(LOOPBACK, self._port, timeout=20.0)
        try:
            server.request("POST", "/", body=json.dumps(asked), headers=headers)
            answer = server.getresponse()
            body = answer.read()
        finally:
            server.close()
        assert answer.status == 200, body
        result: dict[str, Any] = json.loads(body)
        return result


def _hash(keys: Mapping[str, Any]) -> int:
    key = json.dumps(keys, sort_keys=True).encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=4).digest())


def _number(record: Mapping[str, Any]) -> str:
    return str(record["dynamodb"]["SequenceNumber"])
