"""Reads a whole table or an interval by a parallel scan: for replay and training, not for the worker.

A scan reads every item whatever the interval, but sixty items cost as much as one that is read by its key.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from consumer.aws import CALLS
from consumer.findings import advised
from consumer.stream.records import TS, Decoded, Decoder, keyed_by_time

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SEGMENTS = 8
ADVICE = "the table's name, AWS_DEFAULT_REGION and the role's rights"
PATIENT = CALLS.merge(Config(retries={"mode": "adaptive", "total_max_attempts": 12}))
"""A scan takes all the capacity of a table, so it must slow down and go on where the worker would give up."""
Progress = Callable[[int, int], None]
"""Gets how many items or objects were read, and how many there are as far as is known (0: not known)."""


@dataclass(frozen=True, slots=True)
class TableDescription:
    """What DescribeTable says. ``items``: their approximate number, 0 if unknown. ``keys``: the attributes of the key,
    the partition key first. ``arn``: names account and region."""

    name: str
    items: int
    keys: tuple[str, ...]
    arn: str = ""

    @property
    def time_keyed(self) -> bool:
        """True if its key is the time alone."""
        return keyed_by_time(self.keys)


def describe(aws: boto3.Session, name: str) -> TableDescription:
    """Describe a table. Raises `ConfigurationError` that says why that failed."""
    with advised(f"table {name!r}", ADVICE):
        about = aws.client("dynamodb", config=PATIENT).describe_table(TableName=name)["Table"]
    keys = sorted(about["KeySchema"], key=lambda key: key["KeyType"] != "HASH")
    names = tuple(key["AttributeName"] for key in keys)
    return TableDescription(name, int(about.get("ItemCount", 0)), names, about.get("TableArn", ""))


def scan(
    aws: boto3.Session,
    table: TableDescription,
    decoder: Decoder,
    *,
    since: float | None = None,
    until: float | None = None,
    progress: Progress = lambda *_: None,
) -> Iterator[Decoded]:
    """The items with ``since <= ts <= until`` (epoch seconds), page by page, in any order.

    Raises `ConfigurationError`. Closing the iterator early, also by an exception, ends the reading.
    """
    client = aws.client("dynamodb", config=PATIENT)
    stop = threading.Event()
    seen = 0
    pool = ThreadPoolExecutor(SEGMENTS, thread_name_prefix="scan")
    pages = [_Segment(client, table.name, decoder, segment, since, until) for segment in range(SEGMENTS)]
    try:
        waiting = {pool.submit(each.page): each for each in pages}
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                segment = waiting.pop(future)
                with advised(f"table {table.name!r}", ADVICE):
                    count, decoded = future.result()
                seen += count
                progress(seen, max(seen, table.items))
                if not segment.over and not stop.is_set():
                    waiting[pool.submit(segment.page)] = segment
                yield decoded
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)


class _Segment:
    """One part of a parallel scan."""

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        decoder: Decoder,
        segment: int,
        since: float | None,
        until: float | None,
    ) -> None:
        self._client = client
        self._decoder = decoder
        self._name = f"{table}/{segment}"
        self._asked: dict[str, Any] = {"TableName": table, "Segment": segment, "TotalSegments": SEGMENTS}
        ends = [("#t >= :a", ":a", since), ("#t <= :b", ":b", until)]
        given = [(term, value, end) for term, value, end in ends if end is not None]
        if given:
            self._asked |= {
                "FilterExpression": " AND ".join(term for term, _, _ in given),
                "ExpressionAttributeNames": {"#t": TS},
                "ExpressionAttributeValues": {value: {"N": repr(end)} for _, value, end in given},
            }
        self.over = False

    def page(self) -> tuple[int, Decoded]:
        """Read the next page: the number of items scanned, and those in the interval."""
        answer = self._client.scan(**self._asked)
        if "LastEvaluatedKey" in answer:
            self._asked["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        else:
            self.over = True
        return answer.get("ScannedCount", 0), self._decoder.items(self._name, answer["Items"])
