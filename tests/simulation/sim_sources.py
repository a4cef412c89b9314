"""Streams to which a source is put and asked questions: what `test_source_contract.py` needs of each kind of source.

A new kind of source is one more `Rig`. What a rig cannot do it skips, with its reason.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from random import Random
from typing import Literal, Protocol, TypeVar

import pytest
from emulated import EmulatedTable
from sim_cases import BEGIN, shard
from sim_faults import Clock, Faults
from sim_reader import StreamReader
from sim_script import Write
from sim_script import script as scripted
from sim_stream import SimulatedStream

from consumer.errors import ConfigurationError, Expired, Trimmed, Vanished
from consumer.stream import direct, discovery, ending, page_reader
from consumer.stream import shard as reading
from consumer.stream.client import IteratorType, Listing, Page, Streams
from consumer.stream.direct import DirectSource
from consumer.stream.discovery import Start, StartPoint
from consumer.stream.records import Decoder
from consumer.stream.source import Position, Source
from demo.emulator import Emulator
from window.samples import Names

DAY_S = 86_400.0
Positions = Mapping[str, Position]
Lie = Literal["gone", "expired", "trimmed", "ended", "unnumbered"]
Answer = TypeVar("Answer")


class GrowingStream(Protocol):
    """A stream that begins with one open shard and no records. Records are known by their ``ts``."""

    def put(self, count: int) -> list[float]:
        """Write records into the open shard. Returns their ``ts``."""

    def roll_over(self) -> None:
        """Close the open shard and continue it by a child."""

    def trim(self) -> None:
        """Have the stream forget all records written so far; the open shard stays."""

    def delete(self, shard: str) -> None:
        """Have the stream forget a shard."""


class Rig(Protocol):
    """Makes sources of one kind over a stream, and lets time pass for them."""

    stream: GrowingStream

    def source(self, *, start: Start = "trim_horizon", positions: Positions | None = None) -> Source:
        """A new source, not begun."""

    def wait(self, source: Source) -> None:
        """Let a little time pass, in which the source may read."""

    def rest(self, source: Source) -> None:
        """Let so much time pass that all has come that comes by itself."""

    def quiesce(self, source: Source, timeout_s: float) -> None:
        """`Source.quiesce`; a rig that reads for its source stops too."""

    def put_during_a_call(self) -> float:
        """Have a record written while a call is under way that finds nothing. Returns a time (epoch seconds) after
        which no such call may claim to have been made."""

    def refuse(self, reason: str) -> None:
        """Every call is refused for that reason from now on; with an empty one none is."""

    def lie(self, what: Lie) -> None:
        """The next answer about a shard is not true: it does not exist, an iterator has expired, records are trimmed,
        the shard has ended, a record has no sequence number."""

    def kill_a_reader(self) -> None:
        """A reader meets an error that nobody has foreseen."""

    def hang(self) -> AbstractContextManager[object]:
        """Within it no call is answered."""

    def end(self) -> None:
        """Give up what the rig holds."""


FALSE: Mapping[str, type[Exception]] = {"gone": Vanished, "expired": Expired, "trimmed": Trimmed}


class Calls:
    """Stream calls with a lock around each, and what a test wants to go wrong with them."""

    def __init__(self, calls: Streams) -> None:
        self._calls = calls
        self.lock = threading.RLock()
        self.error: Exception | None = None
        self.lie: Lie | None = None
        self.answering = threading.Event()
        self.answering.set()
        self.after_nothing: Callable[[], object] | None = None

    @property
    def label(self) -> str:
        """As `Streams`."""
        return self._calls.label

    def labels(self) -> list[str]:
        """As `Streams`."""
        return self._call(self._calls.labels)

    def describe(self, after_shard: str | None) -> Listing:
        """As `Streams`."""
        return self._call(lambda: self._calls.describe(after_shard))

    def iterator(self, shard: str, kind: IteratorType, sequence: str | None) -> str:
        """As `Streams`."""
        return self._call(lambda: self._calls.iterator(shard, kind, sequence))

    def records(self, iterator: str, limit: int) -> Page:
        """As `Streams`."""
        page = self._call(lambda: self._lie() or self._calls.records(iterator, limit))
        if not page.records and page.next_iterator is not None and self.after_nothing is not None:
            then, self.after_nothing = self.after_nothing, None
            then()
        return page

    def _lie(self) -> Page | None:
        lie, self.lie = self.lie, None
        if lie in FALSE:
            raise FALSE[lie](f"a lie: {lie}")
        if lie == "unnumbered":
            return Page([{"eventName": "INSERT", "dynamodb": {}}], "an iterator that nobody may use")
        return Page([], None) if lie == "ended" else None

    def _call(self, answer: Callable[[], Answer]) -> Answer:
        self.answering.wait(30.0)
        if self.error is not None:
            raise self.error
        with self.lock:
            return answer()


class SimulatedShards:
    """A `GrowingStream` in memory. Its clock stands still but for writes. ``dated``: its answers say what it is."""

    def __init__(self, *, dated: bool = False) -> None:
        self.clock = Clock(BEGIN)
        self._shards = [shard()]
        self._writes: list[Write] = []
        self._stream = SimulatedStream(scripted(Random(1), [], self._shards), self.clock)
        self.calls = Calls(StreamReader(self._stream, "a", Faults(Random(1), self.clock), dated=dated))

    def put(self, count: int) -> list[float]:
        """See `GrowingStream`. All of it can be read at once."""
        with self.calls.lock:
            times = [self.clock.now + n / 100 for n in range(count)]
            for ts in times:
                key = {"ts": {"N": repr(ts)}}
                image = {**key, "current": {"N": "2.5"}, "temperature": {"N": "25"}}
                self._writes.append(Write(ts, "INSERT", key, image, "scored", 0.0))
            self._grow(count / 100 + 1.0)
            return times

    def roll_over(self) -> None:
        """See `GrowingStream`."""
        with self.calls.lock:
            last, now = self._shards[-1], self.clock.now
            self._shards[-1:] = [replace(last, closed=now), shard(now - BEGIN, parent=last.name)]
            self._grow(1.0)

    def trim(self) -> None:
        """See `GrowingStream`."""
        with self.calls.lock:
            self.clock.advance(DAY_S + 60.0)

    def delete(self, shard: str) -> None:
        """See `GrowingStream`."""
        with self.calls.lock:
            self._stream.shard_deleted[shard] = self.clock.now

    def let_pass(self, seconds: float) -> None:
        """Time passes in the middle of a call."""
        self.clock.advance(seconds)

    def _grow(self, seconds: float) -> None:
        self._stream.script = scripted(Random(1), self._writes, self._shards)
        self._stream._ordered = []
        self.clock.advance(seconds)


class EmulatedShards:
    """A `GrowingStream` over a socket, on the clock of this machine."""

    def __init__(self, emulator: Emulator, table: str) -> None:
        self.clock = time.time
        self._table = EmulatedTable(emulator, table)
        self._last = int(time.time())
        self.calls = Calls(self._table.streams)

    def put(self, count: int) -> list[float]:
        """See `GrowingStream`."""
        found = []
        for _ in range(count):
            self._last += 1
            self._table.put(
                {"ts": {"N": str(self._last)}, "current": {"N": "2.5"}, "temperature": {"N": "25"}},
            )
            found.append(float(self._last))
        return found

    def roll_over(self) -> None:
        """See `GrowingStream`."""
        pytest.skip("a shard of the emulator rolls over after four hours")

    def trim(self) -> None:
        """See `GrowingStream`."""
        pytest.skip("the emulator forgets nothing within a day")

    def delete(self, shard: str) -> None:
        """See `GrowingStream`."""
        pytest.skip("the emulator deletes no single shard")

    def let_pass(self, seconds: float) -> None:
        """Time passes in the middle of a call."""
        time.sleep(seconds / 100)


class Direct:
    """What all rigs of `DirectSource` have in common."""

    threads = 0
    monotonic: Callable[[], float] = staticmethod(time.monotonic)

    def __init__(self, stream: SimulatedShards | EmulatedShards) -> None:
        self.stream = stream
        self._sources: list[DirectSource] = []

    def source(self, *, start: Start = "trim_horizon", positions: Positions | None = None) -> DirectSource:
        """See `Rig`."""
        decoder = Decoder(table="device4", device_key="device", devices=Names(), shards=Names())
        made = DirectSource(
            self.stream.calls,
            decoder,
            StartPoint(positions or {}, start),
            clock=self.stream.clock,
            monotonic=self.monotonic,
            threads=self.threads,
        )
        self._sources.append(made)
        return made

    def quiesce(self, source: Source, timeout_s: float) -> None:
        """See `Rig`."""
        source.quiesce(timeout_s)

    def put_during_a_call(self) -> float:
        """See `Rig`."""

        def put() -> None:
            self.stream.let_pass(5.0)
            written.append(self.stream.clock())
            self.stream.put(1)
            done.set()

        written: list[float] = []
        done = threading.Event()
        self.stream.calls.after_nothing = put
        (source,) = self._sources
        while not done.is_set():
            self.wait(source)
        return written[0]

    def refuse(self, reason: str) -> None:
        """See `Rig`."""
        self.stream.calls.error = ConfigurationError(reason) if reason else None

    def lie(self, what: Lie) -> None:
        """See `Rig`."""
        self.stream.calls.lie = what

    def end(self) -> None:
        """See `Rig`."""
        self.stream.calls.error = None
        for source in self._sources:
            self.quiesce(source, 5.0)

    def wait(self, source: Source) -> None:
        """See `Rig`."""
        raise NotImplementedError


class Stepped(Direct):
    """`DirectSource` without threads, stepped on a clock of its own."""

    def __init__(self, stream: SimulatedShards) -> None:
        self.monotonic = stream.clock
        super().__init__(stream)
        self._now = 0.0
        self._stopped: list[Source] = []

    def wait(self, source: Source) -> None:
        """See `Rig`."""
        self._run(source, 1.0)

    def rest(self, source: Source) -> None:
        """See `Rig`."""
        self._run(source, 60.0)

    def quiesce(self, source: Source, timeout_s: float) -> None:
        """See `Rig`."""
        source.quiesce(timeout_s)
        self._stopped.append(source)

    def kill_a_reader(self) -> None:
        """See `Rig`."""
        pytest.skip("stepped by hand, the source has no reader that could die")

    def hang(self) -> AbstractContextManager[object]:
        """See `Rig`."""
        pytest.skip("stepped by hand, the source has no reader that could hang")

    def _run(self, source: Source, seconds: float) -> None:
        assert isinstance(source, DirectSource)
        end = self._now + seconds
        while self._now < end and source not in self._stopped:
            self._now = max(self._now, source.step(self._now))


class Threaded(Direct):
    """`DirectSource` with its threads."""

    threads = 2

    def wait(self, source: Source) -> None:
        """See `Rig`."""
        time.sleep(0.01)

    def rest(self, source: Source) -> None:
        """See `Rig`. `quick` has made all of a source's pauses much shorter."""
        time.sleep(0.3)

    def kill_a_reader(self) -> None:
        """See `Rig`."""
        self.stream.calls.error = RuntimeError("a bug")

    @contextmanager
    def hang(self) -> Iterator[None]:
        """See `Rig`."""
        self.stream.calls.answering.clear()
        time.sleep(0.1)  # by then every reader is in a call
        try:
            yield
        finally:
            self.stream.calls.answering.set()


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the pauses of a source with threads short."""
    for module, name, seconds in (
        (direct, "POLL_S", 0.005),
        (page_reader, "POLL_S", 0.005),
        (page_reader, "RETRY_TO_S", 0.05),
        (page_reader, "BEHIND_GAP_S", 0.05),
        (reading, "RETRY_FROM_S", 0.005),
        (reading, "RETRY_TO_S", 0.05),
        (reading, "TRIMMED_FOR_S", 0.2),
        (ending, "MISSING_FOR_S", 0.2),
        (direct, "DISCOVER_S", 0.05),
        (discovery, "DISCOVER_S", 0.05),
        (discovery, "EAGER_S", 0.01),
    ):
        monkeypatch.setattr(module, name, seconds)
