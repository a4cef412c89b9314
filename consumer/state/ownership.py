"""Who owns a lane: one worker writes its head. A stand-by waits until that worker is silent (rule 13)."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

import structlog

from consumer.errors import Fenced, Retry
from consumer.heartbeat import TAKE_OVER_S, heartbeat_s
from consumer.state.head import INHERITED, ActiveBundle, Head
from consumer.state.store import StateStore
from consumer.state.succession import with_rollout
from consumer.version import VERSION

READ_EVERY_S = 2.0
"""How often a stand-by reads the head, at the slowest."""
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Watch:
    """What one process has seen of a lane's owner, by its own monotonic clock (rule 27).

    An owner lives while what it writes differs from what was seen last. Two machines' clocks are never compared: one
    that is 16 s ahead took a living lane. ``head``: the last one that was seen. ``trouble``: why the state could not be
    read or written when it was last tried; empty if it could.
    """

    head: Head | None = None
    trouble: str = ""
    _mark: tuple[object, ...] | None = None
    _since: float = 0.0

    def silent_s(self, head: Head | None, now: float) -> float:
        """For how long the owner has written nothing, as far as this process has seen; ``now``: monotonic seconds. A
        head that is not there any more is no sign of life."""
        mark = ("gone",) if head is None else (head.owner, head.epoch, head.commit, head.beat)
        if mark != self._mark:
            self._mark, self._since = mark, now
        self.head = head or self.head
        return now - self._since


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims lanes: ``owner``, a name that no other worker has; its ``clock``, epoch seconds; ``take_over_s``: for
    how many seconds it must have watched a silent owner before it takes the lane; ``monotonic``: seconds, for that."""

    owner: str
    clock: Callable[[], float]
    take_over_s: float = TAKE_OVER_S
    monotonic: Callable[[], float] = time.monotonic
    watch: Watch = field(default_factory=Watch)


@dataclass(frozen=True, slots=True)
class Terms:
    """How a lane is taken.

    ``bundle`` gives the id of the bundle to take the lane with. It is called when the lane is taken, not before: the
    bundle may have changed while this worker stood by. ``prepare`` gets the head before it is written; if it raises,
    the lane stays with its last owner. ``epoch`` gives the highest epoch that is known of elsewhere. ``recover`` gives
    what is known of a lane without a head, made of its windows; None if it has none either. ``check`` gets the head as
    it was read, before it is taken; if it raises, nothing is written. All may raise `Retry`.
    """

    bundle: Callable[[Head | None], str]
    prepare: Callable[[Head], object] = lambda head: None
    epoch: Callable[[], int] = lambda: 0
    recover: Callable[[], Head | None] = lambda: None
    check: Callable[[Head], object] = lambda head: None


@dataclass(frozen=True, slots=True)
class Taken:
    """A lane that was claimed: its head as it was written; ``new``: it has never had another; ``lost``: it had one that
    was deleted, and this one stands on what is left of it."""

    head: Head
    new: bool = False
    lost: bool = False


def new_owner() -> str:
    """A name that no other worker has. A person can read from it where this worker runs."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def claim(
    store: StateStore, lane: str, claimant: Claimant, terms: Terms, *, wait: Callable[[float], bool] | None
) -> Taken | None:
    """Take ownership of a lane: at once if it never had an owner, or was released. Otherwise stand by until its owner
    has been seen to write nothing for a whole period. A head that was deleted is damage and no first start: then too
    this waits, for its owner to write it again.

    ``wait`` blocks for that many seconds and returns True to give up; then `claim` returns None. With ``wait`` None the
    lane is taken from any owner; then a failed call raises `Retry`.
    """
    standing_by = False
    while True:
        try:
            head = store.read()
            silent_s, seen = inf, None
            if wait is not None:
                silent_s, seen = claimant.watch.silent_s(head, claimant.monotonic()), claimant.watch.head
            last = head if head is not None else _left(terms.recover(), seen)
            if last is None or (head is not None and head.released) or silent_s >= claimant.take_over_s:
                if head is not None:
                    terms.check(head)
                # This write comes before all other work. It fences the last owner, so its outbox can grow no more.
                taken = _next(last, lane, claimant, terms)
                terms.prepare(taken)
                store.write(taken)
                return Taken(taken, new=last is None, lost=head is None and last is not None)
        except Fenced:
            log.info("another worker was faster", lane=lane)
        except Retry as error:
            if wait is None:
                raise
            claimant.watch.trouble = str(error)
            log.warning("the start waits for AWS", lane=lane, reason=str(error))
        else:
            claimant.watch.trouble = ""
            if not standing_by:
                log.info("standing by", lane=lane, owner=last.owner)
                standing_by = True
            if head is None:
                log.error("the head of a lane is missing: waiting for its owner to write it again", lane=lane)
        if wait is not None and wait(min(READ_EVERY_S, heartbeat_s(claimant.take_over_s))):
            return None


def _left(recovered: Head | None, seen: Head | None) -> Head | None:
    """What is left of a lane whose head is missing: the later of what its windows tell and the head seen last."""
    found = [head for head in (recovered, seen) if head is not None]
    return max(found, key=lambda head: head.commit, default=None)


def _next(head: Head | None, lane: str, claimant: Claimant, terms: Terms) -> Head:
    now, owner, bundle = claimant.clock(), claimant.owner, terms.bundle(head)
    epoch = max(terms.epoch(), head.epoch if head is not None else 0) + 1
    if head is None:
        bundles = [ActiveBundle(bundle)]
        return Head(lane=lane, owner=owner, epoch=epoch, started=now, bundle=bundle, bundles=bundles, heartbeat=now)
    own = {"owner": owner, "epoch": epoch, "released": False, "heartbeat": now, "version": VERSION}
    return head.model_copy(update={**own, "bundle": bundle, "bundles": with_rollout(head, bundle)})


def inherit(head: Head, before: Head) -> Head:
    """A first head with the lane's state under another stream. The positions are not inherited: they belong to the
    other stream's shards (rule 14)."""
    kept = {name: getattr(before, name) for name in INHERITED}
    return head.model_copy(update={"bundles": with_rollout(before, head.bundle), **kept})
