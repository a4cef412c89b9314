"""The head of a lane: all that a successor needs to continue, in one JSON object that a person can read at 3 a.m.

The values of its fields are defined here too. Other rooms compute them. The names of all fields are stored: a renamed
field makes the heads of older versions unreadable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from consumer.state import head_format
from consumer.state.formats import FORMAT, lift
from consumer.version import VERSION
from reporting.anomaly.episode import Episode
from reporting.health.notice import Notice
from reporting.health.state import DeviceHealth
from reporting.message import Message

PREFIX = "backfill-"
Counts = dict[str, int]


@dataclass(frozen=True, slots=True)
class ActiveBundle:
    """A bundle by its id, and since when it is active: event time, epoch seconds, None for the first. ``own``: the same
    for each device with a wrong clock, on that clock."""

    bundle: str
    since: float | None = None
    own: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gap:
    """Records with a stamp between ``since`` and ``until`` (epoch seconds) are not in the stream. ``until`` is None
    until the stream has resumed. ``name``: the lineage that delivers them from the table; ``shards``: those that lost
    them; ``found``: new samples that the table had; ``closed``: all was processed, but the stored windows do not have
    it yet. ``known_to``: all up to there was committed before, so it is read for the windows alone and not reported."""

    name: str
    since: float
    reason: str
    declared: float
    until: float | None = None
    found: int = 0
    shards: tuple[str, ...] = ()
    closed: bool = False
    known_to: float | None = None

    @property
    def silent(self) -> bool:
        """True if the stream resumes before anything new is missing. Then nothing is reported."""
        return self.known_to is not None and self.until is not None and self.until <= self.known_to + 1.0

    @property
    def begins(self) -> float:
        """The stamp from which new records are missing."""
        return self.since if self.known_to is None else max(self.since, self.known_to)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A bundle that cannot be used: its id, or its place if it has none, and the reason."""

    bundle: str
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal that was reported, and when (epoch seconds)."""

    since: float
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Suppressed:
    """The muted messages of an episode: the time of the first, epoch seconds, and how many.

    ``unopened``: its opening was muted, so no subscriber knows the episode.
    """

    since: float
    count: int = 0
    unopened: bool = False

    def and_one(self, at: float, *, unopened: bool = False) -> Suppressed:
        """With one more muted message."""
        return Suppressed(min(self.since, at), self.count + 1, unopened)


@dataclass(frozen=True, slots=True)
class Storm:
    """Equal notices of many devices since ``begin`` (a stamp). ``first``: the device whose notice left at once, None if
    none did. ``devices``: those whose notices wait to leave as one message, ``notice``: what it will say."""

    type: str
    state: str
    begin: float
    first: str | None = None
    devices: tuple[str, ...] = ()
    notice: Notice | None = None


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ShardPosition(_Part):
    """Committed up to ``sequence``; ``stamp``: that record's (rule 3). ``after``: the records
    behind it that are committed, as runs (rule 23): ``470: w5 d2`` says that from sequence number 470 on five records
    are not, the next two are. ``since``: nothing was
    read yet, and records written before it (epoch seconds) are skipped. ``ended_at``: when the shard was read to its
    end. ``idle``: up to this stamp the shard is proven to have no more records."""

    sequence: str | None = None
    after: str = ""
    since: float | None = None
    stamp: float | None = None
    idle: float | None = None
    ended: bool = False
    ended_at: float | None = None


class Outbox(_Part):
    """What this commit promises: a successor publishes the same bytes again. ``minutes``: (device, epoch seconds)."""

    messages: list[Message] = Field(default_factory=list)
    minutes: list[tuple[str, int]] = Field(default_factory=list)


class Head(_Part):
    """One commit of a lane. Times are epoch seconds."""

    format: int = FORMAT
    version: str = VERSION
    """The version of the product that wrote it."""
    lane: str
    owner: str
    started: float = 0.0
    """When its first owner began."""
    epoch: int = 1
    """Counts owners, as ``commit`` counts commits."""
    commit: int = 0
    heartbeat: float = 0.0
    beat: int = 0
    """Counts the writes of the head by one owner."""
    released: bool = False
    bundle: str
    """The latest of ``bundles``, which are in order, oldest first."""
    bundles: list[ActiveBundle] = Field(default_factory=list)
    watermark: float | None = None
    newest: float | None = None
    """The latest ``ts`` scored of a device whose clock is not known to be wrong."""
    positions: dict[str, ShardPosition] = Field(default_factory=dict)
    episodes: dict[str, list[Episode]] = Field(default_factory=dict)
    health: dict[str, DeviceHealth] = Field(default_factory=dict)
    gaps: list[Gap] = Field(default_factory=list)
    filled: list[tuple[float, float]] = Field(default_factory=list)
    ledger: dict[str, dict[str, Counts]] = Field(default_factory=dict)
    """By day and device."""
    untold: dict[str, Suppressed] = Field(default_factory=dict)
    """By episode: suppressed messages, published in one after the mute. ``held``: deferred notices, likewise."""
    held: list[Notice] = Field(default_factory=list)
    storms: list[Storm] = Field(default_factory=list)
    undelivered: list[str] = Field(default_factory=list)
    """Ids of episodes whose messages are set aside (rule 29)."""
    forced: int = 0
    quarantined: dict[str, tuple[int, int]] = Field(default_factory=dict)
    """By shard: an hour, and how many records of it were quarantined."""
    delays: dict[str, list[int]] = Field(default_factory=dict)
    """By device whose samples come late as a rule: see `window.reorder.Reorder.delays`."""
    device: str | None = None
    """The one device that a table keyed by time can hold, and the stamp of its last sample."""
    device_last: float | None = None
    lagging: float | None = None
    """The stamp of the open `health.lagging` notice."""
    refused: Refused | None = None
    """The refusal of the open `health.bundle` notice."""
    cold: bool = False
    """True until the first record. ``warming``: its stamp, while the windows fill."""
    warming: float | None = None
    outbox: Outbox = Field(default_factory=Outbox)
    unknown: dict[str, Any] = Field(default_factory=dict)
    """Fields that this version does not know. A later version of the same format wrote them, so they are kept."""

    def encode(self) -> bytes:
        """As it is stored: small, and readable (`consumer.state.head_format`); `decode` reads it."""
        about = {"format": FORMAT, "version": VERSION}
        known = self.model_dump(mode="json", exclude_defaults=True, exclude={"unknown"})
        return head_format.encode(about | known | about | self.unknown)

    @classmethod
    def decode(cls, body: bytes) -> Head:
        """The head of `encode`, of this format or an older one. Raises `consumer.state.formats.NewerFormat`, and
        ValueError for what is no head."""
        stored = orjson.loads(body)
        if not isinstance(stored, dict):
            raise ValueError("a head is a JSON object")
        fields = head_format.unfold(lift(stored))
        unknown = {name: value for name, value in fields.items() if name not in cls.model_fields}
        known = {name: value for name, value in fields.items() if name not in unknown}
        return cls.model_validate({**known, "unknown": unknown})

    @model_validator(mode="before")
    @classmethod
    def _unfolded(cls, stored: Any) -> Any:
        return head_format.unfold(stored) if isinstance(stored, dict) else stored


INHERITED = frozenset(
    {
        "watermark",
        "newest",
        "episodes",
        "health",
        "ledger",
        "untold",
        "held",
        "storms",
        "undelivered",
        "refused",
        "forced",
        "delays",
        "device",
        "device_last",
        "outbox",
    }
)
"""Fields that a lane inherits from its state under another stream (rule 14). All others belong to one stream, one owner
or one commit. A test demands that every field of the head is on one of the two lists."""


def is_backfill(shard: str) -> bool:
    """True for the lineage of a gap. It is not a shard of the stream."""
    return shard.startswith(PREFIX)
