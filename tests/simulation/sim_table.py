"""The table itself in memory, behind the client calls of `TableHistory`: what the writes have left in it by now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError
from sim_faults import TABLE, Clock, Faults
from sim_script import Write

MOST_KEYS, PAGE_ITEMS = 100, 40
IN_PART = "table served in part"
Key = tuple[tuple[str, str], ...]
Item = Mapping[str, Any]


@dataclass(slots=True)
class Table:
    """A table keyed by ``partition`` and perhaps ``sort``, with all the ``writes`` that it will ever see, in order.

    ``ttl_s``: an item is deleted that long after its ``ts``; whoever reads then cannot see that it was there.
    """

    writes: Sequence[Write]
    clock: Clock
    partition: str = "ts"
    sort: str | None = None
    ttl_s: float = inf
    reads: list[tuple[str, int]] = field(default_factory=list)
    _items: dict[Key, Item] = field(default_factory=dict)
    _applied: int = 0

    @classmethod
    def of(cls, writes: Iterable[Write], clock: Clock, ttl_s: float = inf) -> Table:
        """The table that these changes are made to, in any order; their keys tell how it is keyed."""
        ordered = sorted(writes, key=lambda write: write.written)
        partition, *sort = ordered[0].keys or ("device",) if ordered else ("ts",)
        return cls(ordered, clock, partition, next(iter(sort), None), ttl_s)

    def items(self) -> list[Item]:
        """What is in it now, in no order that means anything."""
        now = self.clock.now
        while self._applied < len(self.writes) and self.writes[self._applied].written <= now:
            write = self.writes[self._applied]
            self._applied += 1
            if write.image is None:
                self._items.pop(key_of(write.keys), None)
            else:
                self._items[key_of(write.keys)] = write.image
        return [item for item in self._items.values() if _time(item) + self.ttl_s > now]


def key_of(keys: Item) -> Key:
    """A key, whatever way its number is written."""
    return tuple(sorted((name, repr(float(v["N"])) if "N" in v else v["S"]) for name, v in keys.items()))


def hash_of(key: Key) -> str:
    """An order that is the same in every process, and not that of the keys."""
    return "".join(reversed(repr(key)))


class TableClient:
    """The part of boto3's DynamoDB client that `TableHistory` uses: one host's way to the table, with its faults."""

    def __init__(self, table: Table, faults: Faults) -> None:
        self._table = table
        self._faults = faults

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803
        """BatchGetItem: at most 100 whole keys; what is not served comes back as unprocessed."""
        ((name, asked),) = RequestItems.items()
        keys = asked["Keys"]
        assert 1 <= len(keys) <= MOST_KEYS, "a ValidationException"
        assert all({*key} == {n for n in (self._table.partition, self._table.sort) if n} for key in keys)

        def read() -> dict[str, Any]:
            faults = self._faults
            served, left = keys, []
            if faults.since <= faults.clock.now < faults.until and faults.rng.random() < faults.rates.get(IN_PART, 0.0):
                faults.count(IN_PART)
                served, left = keys[: len(keys) // 2], keys[len(keys) // 2 :]
            wanted = {key_of(key) for key in served}
            found = [i for i in self._table.items() if key_of({name: i[name] for name in keys[0]}) in wanted]
            self._table.reads.append(("batch_get_item", len(found)))
            return {"Responses": {name: found}, "UnprocessedKeys": {name: {"Keys": left}} if left else {}}

        return self._call("BatchGetItem", read)

    def describe_table(self, *, TableName: str) -> dict[str, Any]:  # noqa: N803
        """DescribeTable: the count of items is hours old."""
        return self._call("DescribeTable", lambda: {"Table": {"ItemCount": len(self._table.items()) // 2}})

    def get_paginator(self, operation: str) -> Pages:
        """Of `query` or `scan`."""
        return Pages(self._table, operation, self._call)

    def _call(self, operation: str, effect: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return self._faults.call(TABLE, effect, lambda fault: _error(fault, operation))


class Pages:
    """A query or a scan for an interval of ``ts``, page by page: a page may be empty and not the last."""

    def __init__(self, table: Table, operation: str, call: Callable[..., dict[str, Any]]) -> None:
        assert operation in ("query", "scan")
        self._table = table
        self._operation = operation
        self._call = call

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        """The pages. The table may change between two of them."""
        names, values = request["ExpressionAttributeNames"], request["ExpressionAttributeValues"]
        low, high = float(values[":a"]["N"]), float(values[":b"]["N"])
        assert names["#t"] == "ts"
        assert low <= high, "a ValidationException: the bounds of BETWEEN are in the wrong order"
        if self._operation == "query":
            assert request["KeyConditionExpression"] == "#d = :d AND #t BETWEEN :a AND :b"
            assert (names["#d"], names["#t"]) == (self._table.partition, self._table.sort), "a ValidationException"
        else:
            assert request["FilterExpression"] == "#t BETWEEN :a AND :b"
        after = ""

        def page() -> dict[str, Any]:
            nonlocal after
            rest = [item for item in self._there(values) if self._order(item) > after]
            seen = rest[:PAGE_ITEMS]
            after = self._order(seen[-1]) if len(rest) > PAGE_ITEMS else ""
            found = [i for i in seen if "N" in i.get("ts", {}) and low <= float(i["ts"]["N"]) <= high]
            self._table.reads.append((self._operation, len(found)))
            return {"Items": found, "ScannedCount": len(seen)}

        while True:
            yield self._call(self._operation.capitalize(), page)
            if not after:
                return

    def _there(self, values: Mapping[str, Any]) -> list[Item]:
        found = self._table.items()
        if self._operation == "query":
            found = [item for item in found if item.get(self._table.partition) == values[":d"]]
        return sorted(found, key=self._order)

    def _order(self, item: Item) -> str:
        key = key_of({name: item[name] for name in (self._table.partition, self._table.sort) if name})
        return hash_of(key)


def _time(item: Item) -> float:
    return float(item.get("ts", {}).get("N", inf))


def _error(fault: str, operation: str) -> Exception:
    if "time-out" in fault:
        return ReadTimeoutError(endpoint_url="https://dynamodb.eu-central-1.amazonaws.com")
    code, status = ("ThrottlingException", 400) if "throttled" in fault else ("InternalServerError", 500)
    answer: Any = {"Error": {"Code": code, "Message": fault}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)
