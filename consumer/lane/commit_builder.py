"""When a commit is due, and what it holds (rule 10)."""

from __future__ import annotations

from math import inf, isfinite

from consumer.lane.parts import Parts
from consumer.state.commit import Commit
from consumer.state.head import Head, InForce, Outbox
from consumer.state.snapshot import Snapshot
from reporting.sinks.archive import StoredObject

MAX_MESSAGES = 50
SNAPSHOT_EVERY_S = 60.0
LEDGER_EVERY_S = 5.0


class CommitBuilder:
    """Cuts what the parts of a lane have gathered into commits, and keeps the head of the last one.

    ``heartbeat_s``: a head is due that often at the latest, as the owner's heartbeat.
    """

    def __init__(self, parts: Parts, head: Head, heartbeat_s: float) -> None:
        self._parts = parts
        self._heartbeat_s = heartbeat_s
        self.head = head
        self._last_cut = -inf
        self._last_snapshot = -inf
        self._last_ledger = -inf
        self._reread_from = -inf

    def due(self, now: float) -> bool:
        """True when the owner's heartbeat is due."""
        return now - self._last_cut >= self._heartbeat_s

    def heartbeat(self, now: float) -> Commit:
        """The last head with a new heartbeat and all its promises, while nothing may be committed."""
        self._last_cut = now
        self.head = self.head.model_copy(update={"heartbeat": now})
        return Commit(self.head)

    def cut(self, now: float, watermark: float, *, final: bool) -> Commit:
        """All that was processed, as one commit. It releases the lane if it is ``final``. ``now``, ``watermark``: epoch
        seconds."""
        parts = self._parts
        self._last_cut = now
        batch = parts.outbox.drain()
        parts.shards.cut()
        reread_from = self._reread_from
        snapshot = None
        windows = final or parts.shards.rebased or now - self._last_snapshot >= SNAPSHOT_EVERY_S
        parts.shards.next_commit(windows=windows)
        if windows:
            self._last_snapshot = now
            self._reread_from = watermark  # for the next cut: until this one is durable, the last one's counts
            snapshot = Snapshot.of(
                self.head.commit + 1, parts.scorer.windows, parts.known, parts.shards.positions, parts.watch.states
            )
        parts.ledger.muted(batch.muted)
        fields = {
            "commit": self.head.commit + 1,
            "heartbeat": now,
            "released": final,
            "watermark": watermark if isfinite(watermark) else self.head.watermark,
            "outbox": Outbox(messages=list(batch.messages), minutes=list(batch.minutes)),
        }
        self.head = parts.rollout.activate(self.head.model_copy(update=fields | parts.stored()), reread_from)
        return Commit(
            head=self.head,
            messages=batch.messages,
            minutes=tuple(parts.outbox.minute(minute) for minute in batch.minutes),
            quarantine=parts.quarantine.drain(),
            books=tuple(self._ledger(now, final=final)),
            snapshot=snapshot,
        )

    def scores_with(self, bundle: str, watermark: float) -> bool:
        """Is the bundle of that id, the last one offered, active already?"""
        (*_, last) = self.head.bundles or [InForce(self.head.bundle)]
        return last.bundle == bundle and (last.since is None or last.since <= watermark)

    def _ledger(self, now: float, *, final: bool) -> list[StoredObject]:
        """The ledger's objects of the days that changed, now and then: the head holds them all the same."""
        if not final and now - self._last_ledger < LEDGER_EVERY_S:
            return []
        self._last_ledger = now
        return self._parts.ledger.objects(self._parts.name)
