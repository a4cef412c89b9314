"""Mutes applied to a lane's messages: what is suppressed, what is deferred until the mute ends (rule 22).

It is decided once, before the outbox is written: a head holds what was decided, and a successor decides the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import inf
from typing import Any

import structlog

from consumer.state.head import Head, Suppressed
from reporting.anomaly.episode import Episode
from reporting.anomaly.episodes import Episodes, Step
from reporting.health.notice import Notice
from reporting.mutes import Mutes

LASTING = ("health.silence", "health.stuck", "health.clock_skew", "health.overwritten")
"""Kinds of notices that are closed one day. An opening that outlives its mute is published when the mute ends."""
OPENS_AGAIN = "health.clock_skew"
"""This kind opens again without a closing when the offset changes: a muted opening may not have been the first, so its
closing is never muted."""
AT_ONCE = 10
"""Deferred notices released in one go: a mute of all devices may end on a thousand silent ones."""
log = structlog.get_logger(__name__)


class Muting:
    """Decides what is muted.

    ``suppressed`` (by episode), ``deferred`` and ``watermark`` are the last owner's, from the head.
    """

    def __init__(
        self,
        suppressed: Mapping[str, Suppressed] | None = None,
        deferred: Iterable[Notice] = (),
        watermark: float | None = None,
    ) -> None:
        self._mutes = Mutes()
        self._suppressed = dict(suppressed or {})
        self._deferred = list(deferred)
        self._released: list[Notice] = []
        self._passed = -inf if watermark is None else watermark
        self._counted: list[tuple[str, float]] = []

    @classmethod
    def restore(cls, head: Head) -> Muting:
        """Where the last owner stood."""
        return cls(head.untold, head.held, head.watermark)

    def stored(self, episodes: Episodes) -> dict[str, Any]:
        """For the head."""
        return {"untold": self.suppressed(episodes), "held": self.deferred}

    @property
    def deferred(self) -> list[Notice]:
        """Openings that were muted and are not over."""
        return [*self._released, *self._deferred]

    @property
    def due(self) -> float:
        """The stamp at which deferred notices may be released; infinite where there is none."""
        return self._passed if self._released else self._mutes.next_end(self._passed)

    @property
    def waiting(self) -> int:
        """How many messages were muted since the last commit."""
        return len(self._counted)

    def suppressed(self, episodes: Episodes) -> dict[str, Suppressed]:
        """By episode, for those that can still change: what was muted and no message has mentioned yet."""
        if self._suppressed:
            kept = {episode.id for episode in episodes}
            self._suppressed = {name: each for name, each in self._suppressed.items() if name in kept}
        return dict(self._suppressed)

    def learn(self, mutes: Mutes, at: float) -> None:
        """Use these mutes from now on; ``at``: the stamp up to which all was processed. Deferred notices that are no
        longer muted are due at once."""
        if mutes is not self._mutes:
            self._mutes = mutes
            self._pass(max(self._passed, at))

    def fire(self) -> list[Notice]:
        """The watermark has reached `due`: release openings whose mute has ended and that still hold."""
        if not self._released:
            self._pass(self._mutes.next_end(self._passed))
        now, self._released = self._released[:AT_ONCE], self._released[AT_ONCE:]
        return [replace(notice, summary=f"{notice.summary} (This was muted until now.)") for notice in now]

    def notice(self, notice: Notice) -> bool:
        """Is a notice muted? A closing is muted if its opening was, and only then: a subscriber who got the opening
        gets the closing too."""
        if notice.device is None:
            return False
        lasting = notice.type in LASTING
        if lasting and notice.state == "closed":
            before = len(self.deferred)
            self._drop(notice)
            muted = len(self.deferred) < before and notice.type != OPENS_AGAIN
        else:
            muted = self._covered(notice, notice.at)
            if muted and lasting:
                self._drop(notice)
                # The mute may have ended before this opening could be deferred.
                muted = self._covered(notice, self._passed)
                if muted:
                    self._deferred.append(notice)
        if muted:
            self._counted.append((notice.device, notice.at))
            log.info("muted", type=notice.type, device=notice.device, state=notice.state)
        return muted

    def sample(self, episode: Episode, ts: float, created: float, *, mentioned: bool) -> bool:
        """Is the message about an anomalous sample muted? ``created``: its record's creation time; ``mentioned``: a
        later message will mention it."""
        mute = self._mutes.covers(episode.device, ts)
        if mute is None:
            return False
        if mentioned:
            self._suppressed[episode.id] = self._suppressed.get(episode.id, Suppressed(ts)).and_one(ts)
        self._counted.append((episode.device, created))
        log.info("muted", type="anomaly.sample", device=episode.device, ts=ts, episode=episode.id, mute=mute.id)
        return True

    def step(self, step: Step) -> bool:
        """Is a step of an episode muted? A closing is muted if its opening was, and only then: a subscriber who got the
        opening gets the closing too, and one who did not gets neither."""
        episode = step.episode
        before = self._suppressed.get(episode.id, Suppressed(step.at))
        if step.kind == "closed":
            muted, unopened = before.unopened, False
        else:
            muted = self._mutes.covers(episode.device, step.at) is not None
            unopened = before.unopened or step.kind == "opened"
        if not muted:
            return False
        self._suppressed[episode.id] = before.and_one(step.at, unopened=unopened)
        self._counted.append((episode.device, step.at))
        log.info("muted", type=f"anomaly.{step.kind}", device=episode.device, episode=episode.id)
        return True

    def catch_up(self, episode: Episode, ts: float = inf) -> Suppressed | None:
        """What the next message of an episode must mention, because it is the first after a mute. A message about a
        sample at ``ts`` is the first only if that sample is not from before the mute."""
        found = self._suppressed.get(episode.id)
        if found is None or ts < found.since:
            return None
        return self._suppressed.pop(episode.id)

    def drain(self) -> tuple[tuple[str, float], ...]:
        """Device and time of each message muted since the last call."""
        counted, self._counted = tuple(self._counted), []
        return counted

    def release(self, device: str, episodes: Iterable[str]) -> tuple[dict[str, Suppressed], list[Notice]]:
        """Another lane has a device from now on: what was suppressed of its ``episodes``, and its deferred notices."""
        suppressed = {name: self._suppressed.pop(name) for name in episodes if name in self._suppressed}
        deferred = [notice for notice in self.deferred if notice.device == device]
        for notice in deferred:
            self._drop(notice)
        return suppressed, deferred

    def adopt(self, suppressed: Mapping[str, Suppressed], deferred: Iterable[Notice]) -> None:
        """Go on with what another lane has suppressed and deferred."""
        self._suppressed.update(suppressed)
        self._deferred += deferred

    def _pass(self, at: float) -> None:
        """Everything up to ``at`` is processed: sort the deferred notices by whether they are still muted then."""
        self._passed = at
        deferred = self.deferred
        self._deferred = [notice for notice in deferred if self._covered(notice, at)]
        self._released = [notice for notice in deferred if not self._covered(notice, at)]

    def _covered(self, notice: Notice, at: float) -> bool:
        return self._mutes.covers(notice.device, max(at, notice.at), health=True) is not None

    def _drop(self, notice: Notice) -> None:
        self._deferred = [n for n in self._deferred if (n.type, n.device) != (notice.type, notice.device)]
        self._released = [n for n in self._released if (n.type, n.device) != (notice.type, notice.device)]
