"""The S3 keys of everything that leaves. Charts keep the old service's layout."""

from __future__ import annotations

from math import floor
from urllib.parse import quote

from reporting.contract.events import utc

MINUTE_S = 60


def minute_of(ts: float) -> int:
    """The start of a sample's minute, epoch seconds."""
    return floor(ts / MINUTE_S) * MINUTE_S


def minute_key(device: str, ts: float) -> str:
    """The archive object of the minute in which ``ts`` (epoch seconds) lies.

    >>> minute_key("device4", 0.0)
    'battery-events/device=device4/dt=1970-01-01/hour=00/0000.ndjson'
    """
    return f"battery-events/device={_safe(device)}/{utc(minute_of(ts)):dt=%Y-%m-%d/hour=%H/%H%M}.ndjson"


def chart_key(prefix: str, device: str, ts: float) -> str:
    """The chart of a device at a time.

    >>> chart_key("battery-reports", "device4", 300.0)
    'battery-reports/device4/19700101T000500Z.png'
    """
    return f"{prefix}/{_safe(device)}/{utc(ts):%Y%m%dT%H%M%SZ}.png"


def quarantine_key(created: float, shard: str, sequence: str) -> str:
    """The object that holds a record set aside."""
    return f"battery-quarantine/{utc(created):dt=%Y-%m-%d}/{_safe(shard)}-{sequence}.json"


def ledger_key(day: str, lane: str) -> str:
    """The books of a lane for a UTC day of creation."""
    return f"battery-ledger/{day}/{_safe(lane)}.json"


def _safe(name: str) -> str:
    """A device may be called anything; a slash in its name must not make a folder, nor dots alone climb out of one."""
    return quote(name, safe="@:+") if name.strip(".") else name.replace(".", "%2E")
