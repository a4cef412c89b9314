"""Records as DynamoDB writes them, and a decoder for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from consumer.stream.records import Decoder
from window.samples import Names

CREATED = 1_784_989_507


@pytest.fixture(scope="session")
def record() -> Callable[..., dict[str, Any]]:
    """Makes a stream record: numbers become N attributes, None leaves one out, all else stands as it is."""

    def make(
        sequence: int = 1, *, created: float = CREATED, event: str = "INSERT", **attributes: Any
    ) -> dict[str, Any]:
        whole = {"ts": created, "current": 2.5, "temperature": 25.0, **attributes}
        item = {
            name: {"N": repr(value)} if isinstance(value, int | float) and not isinstance(value, bool) else value
            for name, value in whole.items()
            if value is not None
        }
        change = {"SequenceNumber": str(sequence), "ApproximateCreationDateTime": created, "SizeBytes": 60}
        image = {"NewImage": item} if event != "REMOVE" else {}
        keys = {"Keys": {name: item[name] for name in ("ts", "device") if name in item}}
        return {"eventID": f"e{sequence}", "eventName": event, "dynamodb": {**change, **keys, **image}}

    return make


@pytest.fixture
def decoder() -> Decoder:
    """Of the table device4, with tables of names of its own."""
    return Decoder(table="device4", device_key="device", devices=Names(), shards=Names())
