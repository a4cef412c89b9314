"""Mutes as objects in the bucket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from consumer.errors import Retry
from consumer.mutes import store as mute_store
from consumer.mutes.store import MuteStore
from reporting.mutes import Mute

DAY_S = 86_400.0
NOW = 1_784_989_500.0  # 2026-07-25 14:25:00 UTC
MUTE = Mute("1a2b3c4d", "rack/7 ä", NOW, NOW + 2 * 3600, "new fan", "ann@desk", health=True)
KEY = "battery-mutes/20260725T162500Z/rack%2F7%20%C3%A4-1a2b3c4d.json"
WRITTEN = {"device": "d", "since": "2026-07-25T14:00:00Z", "until": "2026-07-25T18:00:00+02:00"}


@pytest.fixture
def store(s3: Any) -> MuteStore:
    """Over an empty bucket."""
    return MuteStore(s3, "b")


def by_hand(s3: Any, key: str = "battery-mutes/20260725T160000Z/d-x.json", **change: Any) -> None:
    """An object as a person may write it; None leaves a field out."""
    whole = {**WRITTEN, "reason": "swap", "by": "ann", **change}
    body = json.dumps({k: v for k, v in whole.items() if v != "absent"}).encode()
    s3.put_object(Bucket="b", Key=key, Body=body, ContentType="application/json")


def test_a_mute_is_read_as_it_was_written(s3: Any, store: MuteStore) -> None:
    """Its object can be read by people too."""
    assert store.put(MUTE) == KEY
    assert json.loads(s3.objects[KEY].body) == {
        "device": "rack/7 ä",
        "since": "2026-07-25T14:25:00Z",
        "until": "2026-07-25T16:25:00Z",
        "reason": "new fan",
        "by": "ann@desk",
        "health": True,
    }
    assert [found.mute for found in store.read(NOW).values()] == [MUTE]


def test_a_mute_of_every_device_says_null(s3: Any, store: MuteStore) -> None:
    """A field left out is a mistake, not every device."""
    store.put(Mute("m", None, NOW, NOW + 60, "drill", "ann"))
    assert [found.mute and found.mute.device for found in store.read(NOW).values()] == [None]
    assert next(iter(s3.objects)) == "battery-mutes/20260725T142600Z/every-device-m.json"


def test_those_that_ended_long_ago_are_not_even_listed(s3: Any, store: MuteStore) -> None:
    """However many there are: keys sort by their ends."""
    for day in range(5):
        store.put(Mute(f"m{day}", "d", NOW - 10 * DAY_S, NOW - day * DAY_S, "swap", "ann"))
    assert sorted(found.id for found in store.read(NOW - 1.5 * DAY_S).values()) == ["m0", "m1"]


def test_what_is_known_is_not_read_again(s3: Any, store: MuteStore) -> None:
    """Unless it has changed; what was taken back is gone."""
    by_hand(s3)
    store.put(MUTE)
    known = store.read(NOW)
    s3.calls.clear()
    assert store.read(NOW, known) == known
    assert [name for name, _ in s3.calls] == ["list"]
    by_hand(s3, reason="another swap")
    store.delete(KEY)
    assert [found.mute and found.mute.reason for found in store.read(NOW, known).values()] == ["another swap"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"until": "absent"}, "until Field required"),
        ({"until": None}, "until"),
        ({"until": "2026-07-25T16:00:00"}, "until"),
        ({"until": "2026-07-25T13:00:00Z"}, "it ends before it begins"),
        ({"until": "9999-01-01T00:00:00Z"}, "more than 366 days"),
        ({"device": "absent"}, "device Field required"),
        ({"device": ""}, "device"),
        ({"reason": " "}, "reason"),
        ({"by": "absent"}, "by Field required"),
        ({"for_ever": True}, "for_ever"),
    ],
)
def test_what_is_no_mute_says_why(s3: Any, store: MuteStore, change: dict[str, Any], fault: str) -> None:
    """And the others are read all the same."""
    by_hand(s3, **change)
    store.put(MUTE)
    broken, fine = store.read(NOW).values()
    assert broken.mute is None
    assert fault in broken.fault
    assert (broken.id, fine.mute) == ("x", MUTE)


def test_a_zone_is_a_zone(s3: Any, store: MuteStore) -> None:
    """A person writes the time of the place."""
    by_hand(s3)
    (found,) = store.read(NOW).values()
    assert found.mute is not None
    assert (found.mute.since, found.mute.until) == (NOW - 25 * 60, NOW + 95 * 60)


def test_so_many_are_read_and_no_more(s3: Any, store: MuteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that end first."""
    monkeypatch.setattr(mute_store, "MOST", 3)
    for n in range(7):
        store.put(Mute(f"m{n}", "d", NOW, NOW + 60 * (n + 1), "swap", "ann"))
    assert [found.id for found in store.read(NOW).values()] == ["m0", "m1", "m2"]


def test_one_taken_back_between_listing_and_reading_is_gone(
    s3: Any, store: MuteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is no fault."""
    store.put(MUTE)

    def gone(**_: Any) -> Any:
        raise s3.error("GetObject", 404, "NoSuchKey")

    monkeypatch.setattr(s3, "get_object", gone)
    assert store.read(NOW) == {}


@pytest.mark.parametrize("call", ["get_paginator", "get_object", "put_object", "delete_object"])
def test_a_bucket_that_refuses_is_told(s3: Any, store: MuteStore, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """Which call on which key."""
    store.put(MUTE)

    def forbidden(*_: Any, **__: Any) -> Any:
        raise s3.error(call, 403, "AccessDenied")

    monkeypatch.setattr(s3, call, forbidden)
    with pytest.raises(Retry, match=r"s3://b/battery-mutes/.*AccessDenied"):
        {"put_object": lambda: store.put(MUTE), "delete_object": lambda: store.delete(KEY)}.get(
            call, lambda: store.read(NOW)
        )()
