"""Where everything lies in the bucket."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reporting.keys import chart_key, device_prefix, hours_in, ledger_key, minute_key, minute_of, quarantine_key

T = 1_784_989_507.25  # 2026-07-25 14:25:07.25 UTC

NAMES = [
    ("device4", "device4"),
    ("rack/7", "rack%2F7"),
    ("cell 12", "cell%2012"),
    ("Zelle-ä", "Zelle-%C3%A4"),
    ("电池", "%E7%94%B5%E6%B1%A0"),
    ("a.b", "a.b"),
    (".", "%2E"),
    ("..", "%2E%2E"),
    (" ", "%20"),
    ("a=b&c?d#e", "a%3Db%26c%3Fd%23e"),
    ("100%", "100%25"),
    ("line\nbreak", "line%0Abreak"),
    ("urn:battery:7@lab+2", "urn:battery:7@lab+2"),
]


@pytest.mark.parametrize(("device", "safe"), NAMES)
def test_a_device_may_be_called_anything(device: str, safe: str) -> None:
    """No name makes a folder or climbs out of one."""
    assert minute_key(device, T) == f"battery-events/device={safe}/dt=2026-07-25/hour=14/1425.ndjson"
    assert chart_key("battery-reports", device, T) == f"battery-reports/{safe}/20260725T142507Z.png"


@settings(deadline=None, max_examples=200)
@given(st.text(min_size=1, max_size=40), st.floats(0, 4e9))
@example("..", 0.0)
def test_no_two_devices_share_a_key(device: str, ts: float) -> None:
    """The name can be read back, lies in one path segment, and is nothing a path would swallow."""
    for key, place in ((minute_key(device, ts), 1), (chart_key("p", device, ts), 1)):
        segment = key.split("/")[place].removeprefix("device=")
        assert unquote(segment) == device
        assert re.fullmatch(r"[A-Za-z0-9_.~@:+%-]+", segment)
        assert segment not in (".", "..")
    assert len(minute_key(device, ts).split("/")) == 5
    assert len(chart_key("p", device, ts).split("/")) == 3


@pytest.mark.parametrize(
    ("ts", "minute"), [(0.0, 0), (59.999, 0), (60.0, 60), (119.0, 60), (-0.5, -60), (1e9 + 0.5, 999_999_960)]
)
def test_a_minute_begins_at_or_before_its_samples(ts: float, minute: int) -> None:
    """Whole minutes of event time."""
    assert minute_of(ts) == minute
    assert minute_key("d", ts) == minute_key("d", minute)


def test_the_hour_and_the_day_turn_together() -> None:
    """At midnight UTC, whatever the zone of the machine."""
    assert minute_key("d", 86_399.9) == "battery-events/device=d/dt=1970-01-01/hour=23/2359.ndjson"
    assert minute_key("d", 86_400.0) == "battery-events/device=d/dt=1970-01-02/hour=00/0000.ndjson"


def test_a_record_set_aside_and_the_books_have_keys_without_a_clock() -> None:
    """Both go by the day of creation, so a replay finds the same object."""
    assert quarantine_key(T, "shardId-0001-a", "4200") == "battery-quarantine/dt=2026-07-25/shardId-0001-a-4200.json"
    assert ledger_key("2026-07-25", "table") == "battery-ledger/2026-07-25/table.json"
    assert ledger_key("2026-07-25", "shard/1") == "battery-ledger/2026-07-25/shard%2F1.json"


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 60 * 24 * 90), st.integers(0, 60 * 24 * 20), st.integers(-3600, 60 * 24 * 20 + 3600))
def test_an_hour_that_was_asked_for_is_listed_once(start: int, length: int, probe: int) -> None:
    """By itself or with its day; no other hour is. All in minutes."""
    prefixes = list(hours_in(device_prefix("d"), start * 60.0, (start + length) * 60.0))
    at = max(0, start + probe)
    asked = start // 60 <= at // 60 <= (start + length) // 60
    assert sum(minute_key("d", at * 60.0).startswith(prefix) for prefix in prefixes) == asked
    assert len(prefixes) <= 46 + length // 1440
