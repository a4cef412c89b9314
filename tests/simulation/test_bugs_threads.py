"""Published bug 19: a stop in the middle of a listing, with the source's real threads."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from sim_cases import BEGIN, charge, shard, stream
from sim_faults import Clock, Faults
from sim_reader import StreamReader
from sim_script import Script
from sim_stream import SimulatedStream, Weather

from consumer.stream import discovery, page_reader
from consumer.stream.client import Listing
from consumer.stream.direct import DirectSource
from consumer.stream.discovery import StartPoint
from consumer.stream.records import Decoder
from consumer.stream.source import Event, Failed, Position, ShardBatch, ShardEnded, ShardOpened
from window.samples import Names


@dataclass(slots=True)
class Interrupted:
    """The stream calls, which wait for the stop to begin in the middle of one listing."""

    calls: StreamReader
    listing: int
    reached: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)
    listed: int = 0

    def describe(self, after_shard: str | None) -> Listing:
        self.listed += 1
        page = self.calls.describe(after_shard)
        if self.listed == self.listing:
            self.reached.set()
            self.stopping.wait(5.0)
        return page

    def __getattr__(self, name: str) -> Any:
        return getattr(self.calls, name)


def source_of(streams: Any, positions: dict[str, Position], clock: Clock, threads: int) -> DirectSource:
    """A source that begins at these positions, or with all that the stream keeps."""
    decoder = Decoder(table="device4", device_key="device", devices=Names(), shards=Names())
    return DirectSource(streams, decoder, StartPoint(positions, "trim_horizon"), clock=clock, threads=threads)


def allow(source: DirectSource, events: list[Event]) -> list[Event]:
    """Give credit to the shards that were opened; returns the events."""
    for event in events:
        if isinstance(event, ShardOpened):
            source.credit(event.shard, event.epoch, 1000)
    return events


def reached(events: list[Event]) -> dict[str, Position]:
    """How far these events go, by shard."""
    found: dict[str, Position] = {}
    for event in events:
        match event:
            case ShardOpened():
                found.setdefault(event.shard, Position(None))
            case ShardBatch() if len(event.sequence):
                found[event.shard] = Position(str(event.sequence[-1]))
            case ShardEnded():
                found[event.shard] = Position(found[event.shard].sequence, ended=True)
    return found


def test_bug_19_stopped_in_the_middle_of_a_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand seeds, with threads: credit is given and the source stopped while another thread changes the map of
    shards. No reader dies of it or stays behind, and whoever goes on from what was delivered reads the rest, once."""
    monkeypatch.setattr(page_reader, "POLL_S", 0.001)
    monkeypatch.setattr(discovery, "EAGER_S", 0.001)
    shards = [
        each
        for low in (0.0, 0.5)
        for first in [shard(-60.0, 10.0, low=low, high=low + 0.5)]
        for each in (first, shard(10.0, parent=first.name, low=low, high=low + 0.5))
    ]
    script = stream(charge(1.0, 20.0), shards)
    for seed in range(1000):
        rng, clock = Random(seed), Clock(BEGIN + 60.0)
        weather = Weather(page_shards=rng.choice([1, 2, 3]), short_pages=rng.choice([0.0, 0.5]))
        twin = SimulatedStream(script, clock, weather, seed)
        faults = Faults(rng, clock)
        calls = Interrupted(StreamReader(twin, "first", faults), rng.randrange(1, 8))
        source = source_of(calls, {}, clock, threads=2)
        source.begin()
        events: list[Event] = []
        while not calls.reached.is_set():
            events += allow(source, source.poll(0.001))
        calls.stopping.set()
        source.quiesce(5.0)
        assert not any(thread.name.startswith("reader") for thread in threading.enumerate()), f"seed {seed}"
        assert not any(isinstance(event, Failed) for event in [*events, *source.poll(0.0)]), f"seed {seed}"
        events += all_of(source_of(StreamReader(twin, "second", faults), reached(events), clock, threads=0))
        check_complete(script, events, seed)


def all_of(source: DirectSource) -> list[Event]:
    """All that a source delivers until nothing more comes."""
    events: list[Event] = []
    now, quiet = 0.0, 0
    for _ in range(400):
        if quiet >= 12:
            return events
        wake = source.step(now)
        found = allow(source, source.poll(0.0))
        events += found
        empty = all(isinstance(event, ShardBatch) and not len(event.samples) for event in found)
        quiet = quiet + 1 if empty and events else 0
        now = max(wake, now + 0.02)
    raise AssertionError("it does not come to an end")


def check_complete(script: Script, events: list[Event], seed: int) -> None:
    """Every record once, in order; no child before its parent's end."""
    read: dict[str, list[int]] = {s.name: [] for s in script.shards}
    done: set[str] = set()
    for event in events:
        if isinstance(event, ShardBatch):
            read[event.shard] += [int(s) for s in event.sequence]
        elif isinstance(event, ShardEnded):
            done.add(event.shard)
        elif isinstance(event, ShardOpened):
            parent = script.by_name[event.shard].parent
            assert parent is None or parent in done, f"seed {seed}"
    assert read == {s.name: [*s.sequences] for s in script.shards}, f"seed {seed}"
