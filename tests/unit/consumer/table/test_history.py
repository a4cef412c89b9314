"""The table itself, read three ways (rule 19), against a table in memory."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from consumer.errors import Retry
from consumer.table.history import TableHistory


class Table:
    """DynamoDB in memory, as far as it is asked: at most 100 keys a call, pages of 40 items."""

    def __init__(self, *items: dict[str, Any]) -> None:
        self.items = list(items)
        self.calls: list[str] = []
        self.unprocessed = 0

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        self.calls.append("batch_get_item")
        ((name, asked),) = RequestItems.items()
        assert 0 < len(asked["Keys"]) <= 100
        keys = asked["Keys"]
        served, left = (keys[:-30], keys[-30:]) if self.unprocessed > 0 and len(keys) > 30 else (keys, [])
        self.unprocessed -= 1
        found = [item for item in self.items if {"ts": item["ts"]} in served]
        return {"Responses": {name: found}, "UnprocessedKeys": {name: {"Keys": left}} if left else {}}

    def get_paginator(self, operation: str) -> Any:
        table = self

        class Pages:
            @staticmethod
            def paginate(**request: Any) -> Any:
                table.calls.append(operation)
                values = request["ExpressionAttributeValues"]
                low, high = float(values[":a"]["N"]), float(values[":b"]["N"])
                found = [i for i in table.items if "ts" in i and low <= float(i["ts"]["N"]) <= high]
                if operation == "query":
                    assert request["ExpressionAttributeNames"] == {"#d": "device", "#t": "ts"}
                    found = [item for item in found if item["device"] == values[":d"]]
                for n in range(0, len(found), 40):
                    yield {"Items": found[n : n + 40], "ScannedCount": 40}
                yield {"Items": [], "ScannedCount": 0}

        return Pages

    def describe_table(self, **_: Any) -> dict[str, Any]:
        return {"Table": {"ItemCount": len(self.items)}}


def item(ts: float | str, device: str | None = None) -> dict[str, Any]:
    named = {"device": {"S": device}} if device else {}
    return {"ts": {"N": str(ts)}, "current": {"N": "1"}, **named}


def read(
    table: Table,
    since: float,
    until: float,
    *,
    partition: str = "ts",
    sort: str | None = None,
    devices: tuple[str, ...] = (),
) -> list[str]:
    client: Any = table
    progress: list[float] = []
    found = TableHistory(client, "t", partition=partition, sort=sort).items(
        since, until, devices, lambda done, _: progress.append(done)
    )
    assert progress == sorted(progress)
    return [i["ts"]["N"] for i in found]


def test_whole_seconds_are_read_by_their_keys() -> None:
    """A hundred a call, in order of time, nothing outside the interval."""
    table = Table(*(item(ts) for ts in range(999, 400, -1)))
    assert read(table, 499.5, 750.0) == [str(ts) for ts in range(500, 751)]
    assert table.calls == ["batch_get_item"] * 3


def test_keys_that_were_not_served_are_asked_for_again() -> None:
    """Throttling serves a part."""
    table = Table(*(item(ts) for ts in range(1000)))
    table.unprocessed = 3
    assert read(table, 100, 199) == [str(ts) for ts in range(100, 200)]
    table.unprocessed = 1000

    def never(**request: Any) -> Any:
        return {"Responses": {}, "UnprocessedKeys": request["RequestItems"]}

    table.batch_get_item = never  # type: ignore[method-assign]
    with pytest.raises(Retry, match="throttled"):
        read(table, 100, 199)


def test_fewer_than_nine_in_ten_hits_mean_other_times_and_a_scan() -> None:
    """Fractions would be missed otherwise."""
    sparse = Table(*(item(ts + 0.5) for ts in range(1000)))
    assert read(sparse, 100, 110) == [str(ts + 0.5) for ts in range(100, 110)]
    assert sparse.calls == ["batch_get_item", "scan"]


def test_what_there_is_at_whole_seconds_is_read_without_a_scan() -> None:
    """However little that is."""
    table = Table(*(item(ts) for ts in range(300, 0, -3)), item(50.5))
    client: Any = table
    found = TableHistory(client, "t", partition="ts", sort=None).whole_seconds(29.5, 200.0)
    assert [i["ts"]["N"] for i in found] == [str(ts) for ts in range(30, 201, 3)]
    assert table.calls == ["batch_get_item"] * 2


def test_a_table_keyed_by_device_is_queried_for_each() -> None:
    """Those that are known; where none is, it is scanned."""
    table = Table(*(item(ts, device) for ts in range(100) for device in "abc"))
    assert read(table, 10, 12, partition="device", sort="ts", devices=("a", "c")) == [
        "10",
        "10",
        "11",
        "11",
        "12",
        "12",
    ]
    assert table.calls == ["query", "query"]
    table.calls.clear()
    assert len(read(table, 10, 12, partition="device", sort="ts")) == 9
    assert table.calls == ["scan"]


def test_a_table_with_another_key_is_scanned() -> None:
    """Page by page."""
    table = Table(*(item(ts) for ts in range(300)))
    assert read(table, 0, 299, partition="id") == [str(ts) for ts in range(300)]
    assert table.calls == ["scan"]


def test_a_table_that_cannot_be_read_may_be_tried_again() -> None:
    """Nothing is taken for nothing there."""

    def refuse(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow"}}, "BatchGetItem")

    table = Table()
    table.batch_get_item = refuse  # type: ignore[method-assign]
    with pytest.raises(Retry, match=r"reading table t.*slow"):
        read(table, 0, 10)
