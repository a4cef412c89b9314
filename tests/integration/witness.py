"""An independent witness: what lies in the table against what a deployment has made of it.

The ledger counts what was read, so it cannot know what never was. The witness starts from the table's items.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from stream_results import Results

from consumer.state.snapshot import Snapshot
from demo.world import TABLE


def in_table(results: Results) -> dict[float, dict[str, Any]]:
    """The table's items by their ``ts``."""
    pages = results.aws.dynamodb.get_paginator("scan").paginate(TableName=TABLE)
    return {float(item["ts"]["N"]): dict(item) for page in pages for item in page["Items"]}


def in_windows(results: Results) -> set[float]:
    """The ``ts`` of every sample in the windows that the last owner left."""
    bodies = [body for key, body in results.objects("state/") if key.endswith("/windows") and body]
    return {float(ts) for body in bodies for columns in Snapshot.decode(body).devices.values() for ts in columns.ts}


def archived(results: Results) -> Counter[float]:
    """How often the archive has a line for each ``ts``."""
    return Counter(float(json.loads(line)["ts"]) for body in results.archive().values() for line in body.splitlines())


def published(bodies: list[str]) -> Counter[float]:
    """How many different messages tell of the sample at each ``ts``. A message that came twice has its id twice."""
    events = {event["id"]: event for event in map(json.loads, bodies)}
    return Counter(float(e["data"]["ts"]) for e in events.values() if e["type"] == "anomaly.sample")


def assert_nothing_is_missing(results: Results, bodies: list[str], *, hot_c: float = 60.0) -> None:
    """Every item of the table is scored exactly once; archive and topic have each hot one, and the archive has nothing
    that the topic was not told. All items are samples, and none is older than the windows reach."""
    items = in_table(results)
    ledger = results.books()
    hot = {ts for ts, item in items.items() if float(item["temperature"]["N"]) > hot_c}
    lines, messages = archived(results), published(bodies)
    missing = {
        "windows": sorted(items.keys() - in_windows(results)),
        "archive": sorted(hot - lines.keys()),
        "topic": sorted((hot | lines.keys()) - messages.keys()),
    }
    assert missing == {"windows": [], "archive": [], "topic": []}, f"ledger: {dict(ledger)}"
    assert (ledger["scored"], ledger["lost"], ledger["late"]) == (len(items), 0, 0), dict(ledger)
    assert [ts for ts, count in lines.items() if count > 1] == []
