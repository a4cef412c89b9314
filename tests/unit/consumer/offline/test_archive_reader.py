"""The archive's line of a message, by its id or by its place, in a bucket in memory."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from consumer.errors import ConfigurationError
from consumer.offline.archive_reader import ArchiveReader
from reporting.anomaly.publication import event_id
from reporting.contract.source import EventSource
from reporting.keys import chart_key, minute_key
from reporting.sinks.archive import StoredObject

SOURCE = "urn:battery-watch:t"
T = 1_784_989_500.0


@pytest.fixture
def archive(s3: Any) -> ArchiveReader:
    """Reads the bucket, in which two devices have a line each half minute of an hour."""
    lines: dict[str, list[bytes]] = {}
    for device in ("a", "rack/7"):
        for n in range(120):
            ts = T + 30 * n
            line = orjson.dumps({"device": device, "ts": ts, "model": "bw-x"}, option=orjson.OPT_APPEND_NEWLINE)
            lines.setdefault(minute_key(device, ts), []).append(line)
    for key, each in lines.items():
        put(s3, StoredObject(key, b"".join(each)))
    session: Any = SimpleNamespace(client=lambda *_, **__: s3)
    return ArchiveReader(session, "b")


def put(s3: Any, item: StoredObject) -> None:
    s3.put_object(Bucket="b", Key=item.key, Body=item.body, ContentType=item.content_type)


def looked_for(archive: ArchiveReader, whose: str, ts: float, **more: Any) -> tuple[Any, int, int]:
    """What the id of a sample's message finds, and how much was looked at."""
    steps: list[tuple[int, int]] = []
    asked = {"device": None, "since": T, "until": T + 3600, **more}
    found = archive.search(
        event_id(SOURCE, whose, ts, "bw-x"), [SOURCE], progress=lambda *step: steps.append(step), **asked
    )
    assert steps == sorted(steps)
    assert all(done == total for done, total in steps[-1:] if found.line or done == found.objects)
    return found.line and found.line.content, found.devices, found.objects


def test_an_id_finds_its_line_among_all_devices(archive: ArchiveReader) -> None:
    """Also of a device whose name is no folder's; the newest minutes are looked at first."""
    line, devices, objects = looked_for(archive, "rack/7", T + 30)
    assert line == {"device": "rack/7", "ts": T + 30, "model": "bw-x"}
    assert (devices, objects) == (2, 120)
    assert looked_for(archive, "a", T + 3570)[2] <= 16


def test_one_device_and_an_interval_bound_the_search(archive: ArchiveReader, s3: Any) -> None:
    """Both ends' minutes are looked at; nobody else's, and none before or after."""
    interval = {"since": T + 600, "until": T + 1200}
    assert looked_for(archive, "a", T + 600, device="a", **interval)[0]["ts"] == T + 600
    assert looked_for(archive, "a", T + 1200, device="a", **interval)[0]["ts"] == T + 1200
    s3.calls.clear()
    assert looked_for(archive, "a", T + 1290, device="a", **interval) == (None, 1, 11)
    assert {key for operation, key in s3.calls if operation == "get"} == {
        minute_key("a", T + 600 + 60 * n) for n in range(11)
    }
    assert looked_for(archive, "rack/7", T + 600, device="a", **interval)[0] is None


def test_an_id_of_another_table_or_bundle_finds_nothing(archive: ArchiveReader) -> None:
    """It is made of both."""
    for event in (event_id("urn:battery-watch:u", "a", T, "bw-x"), event_id(SOURCE, "a", T, "bw-y")):
        found = archive.search(event, [SOURCE], device=None, since=T, until=T + 3600, progress=lambda *_: None)
        assert (found.line, found.objects) == (None, 120)


