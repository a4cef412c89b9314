"""The stream calls of DynamoDB that the reader needs. Here they are real; tests have a twin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from botocore.exceptions import BotoCoreError, ClientError

from consumer.errors import BatteryWatchError, ConfigurationError, Expired, Retry, Trimmed, Vanished
from consumer.stream.records import keyed_by_time
from consumer.stream.service_time import served
from consumer.stream.source import ShardNode

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_dynamodbstreams.type_defs import (
        DescribeStreamInputTypeDef,
        GetShardIteratorInputTypeDef,
        ListStreamsInputTypeDef,
    )

IteratorType = Literal["TRIM_HORIZON", "LATEST", "AFTER_SEQUENCE_NUMBER"]

_BY_CODE: dict[str, type[BatteryWatchError]] = {
    "ExpiredIteratorException": Expired,
    "TrimmedDataAccessException": Trimmed,
    "ResourceNotFoundException": Vanished,
    "AccessDeniedException": ConfigurationError,
    "UnrecognizedClientException": ConfigurationError,
    "InvalidSignatureException": ConfigurationError,
}
_READING = ("GetRecords", "GetShardIterator")
"""The calls that are about a place in a shard."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the shard graph; ``next_shard`` None on the last. ``served``: as in `Page`."""

    shards: Sequence[ShardNode]
    next_shard: str | None
    served: float | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Raw records; ``next_iterator`` None: the shard is closed and read to its end. ``served``: the service's time when
    it answered (epoch seconds, cut to whole ones); None if it does not say."""

    records: Sequence[Mapping[str, Any]]
    next_iterator: str | None
    served: float | None = None


class Streams(Protocol):
    """The calls. They raise `Retry`, `Expired`, `Trimmed`, `Vanished` or `ConfigurationError`, nothing else."""

    @property
    def label(self) -> str:
        """The label of the stream that is read: the time of its creation."""

    def labels(self) -> Sequence[str]:
        """The labels of all streams that the table has, in any order. Raises `Vanished` if there is no such table."""

    def describe(self, after_shard: str | None) -> Listing:
        """A page of up to 100 shards."""

    def iterator(self, shard: str, kind: IteratorType, sequence: str | None) -> str:
        """An iterator; it expires after 15 minutes."""

    def records(self, iterator: str, limit: int) -> Page:
        """Up to ``limit`` (at most 1,000) records or 1 MB."""


class DynamoDBStreams:
    """The real calls for one stream. Each blocks at most for the client's time-outs and its few retries.

    ``tables``: asked whether the table is still there. A deleted table's stream stays listed for a day.
    """

    def __init__(self, client: DynamoDBStreamsClient, stream_arn: str, tables: DynamoDBClient | None = None) -> None:
        self._client = client
        self._tables = tables
        self._arn = stream_arn
        before, self._label = stream_arn.rsplit("/stream/", 1)
        self._table = before.rsplit(":table/", 1)[1]

    @property
    def label(self) -> str:
        """See `Streams`."""
        return self._label

    def labels(self) -> Sequence[str]:
        """See `Streams`."""
        found: list[str] = []
        request: ListStreamsInputTypeDef = {"TableName": self._table}
        while True:
            answer = self._call("ListStreams", lambda: self._client.list_streams(**request))
            with _as_promised("ListStreams"):
                found += [_text(stream["StreamLabel"]) for stream in answer.get("Streams", [])]
                if not answer.get("LastEvaluatedStreamArn"):
                    break
                request["ExclusiveStartStreamArn"] = _text(answer["LastEvaluatedStreamArn"])
        if self._tables is not None and not any(label > self._label for label in found):
            tables = self._tables
            self._call("DescribeTable", lambda: tables.describe_table(TableName=self._table))
        return found

    def describe(self, after_shard: str | None) -> Listing:
        """See `Streams`."""
        request: DescribeStreamInputTypeDef = {"StreamArn": self._arn}
        if after_shard:
            request["ExclusiveStartShardId"] = after_shard
        answer = self._call("DescribeStream", lambda: self._client.describe_stream(**request))
        with _as_promised("DescribeStream"):
            described = answer["StreamDescription"]
            shards = tuple(
                ShardNode(
                    _text(shard["ShardId"]),
                    _text_or_none(shard.get("ParentShardId")),
                    "EndingSequenceNumber" in shard.get("SequenceNumberRange", {}),
                )
                for shard in described.get("Shards", [])
            )
            return Listing(shards, _text_or_none(described.get("LastEvaluatedShardId")), served(answer))

    def iterator(self, shard: str, kind: IteratorType, sequence: str | None) -> str:
        """See `Streams`."""
        request: GetShardIteratorInputTypeDef = {
            "StreamArn": self._arn,
            "ShardId": shard,
            "ShardIteratorType": kind,
        }
        if sequence:
            request["SequenceNumber"] = sequence
        answer = self._call("GetShardIterator", lambda: self._client.get_shard_iterator(**request))
        with _as_promised("GetShardIterator"):
            return _text(answer["ShardIterator"])

    def records(self, iterator: str, limit: int) -> Page:
        """See `Streams`."""
        answer = self._call("GetRecords", lambda: self._client.get_records(ShardIterator=iterator, Limit=limit))
        with _as_promised("GetRecords"):
            # Without this key the answer is broken. A missing next iterator would then look like the end of the shard.
            return Page(list(answer["Records"]), _text_or_none(answer.get("NextShardIterator")), served(answer))

    @staticmethod
    def _call(name: str, call: Any) -> dict[str, Any]:
        try:
            with _as_promised(name):
                return cast("dict[str, Any]", call())
        except ClientError as error:
            kind = _BY_CODE.get(error.response.get("Error", {}).get("Code", ""), Retry)
            if kind in (Expired, Trimmed) and name not in _READING:
                kind = Retry  # what is said of an iterator means nothing about a listing
            raise kind(f"{name}: {error}") from error
        except BotoCoreError as error:
            raise Retry(f"{name}: {error}") from error


@contextmanager
def _as_promised(name: str) -> Iterator[None]:
    """An answer that is not what the API promises is a fault of that call: a body that is no JSON, a key that is
    missing. A proxy or a gateway may send one with status 200."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Retry(f"{name}: the answer is not what the API promises: {error!r}") from error


def _text(value: Any) -> str:
    """A name or an iterator: the next call would refuse anything but text."""
    if not isinstance(value, str) or not value:
        raise TypeError(f"{value!r} is no name")
    return value


def _text_or_none(value: Any) -> str | None:
    return None if value is None else _text(value)


@dataclass(frozen=True, slots=True)
class Stream:
    """The stream of the table, and the table's key."""

    arn: str
    label: str
    partition_key: str
    sort_key: str | None

    @property
    def time_keyed(self) -> bool:
        """True when the table is keyed by time alone, which scatters a device over all shards."""
        return keyed_by_time([self.partition_key] if self.sort_key is None else [self.partition_key, self.sort_key])
