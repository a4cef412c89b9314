"""Reads from the table what the stream no longer has: the window at a first start, and gaps (rules 18, 19).

Key schema and data decide the way: single keys for a table keyed by whole seconds, one query per device for a table
keyed by device and time, a scan for everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil, floor
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from consumer.errors import Retry, retryable
from consumer.stream.records import TS, Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEYS_A_CALL = 100
ROUNDS = 8
HITS_AT_LEAST = 0.9
log = structlog.get_logger(__name__)
ShareRead = Callable[[float, int], None]
"""Gets now and then what share was read (0 to 1, as far as is known) and how many items were found."""


class History(Protocol):
    """The items of a table in an interval."""

    def items(self, since: float, until: float, devices: Sequence[str], progress: ShareRead) -> list[Item]:
        """All items with ``since <= ts <= until`` (epoch seconds), in order of time. Blocks until all are read. Raises
        `Retry` if the table cannot be read."""


class TableHistory:
    """Reads a DynamoDB table keyed by ``partition`` and perhaps ``sort``."""

    def __init__(self, client: DynamoDBClient, table: str, *, partition: str, sort: str | None) -> None:
        self._client = client
        self._table = table
        self._partition = partition
        self._sort = sort

    def items(self, since: float, until: float, devices: Sequence[str], progress: ShareRead) -> list[Item]:
        """See `History`. ``devices``: the known ones, for a table keyed by device."""
        with retryable(f"reading table {self._table}"):
            found = list(self._read(since, until, devices, progress))
        return sorted(found, key=lambda item: float(item[TS]["N"]))

    def whole_seconds(self, since: float, until: float) -> list[Item]:
        """The items at whole seconds of the interval, in order of time, from a table keyed by time alone. Blocks;
        raises `Retry`."""
        seconds = range(ceil(since), floor(until) + 1)
        keys = [{TS: {"N": str(second)}} for second in seconds]
        with retryable(f"reading table {self._table}"):
            found = [i for n in range(0, len(keys), KEYS_A_CALL) for i in self._get(keys[n : n + KEYS_A_CALL])]
        return sorted(found, key=lambda item: float(item[TS]["N"]))

    def _read(self, since: float, until: float, devices: Sequence[str], progress: ShareRead) -> Iterator[Item]:
        if self._partition == TS and self._sort is None:
            found = self._by_seconds(since, until, progress)
            if found is not None:
                return iter(found)
        if self._sort == TS and devices:
            return self._by_device(since, until, devices, progress)
        return self._scan(since, until, progress)

    def _by_seconds(self, since: float, until: float, progress: ShareRead) -> list[Item] | None:
        """Reads every whole second by its key. None if too few exist: then the items have other times."""
        seconds = range(ceil(since), floor(until) + 1)
        found: list[Item] = []
        for start in range(0, len(seconds), KEYS_A_CALL):
            asked = seconds[start : start + KEYS_A_CALL]
            found += self._get([{TS: {"N": str(second)}} for second in asked])
            if len(found) < HITS_AT_LEAST * (start + len(asked)):
                log.info("not one item a second: scanning the table", found=len(found), asked=start + len(asked))
                return None
            progress((start + len(asked)) / len(seconds), len(found))
        return found

    def _get(self, keys: Sequence[Mapping[str, Any]]) -> list[Item]:
        found: list[Item] = []
        waiting: Any = {self._table: {"Keys": list(keys)}}
        for _ in range(ROUNDS):
            answer = self._client.batch_get_item(RequestItems=waiting)
            found += answer["Responses"].get(self._table, [])
            waiting = answer.get("UnprocessedKeys")
            if not waiting:
                return found
        raise Retry(f"reading table {self._table}: throttled")

    def _by_device(self, since: float, until: float, devices: Sequence[str], progress: ShareRead) -> Iterator[Item]:
        count = 0
        for row, device in enumerate(devices):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="#d = :d AND #t BETWEEN :a AND :b",
                ExpressionAttributeNames={"#d": self._partition, "#t": TS},
                ExpressionAttributeValues={
                    ":d": {"S": device},
                    ":a": {"N": repr(since)},
                    ":b": {"N": repr(until)},
                },
            )
            for page in pages:
                count += len(page["Items"])
                yield from page["Items"]
            progress((row + 1) / len(devices), count)

    def _scan(self, since: float, until: float, progress: ShareRead) -> Iterator[Item]:
        count = 0
        size = self._client.describe_table(TableName=self._table)["Table"].get("ItemCount", 0)
        seen = 0
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table,
            FilterExpression="#t BETWEEN :a AND :b",
            ExpressionAttributeNames={"#t": TS},
            ExpressionAttributeValues={":a": {"N": repr(since)}, ":b": {"N": repr(until)}},
        )
        for page in pages:
            count += len(page["Items"])
            seen += page.get("ScannedCount", 0)
            progress(min(1.0, seen / size) if size else 1.0, count)
            yield from page["Items"]
