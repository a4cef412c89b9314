"""The head of a lane: all that a successor needs to go on, in one JSON object that a person can read at 3 a.m.

The values it is made of stand here too. What computes them lies in other rooms.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from consumer.state import head_format
from reporting.anomaly.episodes import Episode
from reporting.health.notice import Notice
from reporting.health.state import DeviceHealth
from reporting.message import Message

PREFIX = "backfill-"
Counts = dict[str, int]


@dataclass(frozen=True, slots=True)
class InForce:
    """A bundle, by its id, and since when it scores: event time, epoch seconds, None for the first. ``own``: the same
    by device, on the clock of each that is known to be wrong."""

    bundle: str
    since: float | None = None
    own: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gap:
    """Records with a stamp between ``since`` and ``until`` (epoch seconds) are not in the stream; ``until`` is None
    until the stream has said where it goes on. ``name`` is that of the lineage which brings them from the table;
    ``shards``: those that lost them; ``found``: samples that the table had, and nobody had seen before; ``closed``: all
    of it was processed, but the windows that are stored do not have it yet. Up to ``known_to`` the last owner had
    committed all: that part is read for the windows alone, and missing for nobody."""

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
        """True where the stream goes on before anything new is missing: there is nothing to tell."""
        return self.known_to is not None and self.until is not None and self.until <= self.known_to + 1.0

    @property
    def begins(self) -> float:
        """From when on something new is missing."""
        return self.since if self.known_to is None else max(self.since, self.known_to)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A bundle that cannot be used: its id, or where it lies if it has none, and why not."""

    bundle: str
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal that was told, and when (epoch seconds)."""

    since: float
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Suppressed:
    """What of an episode was muted: the time of the first such message, epoch seconds, and how many.

    ``unopened``: its opening was muted, and no subscriber knows that it goes on.
    """

    since: float
    count: int = 0
    unopened: bool = False

    def and_one(self, at: float, *, unopened: bool = False) -> Suppressed:
        """With one more that was muted."""
        return Suppressed(min(self.since, at), self.count + 1, unopened)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ShardPosition(_Part):
    """Committed up to ``sequence``; ``stamp`` is that record's (rule 3). ``since``: nothing read yet, and records
    written before it (epoch seconds) are not wanted. ``ended_at``: when it was read to its end."""

    sequence: str | None = None
    since: float | None = None
    stamp: float | None = None
    ended: bool = False
    ended_at: float | None = None


class Outbox(_Part):
    """What this commit promises: a successor sends it again, word for word. ``minutes``: (device, epoch seconds)."""

    messages: list[Message] = Field(default_factory=list)
    minutes: list[tuple[str, int]] = Field(default_factory=list)


class Head(_Part):
    """One commit of a lane. Times are epoch seconds."""

    format: int = 1
    lane: str
    owner: str
    started: float = 0.0
    """When its first owner began."""
    epoch: int = 1
    """Counts owners, as ``commit`` counts commits."""
    commit: int = 0
    heartbeat: float = 0.0
    released: bool = False
    bundle: str
    """The latest of ``bundles``, the succession, oldest first."""
    bundles: list[InForce] = Field(default_factory=list)
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
    """By episode: what was muted and is made up for when the mute has ended; so is what is ``held``."""
    held: list[Notice] = Field(default_factory=list)
    forced: int = 0
    quarantined: dict[str, tuple[int, int]] = Field(default_factory=dict)
    """By shard: an hour, and how many records of it were set aside."""
    device: str | None = None
    """The only one there can be in this table, and the stamp of its last sample."""
    device_last: float | None = None
    lagging: float | None = None
    """Since which stamp the topic knows that the lane waits."""
    refused: Refused | None = None
    """The bundle of which the topic knows that it is no good."""
    cold: bool = False
    """It is ``warming`` from the first record on; then, since that stamp."""
    warming: float | None = None
    outbox: Outbox = Field(default_factory=Outbox)

    def encode(self) -> bytes:
        """As it is stored: small, and readable (`consumer.state.head_format`); `model_validate_json` reads it."""
        return head_format.encode(self.model_dump(mode="json", exclude_defaults=True))

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
        "refused",
        "forced",
        "device",
        "device_last",
        "outbox",
    }
)
"""Fields that a lane takes over from its state under another stream (rule 14). All others are of one stream, one owner
or one commit; a test asks every field of the head for its side."""


def is_backfill(shard: str) -> bool:
    """True for the lineage of a gap, which is no shard of the stream."""
    return shard.startswith(PREFIX)
