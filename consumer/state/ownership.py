"""Who owns the lane: one worker writes its head, another stands by, ready, until that one falls silent (rule 13)."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable

import structlog

from consumer.errors import Fenced, Retry
from consumer.heartbeat import TAKE_OVER_S, heartbeat_s
from consumer.state.head import INHERITED, Head, InForce
from consumer.state.store import StateStore
from consumer.state.succession import succeed

LOOK_EVERY_S = 2.0
log = structlog.get_logger(__name__)


def new_owner() -> str:
    """A name that no other worker has, and that tells a person where this one runs."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def claim(
    store: StateStore,
    *,
    lane: str,
    owner: str,
    bundle: Callable[[Head | None], str],
    clock: Callable[[], float],
    wait: Callable[[float], bool] | None,
    take_over_s: float = TAKE_OVER_S,
    prepare: Callable[[Head], object] = lambda head: None,
) -> Head | None:
    """Make the lane one's own: at once where nobody has it, its owner released it or is silent for ``take_over_s``;
    else stand by until then.

    The head is written before anything else is done: from then on the last owner is fenced, and what it had promised
    stands in the head's outbox. ``wait`` waits that many seconds and says whether to give up; None is returned then.
    Without ``wait`` the lane is taken from whoever has it; raises `Retry` where that fails. ``prepare`` is called with
    the head before it is written: where it raises, the lane stays with its last owner. ``bundle`` is asked for the id
    of the bundle to take the lane with, given its head, when it is to be taken: who stood by may have another by then.
    """
    standing_by = False
    while True:
        try:
            head = store.read()
            if head is None or head.released or wait is None or clock() - head.heartbeat >= take_over_s:
                taken = _next(head, lane=lane, owner=owner, bundle=bundle(head), now=clock())
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
        if wait is not None and wait(min(LOOK_EVERY_S, heartbeat_s(take_over_s))):
            return None


def _next(head: Head | None, *, lane: str, owner: str, bundle: str, now: float) -> Head:
    if head is None:
        bundles = [InForce(bundle)]
        return Head(lane=lane, owner=owner, started=now, bundle=bundle, bundles=bundles, heartbeat=now)
    own = {"owner": owner, "epoch": head.epoch + 1, "released": False, "heartbeat": now}
    return head.model_copy(update={**own, "bundle": bundle, "bundles": succeed(head, bundle)})


def inherit(head: Head, before: Head) -> Head:
    """A first head that goes on from the lane's state under another stream: all but the positions (rule 14)."""
    kept = {name: getattr(before, name) for name in INHERITED}
    return head.model_copy(update={"bundles": succeed(before, head.bundle), **kept})
