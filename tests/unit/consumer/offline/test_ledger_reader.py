"""The ledger as it stands in the bucket, read back for people."""

from __future__ import annotations

from typing import Any

import pytest

from consumer.errors import ConfigurationError
from consumer.offline.ledger_reader import LedgerRow, read_ledger
from consumer.state.ledger import Ledger
from window.samples import Kind, Names, Samples


def write(s3: Any, lane: str, *rows: tuple[float, Kind]) -> None:
    """What a lane commits for records of device d: creation and kind."""
    names = Names()
    samples = Samples.of(
        [0.0] * len(rows),
        [0.0] * len(rows),
        [0.0] * len(rows),
        created=[row[0] for row in rows],
        kind=[row[1] for row in rows],
        device=names.code("d"),
    )
    ledger = Ledger(names)
    ledger.read(samples)
    ledger.classed(samples)
    for item in ledger.objects(lane):
        s3.put_object(Bucket="b", Key=item.key, Body=item.body, ContentType=item.content_type)


def test_books_read_back_as_they_were_kept(s3: Any) -> None:
    """Oldest first, over lanes; each with its balance."""
    write(s3, "shard-2", (1_784_989_500.0, Kind.SAMPLE), (1_784_989_501.0, Kind.LATE))
    write(s3, "shard-1", (1_784_989_500.0, Kind.MALFORMED), (1_785_075_900.0, Kind.SAMPLE))
    s3.put_object(Bucket="b", Key="battery-events/other", Body=b"no book", ContentType="text/plain")
    books = read_ledger(s3, "b")
    assert [(book.day, book.lane, book.device) for book in books] == [
        ("2026-07-25", "shard-1", "d"),
        ("2026-07-25", "shard-2", "d"),
        ("2026-07-26", "shard-1", "d"),
    ]
    assert {name: n for name, n in books[1].counts.items() if n} == {"read": 2, "scored": 1, "late": 1}
    assert [book.imbalance for book in books] == [0, 0, 0]
    assert [book.day for book in read_ledger(s3, "b", "2026-07-26")] == ["2026-07-26"]


def test_a_book_that_does_not_balance_shows() -> None:
    """Missing, or counted twice."""
    counts = dict.fromkeys(("read", "scored", "duplicate", "late", "quarantined", "ignored"), 0)
    assert LedgerRow("2026-07-25", "table", "d", {**counts, "read": 3, "scored": 2}).imbalance == 1
    assert LedgerRow("2026-07-25", "table", "d", {**counts, "read": 1, "scored": 1, "late": 1}).imbalance == -1


def test_a_bucket_that_cannot_be_read_is_told(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As what must be put right."""

    def forbidden(_: str) -> Any:
        raise s3.error("ListObjectsV2", 403, "AccessDenied")

    monkeypatch.setattr(s3, "get_paginator", forbidden)
    with pytest.raises(ConfigurationError, match="AccessDenied"):
        read_ledger(s3, "b")
