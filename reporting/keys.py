"""The S3 keys of all objects that the worker writes. Charts keep the layout of the old service."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor
from urllib.parse import quote

from reporting.contract.events import utc

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 24 * HOUR_S
MUTES = "battery-mutes/"
ARCHIVE = "battery-events/"
SCORED_MINUTES = "battery-minutes/"


def minute_of(ts: float) -> int:
    """The start of a sample's minute, epoch seconds."""
    return floor(ts / MINUTE_S) * MINUTE_S


def minute_key(device: str, ts: float) -> str:
    """The archive object of the minute in which ``ts`` (epoch seconds) lies.

    >>> minute_key("device4", 0.0)
    'battery-events/device=device4/dt=1970-01-01/hour=00/0000.ndjson'
    """
    return minute_in(device_prefix(device), ts)


def device_prefix(device: str) -> str:
    """The beginning of the keys of a device's archive objects."""
    return f"{ARCHIVE}device={_safe(device)}/"


def minute_in(prefix: str, ts: float) -> str:
    """The archive object of a minute under a device's prefix. The keys of a device sort by time."""
    return f"{prefix}{utc(minute_of(ts)):dt=%Y-%m-%d/hour=%H/%H%M}.ndjson"


def hours_in(prefix: str, since: float, until: float) -> Iterator[str]:
    """The beginnings of the keys of the hours from ``since`` to ``until`` (epoch seconds) under a device's prefix. A
    day that lies wholly within has one beginning.

    >>> list(hours_in("p/", 79_200.0, 176_400.0))
    ['p/dt=1970-01-01/hour=22/', 'p/dt=1970-01-01/hour=23/', 'p/dt=1970-01-02/', 'p/dt=1970-01-03/hour=00/', \
'p/dt=1970-01-03/hour=01/']
    """
    hour, last = (floor(ts / HOUR_S) * HOUR_S for ts in (since, until))
    while hour <= last:
        whole_day = hour % DAY_S == 0 and hour + DAY_S - HOUR_S <= last
        yield f"{prefix}{utc(hour):dt=%Y-%m-%d/}" if whole_day else f"{prefix}{utc(hour):dt=%Y-%m-%d/hour=%H/}"
        hour += DAY_S if whole_day else HOUR_S


def chart_key(prefix: str, device: str, ts: float) -> str:
    """The chart of a device at a time.

    >>> chart_key("battery-reports", "device4", 300.0)
    'battery-reports/device4/19700101T000500Z.png'
    """
    return f"{prefix}/{_safe(device)}/{utc(ts):%Y%m%dT%H%M%SZ}.png"


def quarantine_key(created: float, shard: str, sequence: str) -> str:
    """The object that holds a quarantined record."""
    return f"battery-quarantine/{utc(created):dt=%Y-%m-%d}/{_safe(shard)}-{sequence}.json"


def undelivered_key(at: float | None, message: str) -> str:
    """The object that holds a message that the topic refuses, by its event time (epoch seconds) and its id.

    >>> undelivered_key(300.0, "1a2b")
    'battery-undelivered/dt=1970-01-01/1a2b.json'
    """
    return f"battery-undelivered/{utc(at or 0.0):dt=%Y-%m-%d}/{message}.json"


def ledger_key(day: str, lane: str) -> str:
    """The ledger of a lane for a UTC day of creation."""
    return f"battery-ledger/{day}/{_safe(lane)}.json"


def scored_minutes_prefix(hour: float) -> str:
    """The beginning of the keys of what was scored in an hour of event time (its start, epoch seconds)."""
    return f"{SCORED_MINUTES}{utc(hour):dt=%Y-%m-%d/hour=%H}/"


def scored_minutes_key(hour: float, lane: str, revision: tuple[int, int]) -> str:
    """The object of a lane's counts for an hour of event time. The keys of a lane sort by epoch and commit.

    >>> scored_minutes_key(3600.0, "table", (2, 17))
    'battery-minutes/dt=1970-01-01/hour=01/table/000002-0000000017.json'
    """
    epoch, commit = revision
    return f"{scored_minutes_prefix(hour)}{_safe(lane)}/{epoch:06d}-{commit:010d}.json"


def mute_key(device: str | None, until: float, mute: str) -> str:
    """The object of a mute. The keys sort by the end of the mute: to find active ones, the others need not be listed.

    >>> mute_key("device4", 7200.0, "1a2b3c4d")
    'battery-mutes/19700101T020000Z/device4-1a2b3c4d.json'
    """
    return f"{MUTES}{utc(until):%Y%m%dT%H%M%SZ}/{'every-device' if device is None else _safe(device)}-{mute}.json"


def mutes_from(until: float) -> str:
    """The keys of mutes that end at ``until`` or later sort after this."""
    return f"{MUTES}{utc(until):%Y%m%dT%H%M%SZ}"


def _safe(name: str) -> str:
    """A device may have any name. A slash in it must not make a folder, and dots alone must not lead out of one."""
    return quote(name, safe="@:+") if name.strip(".") else name.replace(".", "%2E")
