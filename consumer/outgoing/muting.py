"""What a lane leaves untold because of a mute, and what it makes up for when the mute has ended (rule 22).

Decided once, before the outbox is written: a head holds what was decided, and a successor decides the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import inf
from typing import Any

import structlog

from consumer.state.head import Head, Untold
from reporting.anomaly.episodes import Episode, Episodes, Step
from reporting.health.notice import Notice
from reporting.mutes import Mutes

LASTING = ("health.silence", "health.stuck", "health.clock_skew")
"""Notices that are closed one day: one that outlives its mute is told when the mute ends."""
OPENS_AGAIN = "health.clock_skew"
"""Opened again without a closing when the offset changes: the opening that was muted may not have been the first."""
AT_ONCE = 10
"""Notices told in one go: a mute of all devices may end on a thousand silent ones."""
log = structlog.get_logger(__name__)


class Muting:
    """Decides what is told. ``untold`` (by episode), ``held`` and ``watermark``: where the last owner stood."""

    def __init__(
        self, untold: Mapping[str, Untold] | None = None, held: Iterable[Notice] = (), watermark: float | None = None
    ) -> None:
        self._mutes = Mutes()
        self._untold = dict(untold or {})
        self._held = list(held)
        self._released: list[Notice] = []
        self._passed = -inf if watermark is None else watermark
        self._counted: list[tuple[str, float]] = []

    @classmethod
    def restore(cls, head: Head) -> Muting:
        """Where the last owner stood."""
        return cls(head.untold, head.held, head.watermark)

    def stored(self, episodes: Episodes) -> dict[str, Any]:
        """For the head."""
        return {"untold": self.untold(episodes), "held": self.held}

    @property
    def held(self) -> list[Notice]:
        """Openings that were muted and are not over."""
        return [*self._released, *self._held]

    @property
    def due(self) -> float:
        """The stamp at which something may have to be made up for; infinite where none is."""
        return self._passed if self._released else self._mutes.next_end(self._passed)

    @property
    def waiting(self) -> int:
        """How many were muted since the last commit."""
        return len(self._counted)

    def untold(self, episodes: Episodes) -> dict[str, Untold]:
        """By episode: what of those that can still change was muted and never mentioned."""
        if self._untold:
            kept = {episode.id for episode in episodes}
            self._untold = {name: untold for name, untold in self._untold.items() if name in kept}
        return dict(self._untold)

    def learn(self, mutes: Mutes, at: float) -> None:
        """These are the mutes from now on; ``at``: the stamp up to which all was processed. What is not muted any more
        is due at once."""
        if mutes is not self._mutes:
            self._mutes = mutes
            self._pass(max(self._passed, at))

    def fire(self) -> list[Notice]:
        """The watermark has reached `due`: openings whose mute has ended, and that still hold."""
        if not self._released:
            self._pass(self._mutes.next_end(self._passed))
        now, self._released = self._released[:AT_ONCE], self._released[AT_ONCE:]
        return [replace(notice, summary=f"{notice.summary} (This was muted until now.)") for notice in now]

    def notice(self, notice: Notice) -> bool:
        """Is a notice muted? A closing is if its opening was, and only then: what was told to begin is told to end."""
        if notice.device is None:
            return False
        lasting = notice.type in LASTING
        if lasting and notice.state == "closed":
            before = len(self.held)
            self._drop(notice)
            muted = len(self.held) < before and notice.type != OPENS_AGAIN
        else:
            muted = self._covered(notice, notice.at)
            if muted and lasting:
                self._drop(notice)
                muted = self._covered(notice, self._passed)  # it may have ended before we could hold anything back
                if muted:
                    self._held.append(notice)
        if muted:
            self._counted.append((notice.device, notice.at))
            log.info("muted", type=notice.type, device=notice.device, state=notice.state)
        return muted

    def sample(self, episode: Episode, ts: float, created: float, *, mentioned: bool) -> bool:
        """Is the message about an anomalous sample muted? ``created``: its record's; ``mentioned``: a later one will
        mention it."""
        mute = self._mutes.covers(episode.device, ts)
        if mute is None:
            return False
        if mentioned:
            self._untold[episode.id] = self._untold.get(episode.id, Untold(ts)).and_one(ts)
        self._counted.append((episode.device, created))
        log.info("muted", type="anomaly.sample", device=episode.device, ts=ts, episode=episode.id, mute=mute.id)
        return True

    def step(self, step: Step) -> bool:
        """Is a step of an episode muted? A closing is if its opening was, and only then: what was told to begin is told
        to end, and of what nobody knows the end is not told either."""
        episode = step.episode
        before = self._untold.get(episode.id, Untold(step.at))
        if step.kind == "closed":
            muted, unopened = before.unopened, False
        else:
            muted = self._mutes.covers(episode.device, step.at) is not None
            unopened = before.unopened or step.kind == "opened"
        if not muted:
            return False
        self._untold[episode.id] = before.and_one(step.at, unopened=unopened)
        self._counted.append((episode.device, step.at))
        log.info("muted", type=f"anomaly.{step.kind}", device=episode.device, episode=episode.id)
        return True

    def catch_up(self, episode: Episode, ts: float = inf) -> Untold | None:
        """What a message of an episode must mention of it, because it is the first after a mute; one about a sample at
        ``ts`` is, if that is not from before."""
        untold = self._untold.get(episode.id)
        if untold is None or ts < untold.since:
            return None
        return self._untold.pop(episode.id)

    def drain(self) -> tuple[tuple[str, float], ...]:
        """Device and time of what was muted since the last call."""
        counted, self._counted = tuple(self._counted), []
        return counted

    def _pass(self, at: float) -> None:
        self._passed = at
        held = self.held
        self._held = [notice for notice in held if self._covered(notice, at)]
        self._released = [notice for notice in held if not self._covered(notice, at)]

    def _covered(self, notice: Notice, at: float) -> bool:
        return self._mutes.covers(notice.device, max(at, notice.at), health=True) is not None

    def _drop(self, notice: Notice) -> None:
        self._held = [n for n in self._held if (n.type, n.device) != (notice.type, notice.device)]
        self._released = [n for n in self._released if (n.type, n.device) != (notice.type, notice.device)]
