"""A table read by a scan in parallel; the table's twin answers page by page."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from consumer.errors import ConfigurationError
from consumer.stream.records import Decoder
from consumer.table.scan import SEGMENTS, TableDescription, describe, scan
from window.samples import Kind, Names

T = 1_784_989_500


def item(ts: int, **more: Any) -> dict[str, Any]:
    return {"ts": {"N": str(ts)}, "current": {"N": "2.5"}, "temperature": {"N": "25"}, **more}


@dataclass
class TableTwin:
    """A table as far as a scan uses it: every segment has its share of the items, two a page."""

    items: list[dict[str, Any]]
    refuse: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def describe_table(self, *, TableName: str) -> dict[str, Any]:  # noqa: N803
        self.fail()
        return {
            "Table": {
                "ItemCount": len(self.items),
                "KeySchema": [{"AttributeName": "ts", "KeyType": "HASH"}],
            }
        }

    def scan(self, **asked: Any) -> dict[str, Any]:
        self.fail()
        with self.lock:
            self.asked.append(asked)
        own = self.items[asked["Segment"] :: asked["TotalSegments"]]
        start = asked.get("ExclusiveStartKey", 0)
        found = {"Items": own[start : start + 2], "ScannedCount": len(own[start : start + 2])}
        return found | ({"LastEvaluatedKey": start + 2} if start + 2 < len(own) else {})

    def fail(self) -> None:
        if self.refuse:
            raise ClientError(
                {"Error": {"Code": self.refuse}, "ResponseMetadata": {"HTTPStatusCode": 400}},  # type: ignore[typeddict-item]
                "Scan",
            )

    @property
    def session(self) -> Any:
        return SimpleNamespace(client=lambda *_, **__: self)


@pytest.fixture
def decoder() -> Decoder:
    return Decoder(table="device4", device_key="device", devices=Names(), shards=Names())


def test_a_scan_finds_every_item_once(decoder: Decoder) -> None:
    """Of all segments to their ends, with progress; what is no sample comes with its reason."""
    twin = TableTwin([item(T + n) for n in range(40)] + [item(T + 40, current={"S": "much"})])
    steps: list[tuple[int, int]] = []
    table = describe(twin.session, "device4")
    pages = [*scan(twin.session, table, decoder, progress=lambda *step: steps.append(step))]
    assert (table.items, table.time_keyed) == (41, True)
    assert sorted(ts for page in pages for ts in page.samples.created.tolist()) == [T + n for n in range(41)]
    assert [r.reason for page in pages for r in page.rejects.values()] == [
        "attribute 'current' is of type S, not a number (N)"
    ]
    assert sum(int((page.samples.kind == Kind.BACKFILL).sum()) for page in pages) == 40
    assert [total for _, total in steps] == [41] * len(steps)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert {asked["Segment"] for asked in twin.asked} == set(range(SEGMENTS))


def test_an_interval_is_asked_of_the_table(decoder: Decoder) -> None:
    """By a filter on the time, whichever ends are given; none without."""
    for since, until, term in (
        (T, T + 1, "#t >= :a AND #t <= :b"),
        (T, None, "#t >= :a"),
        (None, T + 1, "#t <= :b"),
        (None, None, None),
    ):
        twin = TableTwin([item(T)])
        list(scan(twin.session, TableDescription("device4", 1, ("ts",)), decoder, since=since, until=until))
        assert {asked.get("FilterExpression") for asked in twin.asked} == {term}


def test_whoever_stops_early_ends_the_reading(decoder: Decoder) -> None:
    """No page is asked for after what is under way."""
    twin = TableTwin([item(T + n) for n in range(4000)])
    pages = scan(twin.session, TableDescription("device4", 4000, ("ts",)), decoder)
    next(pages)
    pages.close()  # type: ignore[attr-defined]
    assert len(twin.asked) < 100


@pytest.mark.parametrize(
    ("code", "said"), [("ResourceNotFoundException", "table 'device4': does not exist"), ("Throttled", "Throttled")]
)
def test_a_table_that_cannot_be_read(decoder: Decoder, code: str, said: str) -> None:
    """What is wrong, and where to look."""
    twin = TableTwin([], refuse=code)
    for call in (
        lambda: describe(twin.session, "device4"),
        lambda: list(scan(twin.session, TableDescription("device4", 0, ("ts",)), decoder)),
    ):
        with pytest.raises(ConfigurationError, match="AWS_DEFAULT_REGION") as raised:
            call()
        assert said in str(raised.value)