def test_an_id_is_found_by_any_source_that_the_table_has_had(archive: ArchiveReader) -> None:
    """Ids of before an upgrade are made of another source."""
    source = EventSource("t", "123456789012", "eu-central-1")
    assert source.forms == (str(source), SOURCE)
    for form in source.forms:
        event = event_id(form, "a", T, "bw-x")
        found = archive.search(event, source.forms, device="a", since=T, until=T + 60, progress=lambda *_: None)
        assert found.line is not None


def test_a_message_leads_to_its_line_at_once(archive: ArchiveReader, s3: Any) -> None:
    """One object is read; there may be none, or it may have the sample no more."""
    s3.calls.clear()
    line = archive.at("rack/7", T + 30)
    assert line is not None
    assert line.key == minute_key("rack/7", T)
    assert line.content["ts"] == T + 30
    assert archive.at("rack/7", T + 31) is None
    assert archive.at("b", T) is None
    assert [operation for operation, _ in s3.calls] == ["get"] * 3


def test_the_chart_is_the_first_that_shows_the_sample(archive: ArchiveReader, s3: Any) -> None:
    """A chart shows 25 minutes up to its own time."""
    for at in (T - 1, T + 300, T + 600):
        put(s3, StoredObject(chart_key("reports", "rack/7", at), b"png"))
    for ts, at in ((T - 0.5, T - 1), (T, T + 300), (T + 300.75, T + 300), (T - 1200, T - 1)):
        assert archive.chart("reports", "rack/7", ts) == chart_key("reports", "rack/7", at)
    assert archive.chart("reports", "rack/7", T - 1502) is None
    assert archive.chart("reports", "rack/7", T + 601) is None
    assert archive.chart("reports", "other", T) is None


def test_an_interval_is_read_minute_by_minute(archive: ArchiveReader, s3: Any) -> None:
    """The devices' lines of a minute together, the oldest minute first; only the hours asked for are listed."""
    since, until = T + 600, T + 900  # 14:35 to 14:40 UTC
    s3.calls.clear()
    keys = archive.minutes((), since, until, lambda *_: None)
    assert {key for operation, key in s3.calls if operation == "list"} == {
        "battery-events/",
        "battery-events/device=a/dt=2026-07-25/hour=14/",
        "battery-events/device=rack%2F7/dt=2026-07-25/hour=14/",
    }
    assert keys == [minute_key(device, T + 60 * n) for n in range(10, 16) for device in ("a", "rack/7")]
    minutes = [[(line.content["device"], line.content["ts"]) for line in each] for each in archive.read(keys, told)]
    assert minutes == [
        [(device, T + 60 * n + half) for device in ("a", "rack/7") for half in (0, 30)] for n in range(10, 16)
    ]


def test_named_devices_are_read_without_a_listing_of_all(archive: ArchiveReader, s3: Any) -> None:
    """Over the turn of an hour; one that has nothing has no minutes."""
    s3.calls.clear()
    keys = archive.minutes(("rack/7", "nobody"), T + 1800, T + 2400, lambda *_: None)
    assert keys == [minute_key("rack/7", T + 60 * n) for n in range(30, 41)]
    assert sorted(key.split("/", 2)[1:] for operation, key in s3.calls if operation == "list") == [
        ["device=nobody", "dt=2026-07-25/hour=14/"],
        ["device=nobody", "dt=2026-07-25/hour=15/"],
        ["device=rack%2F7", "dt=2026-07-25/hour=14/"],
        ["device=rack%2F7", "dt=2026-07-25/hour=15/"],
    ]


def told(done: int, total: int) -> None:
    """Progress within bounds."""
    assert 0 < done <= total


def test_a_bucket_that_refuses_is_said(archive: ArchiveReader, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to look at."""

    def refuse(**_: Any) -> Any:
        raise s3.error("GetObject", 403, "AccessDenied")

    monkeypatch.setattr(s3, "get_object", refuse)
    with pytest.raises(ConfigurationError, match=r"bucket 'b': access denied \(AccessDenied\). Check RESULTS_BUCKET"):
        archive.at("a", T)
