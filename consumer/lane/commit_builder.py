"""When a commit is due, and what is in it (rule 10)."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite

from consumer.lane.parts import LaneOptions, Parts
from consumer.outgoing.archive_lines import Minute
from consumer.outgoing.outbox import REACH_S
from consumer.state.commit import Commit
from consumer.state.head import ActiveBundle, Head, Outbox
from consumer.state.scored_minutes import MOST_ROWS
from consumer.state.snapshot import Snapshot
from reporting.sinks.archive import StoredObject
from window.ring import Columns

CONTEXT_S = 3600.0
"""So long a filled window waits for its device's first record."""
MAX_MESSAGES = 50
"""Messages of a commit. The head carries them all in its outbox."""
SNAPSHOT_EVERY_S = 60.0
"""A restart re-reads about this much. Windows are large, so they do not go into every commit."""
LEDGER_EVERY_S = 5.0


class CommitBuilder:
    """Makes commits of what the parts of a lane have collected, and keeps the head of the last one.

    A head is due after the option ``heartbeat_s`` at the latest. It is the owner's heartbeat.
    """

    def __init__(self, parts: Parts, head: Head, options: LaneOptions) -> None:
        self._parts = parts
        self._heartbeat_s = options.heartbeat_s
        self._new_windows = options.new_windows
        self.head = head
        self._last_cut = -inf
        self._last_snapshot = -inf
        self._last_ledger = -inf
        self._reread_from = -inf

    def due(self, now: float) -> bool:
        """True when the owner's heartbeat is due."""
        return now - self._last_cut >= self._heartbeat_s

    def heartbeat(self, now: float) -> Commit:
        """The last head with a new heartbeat. It keeps its outbox: a successor still has to publish that."""
        self._last_cut = now
        self.head = self.head.model_copy(update={"heartbeat": now})
        return Commit(self.head)

    def cut(self, now: float, watermark: float, *, final: bool) -> Commit:
        """All that was processed, as one commit. ``final`` releases the lane. ``now``, ``watermark``: epoch seconds."""
        parts = self._parts
        self._last_cut = now
        batch = parts.outbox.drain()
        parts.shards.cut()
        reread_from = self._reread_from
        snapshot = None
        windows = final or parts.shards.losses.rebased or now - self._last_snapshot >= SNAPSHOT_EVERY_S
        parts.shards.losses.next_commit(windows=windows)
        if windows:
            self._last_snapshot = now
            # For the next cut: until this commit is durable, a restart re-reads from the windows before.
            self._reread_from = watermark
            snapshot = Snapshot(
                self.head.commit + 1,
                parts.shards.reached,
                Snapshot.windows_of(parts.scorer.windows, parts.known),
                parts.watch.states,
                parts.shards.merge.reorder.delays(parts.names.devices),
                self._context(now),
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
            minutes=tuple(self._minute(minute) for minute in batch.minutes),
            quarantine=parts.quarantine.drain(),
            ledger=tuple(self._ledger(now, final=final)),
            scored_minutes=self._scored_minutes(windows=windows),
            snapshot=snapshot,
        )

    def _context(self, now: float) -> dict[str, Columns]:
        """The filled windows that no lane has stored, without those that are too old to be of use."""
        context, windows = self._parts.context, self._parts.scorer.windows
        for device in [name for name, code in context.items() if windows.newest(code) < now - CONTEXT_S]:
            del context[device]
        return Snapshot.windows_of(windows, context)

    def store_windows(self) -> None:
        """The next commit has the windows."""
        self._last_snapshot = -inf

    def raise_epoch(self, epoch: int) -> None:
        """The head has been written with this epoch since it was cut."""
        self.head = self.head.model_copy(update={"epoch": max(epoch, self.head.epoch)})

    def _minute(self, minute: Minute) -> StoredObject:
        """The archive object of a minute. Where the window may have begun in the middle of it, lines of earlier samples
        that another owner wrote stay."""
        item, code = self._parts.outbox.minute(minute), self._parts.known.get(minute[0])
        if not self._new_windows or code is None:
            return item
        whole_from = self._parts.scorer.windows.oldest(code) + REACH_S
        return replace(item, whole_from=whole_from) if whole_from > minute[1] else item

    def scores_with(self, bundle: str, watermark: float) -> bool:
        """Is the bundle with that id, the last one offered, active already?"""
        (*_, last) = self.head.bundles or [ActiveBundle(self.head.bundle)]
        return last.bundle == bundle and (last.since is None or last.since <= watermark)

    def _scored_minutes(self, *, windows: bool) -> tuple[StoredObject, ...]:
        """With the windows, which are stored after it: what is not in them is read again, and counted again."""
        minutes = self._parts.scored_minutes
        if not windows and len(minutes) < MOST_ROWS:
            return ()
        return tuple(minutes.objects(self._parts.name, (self.head.epoch, self.head.commit)))

    def _ledger(self, now: float, *, final: bool) -> list[StoredObject]:
        """The ledger's objects of the days that changed, every `LEDGER_EVERY_S`. In between the head has the counts."""
        if not final and now - self._last_ledger < LEDGER_EVERY_S:
            return []
        self._last_ledger = now
        return self._parts.ledger.objects(self._parts.name)
