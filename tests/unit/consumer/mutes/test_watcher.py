"""Looking for mutes beside the loop."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumer.mutes import watcher as mute_reader
from consumer.mutes.store import MuteStore
from consumer.mutes.watcher import KEPT_S, MuteReader
from reporting.mutes import Mute, Mutes

NOW = 1_784_989_500.0


class Bench:
    """A reader over a bucket, its clock, and what it logged."""

    def __init__(self, s3: Any) -> None:
        self.s3 = s3
        self.now = NOW
        self.store = MuteStore(s3, "b")
        self.reader = MuteReader(self.store, clock=lambda: self.now)

    def look(self) -> list[str]:
        """Look once; the events logged."""
        with capture_logs() as logged:
            self.reader.look()
        return [entry["event"] for entry in logged]

    def mute(self, name: str, seconds: float, device: str | None = "d") -> str:
        return self.store.put(Mute(name, device, NOW - 10, NOW + seconds, "swap", "ann"))


@pytest.fixture
def bench(s3: Any) -> Bench:
    """Nothing is muted."""
    return Bench(s3)


def test_a_mute_is_said_when_it_begins_and_when_it_ends(bench: Bench) -> None:
    """And how many there are at the start."""
    bench.mute("m1", 60)
    assert bench.look() == ["mutes in force", "muted from now on"]
    assert bench.look() == []
    bench.now += 61
    assert bench.look() == ["mute ended"]


def test_a_mute_taken_back_is_said(bench: Bench) -> None:
    """And is none any more."""
    assert bench.look() == ["mutes in force"]
    key = bench.mute("m1", 60)
    assert bench.look() == ["muted from now on"]
    assert len(bench.reader.current) == 1
    bench.store.delete(key)
    assert bench.look() == ["mute taken back"]
    assert len(bench.reader.current) == 0


def test_what_has_ended_still_counts_for_records_of_that_time(bench: Bench) -> None:
    """A worker that was down reads them now; after a week nobody does."""
    bench.mute("m1", 60)
    bench.look()
    bench.now += 3600
    bench.look()
    assert bench.reader.current.covers("d", NOW) is not None
    bench.now += KEPT_S
    bench.look()
    assert len(bench.reader.current) == 0


def test_the_lanes_see_another_object_only_when_something_changed(bench: Bench) -> None:
    """They ask in every turn."""
    bench.mute("m1", 60)
    bench.look()
    before = bench.reader.current
    bench.look()
    assert bench.reader.current is before


@pytest.mark.parametrize("fault", ["refused", "a bug"])
def test_while_the_bucket_cannot_be_read_those_known_stay(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Until their ends, which is said, as is the fault, once each."""
    bench.mute("m1", 60)
    bench.look()

    def broken(_: str) -> Any:
        raise bench.s3.error("ListObjectsV2", 503, "SlowDown") if fault == "refused" else ValueError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(bench.s3, "get_paginator", broken)
        (said,) = bench.look()
        assert "those known stay in force" in said
        assert bench.reader.current.covers("d", NOW) is not None
        bench.now += 61
        assert "mute ended" in bench.look()
        assert bench.reader.current.covers("d", bench.now) is None
    assert bench.look() == ["the mutes can be read again"]


def test_what_is_no_mute_is_said_once(bench: Bench) -> None:
    """It mutes nothing, and the others do."""
    bench.s3.put_object(Bucket="b", Key="battery-mutes/x.json", Body=b"{", ContentType="application/json")
    bench.mute("m1", 60)
    assert bench.look() == ["this is no mute, and mutes nothing", "mutes in force", "muted from now on"]
    assert bench.look() == []
    assert len(bench.reader.current) == 1


def test_the_first_look_is_waited_for(bench: Bench) -> None:
    """So that a restarted worker knows what is muted before its first record."""
    bench.mute("m1", 60)
    bench.reader.begin()
    try:
        assert len(bench.reader.current) == 1
    finally:
        bench.reader.stop()


def test_it_looks_again_and_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is muted while the worker runs is known at the next look."""
    monkeypatch.setattr(mute_reader, "LOOK_EVERY_S", 0.01)
    bench.reader.begin()
    bench.mute("m1", 60)
    deadline = time.monotonic() + 10
    while not len(bench.reader.current) and time.monotonic() < deadline:
        bench.reader._stop.wait(0.01)
    bench.reader.stop()
    assert [mute.id for mute in bench.reader.current] == ["m1"]


def test_a_bucket_that_hangs_holds_up_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker begins, and says that it does not know."""
    released = threading.Event()
    monkeypatch.setattr(mute_reader, "FIRST_LOOK_S", 0.01)
    monkeypatch.setattr(bench.store, "read", lambda *_: released.wait(10) and {})
    with capture_logs() as logged:
        bench.reader.begin()
        assert [entry["event"] for entry in logged] == ["the mutes are not known yet: until then everything is told"]
    assert list(bench.reader.current) == list(Mutes())
    bench.reader.stop()
    released.set()
