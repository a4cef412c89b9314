"""A bundle that was refused is told once, and so is the good one that puts an end to it, whoever owns the lane."""

from __future__ import annotations

from typing import Any

from consumer.state.head import Head, Refusal, Refused
from reporting.health.notice import Notice


class BundleNotices:
    """Says of what was refused, and that it is over. ``told``: what is open; ``lane``: whose head remembers it."""

    def __init__(self, told: Refused | None = None, *, lane: str = "") -> None:
        self.told = told
        self._lane = lane

    @classmethod
    def restore(cls, head: Head) -> BundleNotices:
        """As the topic knows it from the last owner."""
        return cls(head.refused, lane=head.lane)

    def stored(self) -> dict[str, Any]:
        """For the head."""
        return {"refused": self.told}

    def refuse(self, refusal: Refusal, in_force: str, now: float) -> list[Notice]:
        """A bundle was refused, ``in_force`` goes on. Told again where it is another one, or the reason is another."""
        if self.told is not None and self.told.refusal == refusal:
            return []
        self.told = Refused(now, refusal)
        said = f"Bundle {refusal.bundle} was refused; {in_force} stays active. {refusal.reason}"
        return [Notice("health.bundle", None, now, "opened", said, since=now, model=refusal.bundle, lane=self._lane)]

    def accept(self, in_force: str, now: float) -> list[Notice]:
        """What lies there is good, and in force."""
        if self.told is None:
            return []
        since, self.told = self.told.since, None
        said = f"Bundle {in_force} is active, and no refused bundle is left where bundles are looked for."
        return [
            Notice("health.bundle", None, now, "closed", said, since=since, until=now, model=in_force, lane=self._lane)
        ]
