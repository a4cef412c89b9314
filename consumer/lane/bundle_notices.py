"""Notices about bundles: one when a bundle is refused, one when no refused bundle is left. Each once, over restarts."""

from __future__ import annotations

from typing import Any

from consumer.state.head import Head, Refusal, Refused
from reporting.health.notice import Notice


class BundleNotices:
    """Reports refused bundles. ``reported``: the refusal of the open notice; ``lane``: the lane whose head keeps it."""

    def __init__(self, reported: Refused | None = None, *, lane: str = "") -> None:
        self.reported = reported
        self._lane = lane

    @classmethod
    def restore(cls, head: Head) -> BundleNotices:
        """With the open notice of the last owner."""
        return cls(head.refused, lane=head.lane)

    def stored(self) -> dict[str, Any]:
        """For the head."""
        return {"refused": self.reported}

    def refuse(self, refusal: Refusal, active: str, now: float) -> list[Notice]:
        """A bundle was refused, ``active`` stays. Reported again if the bundle or the reason is another one."""
        if self.reported is not None and self.reported.refusal == refusal:
            return []
        self.reported = Refused(now, refusal)
        text = f"Bundle {refusal.bundle} was refused; {active} stays active. {refusal.reason}"
        return [Notice("health.bundle", None, now, "opened", text, since=now, model=refusal.bundle, lane=self._lane)]

    def accept(self, active: str, now: float) -> list[Notice]:
        """The bundle that was found is good, and ``active``."""
        if self.reported is None:
            return []
        since, self.reported = self.reported.since, None
        text = f"Bundle {active} is active, and no refused bundle is left where the worker looks for bundles."
        return [
            Notice("health.bundle", None, now, "closed", text, since=since, until=now, model=active, lane=self._lane)
        ]
