"""What outlives every host: the streams of one table, the table, bucket and topic; and what a host is run with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from sim_bucket import Bucket
from sim_clocks import TRUE, ClockFault
from sim_faults import Clock, Faults
from sim_pace import Pace
from sim_stream import SimulatedStream
from sim_table import Table
from sim_topic import Subscriber
from sim_witness import Witness

from consumer.mutes.watcher import KnownMutes
from consumer.state.ownership import Watch
from consumer.stream.discovery import Start
from reporting.message import Publish
from scoring.bundle import Bundle, BundleError

BUCKET = "results"


@dataclass(slots=True)
class Edges:
    """What outlives every host. ``streams``: the oldest first."""

    streams: Sequence[SimulatedStream]
    table: Table
    bucket: Bucket = field(default_factory=Bucket)
    subscriber: Subscriber = field(default_factory=Subscriber)
    mutes: KnownMutes | None = None
    publish: Publish = "both"
    witness: Witness | None = None

    @property
    def stream(self) -> SimulatedStream:
        """The newest stream: the one that DescribeTable names as the latest."""
        return [stream for stream in self.streams if stream.exists or stream is self.streams[0]][-1]


@dataclass(frozen=True, slots=True)
class Run:
    """What a host is run with. ``clock``: true time."""

    clock: Clock
    faults: Faults
    rng: Random
    pace: Callable[[], Pace]
    """How it works at the moment."""
    start: Start
    namespace: str
    lies_there: Callable[[], Bundle | BundleError]
    """What the host's MODEL_DIR holds: a bundle, or what is wrong with it."""
    clocks: ClockFault = TRUE
    """What is wrong with its clocks."""
    watch: Watch = field(default_factory=Watch)
    """What a process that stands by has seen of the owner: it is started again for every look."""
