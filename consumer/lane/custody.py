"""The devices of a lane in a table keyed by device: how their timers run on when the lane's shards are gone, and how a
device changes lanes (rule 32)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from consumer.lane.parts import Parts
from consumer.lane.recovery import Recovery
from consumer.outgoing.outbox import Pending
from consumer.state.head import Suppressed, is_backfill
from reporting.anomaly.episode import Episode
from reporting.health.notice import Notice
from reporting.health.state import DeviceHealth
from window.merge import MOST_AHEAD_S
from window.released import Released


@dataclass(frozen=True, slots=True)
class Handover:
    """A device by its ``code``, and what goes along with it: is its window kept (``known``), its health, its episodes,
    what was muted of it, and what waits for a commit. Its window stays, because all lanes of a worker share them."""

    code: int
    known: bool
    health: DeviceHealth | None
    episodes: Sequence[Episode]
    suppressed: Mapping[str, Suppressed]
    deferred: Sequence[Notice]
    pending: Pending


class Custody:
    """What a lane has of devices, and for how long. ``store_windows``: has the next commit store them."""

    def __init__(self, parts: Parts, recovery: Recovery, store_windows: Callable[[], None]) -> None:
        self._parts = parts
        self._recovery = recovery
        self._store_windows = store_windows
        self._followed: float | None = None

    @property
    def orphaned(self) -> bool:
        """True once the shards have been listed and none of them is the lane's: nothing will come of any."""
        merge = self._parts.shards.merge
        return merge.ready and all(is_backfill(shard) for shard in merge.shards)

    @property
    def following(self) -> bool:
        """True while the watermark goes by other lanes."""
        return self._followed is not None and self.orphaned

    @property
    def owned(self) -> set[int]:
        """The codes of the devices whose windows or health are the lane's own."""
        codes = self._parts.names.devices
        return {*self._parts.known.values(), *(codes.code(name) for name in self._parts.watch.states)}

    @property
    def spent(self) -> bool:
        """True if a successor needs nothing of an orphaned lane: no device is its own, and no position is left."""
        parts = self._parts
        busy = parts.known or parts.watch.states or parts.shards.positions or parts.shards.gaps.stored
        return self.orphaned and not self._recovery.active and not busy

    def follow(self, stamp: float) -> None:
        """All lanes that have shards have processed what lies below ``stamp``. The watermark of an orphaned lane goes
        by that: its devices' timers run on, until another lane gets a record of theirs."""
        self._followed = stamp if self._followed is None else max(self._followed, stamp)

    @property
    def watermark(self) -> float:
        """The stamp below which nothing comes any more."""
        merge = self._parts.shards.merge
        if self._followed is None or not self.orphaned:
            return merge.watermark
        return min(self._followed, merge.watermark) if merge.shards else self._followed

    def release(self) -> Released | None:
        """The records that may be processed now. What an orphaned lane gets are samples that the table has of a gap,
        and those of a device that is another lane's by now are none of its own."""
        merge = self._parts.shards.merge
        before = merge.slowest + MOST_AHEAD_S
        if self._followed is None or not self.orphaned:
            return merge.release(before=before)
        ready = merge.release(before=min(before, self._followed))
        return None if ready is None else self._own_rows(ready)

    def hand_over(self, code: int) -> Handover:
        """Another lane has a device from now on: drop and return all that is kept of it."""
        parts, device = self._parts, self._parts.names.devices[code]
        watched, stored = parts.watch.release(code), self._recovery.release(device)
        episodes = parts.outbox.episodes.forget(device)
        suppressed, deferred = parts.muting.release(device, [episode.id for episode in episodes])
        parts.charts.forget(device)
        known = parts.known.pop(device, None) is not None
        health = watched if stored is None else stored
        return Handover(code, known, health, episodes, suppressed, deferred, parts.outbox.release(device))

    def adopt(self, given: Handover) -> None:
        """Go on with a device that another lane has had until now."""
        parts, device = self._parts, self._parts.names.devices[given.code]
        if given.known:
            parts.known[device] = given.code
        if given.health is not None:
            parts.watch.adopt(given.code, given.health)
            self._recovery.adopt(device, given.health)
        parts.outbox.episodes.adopt(device, given.episodes)
        parts.muting.adopt(given.suppressed, given.deferred)
        parts.outbox.adopt(given.pending)
        self._store_windows()

    def _own_rows(self, ready: Released) -> Released | None:
        return ready.taken(np.isin(ready.samples.device, list(self.owned)))
