"""Who owns a lane: one worker writes its head. A stand-by waits until that worker is silent (rule 13)."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims lanes: ``owner``, a name that no other worker has; its ``clock``, epoch seconds; ``take_over_s``: how
    many seconds after the last heartbeat it may take a lane from another owner."""

    owner: str
    clock: Callable[[], float]
    take_over_s: float = TAKE_OVER_S


def new_owner() -> str:
    """A name that no other worker has. A person can read from it where this worker runs."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def claim(
    store: StateStore,
    lane: str,
    claimant: Claimant,
    bundle: Callable[[Head | None], str],
    *,
    wait: Callable[[float], bool] | None,
    prepare: Callable[[Head], object] = lambda head: None,
) -> Head | None:
    """Take ownership of a lane: at once if it has no owner, was released, or its heartbeat is too old. Otherwise stand
    by until then. Returns the head as it was written.

    ``bundle`` gives the id of the bundle to take the lane with. It is called when the lane is taken, not before: the
    bundle may have changed while this worker stood by. ``prepare`` gets the head before it is written; if it raises,
    the lane stays with its last owner.

    ``wait`` blocks for that many seconds and returns True to give up; then `claim` returns None. With ``wait`` None the
    lane is taken from any owner; then a failed call raises `Retry`.
    """
    clock, take_over_s = claimant.clock, claimant.take_over_s
    standing_by = False
    while True:
        try:
            head = store.read()
            if head is None or head.released or wait is None or clock() - head.heartbeat >= take_over_s:
                # This write comes before all other work. It fences the last owner, so its outbox can grow no more.
                taken = _next(head, lane=lane, owner=claimant.owner, bundle=bundle(head), now=clock())
                prepare(taken)
                store.write(taken)
                return taken
        except Fenced:
            log.info("another worker was faster", lane=lane)
        except Retry as error:
            if wait is None:
                raise
            log.warning("the state cannot be read or written, will retry", lane=lane, error=str(error))
        else:
            if not standing_by:
                log.info("standing by", lane=lane, owner=head.owner)
                standing_by = True
        if wait is not None and wait(min(READ_EVERY_S, heartbeat_s(take_over_s))):
            return None


def _next(head: Head | None, *, lane: str, owner: str, bundle: str, now: float) -> Head:
    if head is None:
        bundles = [ActiveBundle(bundle)]
        return Head(lane=lane, owner=owner, started=now, bundle=bundle, bundles=bundles, heartbeat=now)
    own = {"owner": owner, "epoch": head.epoch + 1, "released": False, "heartbeat": now, "version": VERSION}
    return head.model_copy(update={**own, "bundle": bundle, "bundles": with_rollout(head, bundle)})


def inherit(head: Head, before: Head) -> Head:
    """A first head with the lane's state under another stream. The positions are not inherited: they belong to the
    other stream's shards (rule 14)."""
    kept = {name: getattr(before, name) for name in INHERITED}
    return head.model_copy(update={"bundles": with_rollout(before, head.bundle), **kept})
