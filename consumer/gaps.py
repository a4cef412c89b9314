"""Gaps: what the stream no longer has is declared, read from the table, and merged in its place (rule 19)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf

from reporting.contract.events import utc
from reporting.notice import Notice

PREFIX = "backfill-"
FIRST_WINDOW = "first-window"
"""The name under which the table is read at a first start: no gap, but read in the same way."""
RESOLVE_AFTER_S = 30.0


@dataclass(frozen=True, slots=True)
class Gap:
    """Records with a stamp between ``since`` and ``until`` (epoch seconds) are not in the stream; ``until`` is None
    until the stream has said where it goes on. ``name`` is that of the lineage which brings them from the table."""

    name: str
    since: float
    reason: str
    declared: float
    until: float | None = None
    found: int = 0


class Gaps:
    """The gaps of a lane that are not closed yet."""

    def __init__(self, open_gaps: Iterable[Gap] = ()) -> None:
        self._open = {gap.name: gap for gap in open_gaps}
        self._asked: set[str] = set()

    @property
    def open(self) -> list[Gap]:
        """Those that are not closed."""
        return list(self._open.values())

    def declare(self, since: float, reason: str, now: float) -> Gap:
        """Something is missing after ``since``. Several shards that lost the same time make one gap."""
        for gap in self._open.values():
            if gap.until is None:
                wider = replace(gap, since=min(gap.since, since))
                self._open[gap.name] = wider
                return wider
        number = int(since * 1e3)
        while f"{PREFIX}{number}" in self._open or f"{PREFIX}{number}" in self._asked:
            number += 1  # another one began at the same time and is being read
        gap = Gap(f"{PREFIX}{number}", since, reason, now)
        self._open[gap.name] = gap
        return gap

    def resolve(self, created: float) -> list[tuple[Gap, Notice]]:
        """The stream goes on with a record written at ``created``: gaps end there, and can be told."""
        told = []
        for gap in [gap for gap in self._open.values() if gap.until is None]:
            until = max(created + 1.0, gap.since)
            self._open[gap.name] = known = replace(gap, until=until)
            told.append((known, _opened(known)))
        return told

    def overdue(self, now: float) -> bool:
        """True when a gap has waited for the stream to go on for long enough."""
        return any(gap.until is None and now - gap.declared >= RESOLVE_AFTER_S for gap in self._open.values())

    def to_read(self) -> list[Gap]:
        """The gaps whose interval is known and that nobody was asked to read yet, in this process."""
        ready = [gap for gap in self._open.values() if gap.until is not None and gap.name not in self._asked]
        self._asked.update(gap.name for gap in ready)
        return ready

    def count(self, name: str, records: int) -> None:
        """Records of a gap were processed."""
        if name in self._open:
            self._open[name] = replace(self._open[name], found=self._open[name].found + records)

    def close(self, name: str) -> Notice:
        """All that the table has of a gap was processed."""
        gap = self._open.pop(name)
        self._asked.discard(name)
        said = (
            f"The gap from {utc(gap.since):%Y-%m-%d %H:%M:%S} UTC was filled with {gap.found} samples from the table. "
            "Samples that were deleted since cannot be seen: how many are missing is unknown."
        )
        return Notice("health.gap", None, gap.since, "closed", said, since=gap.since, until=gap.until, count=gap.found)


def is_backfill(shard: str) -> bool:
    """True for the lineage of a gap, which is no shard of the stream."""
    return shard.startswith(PREFIX)


def _opened(gap: Gap) -> Notice:
    until = gap.until if gap.until is not None else inf
    said = (
        f"Samples between {utc(gap.since):%Y-%m-%d %H:%M:%S} and {utc(until):%Y-%m-%d %H:%M:%S} UTC were not in the "
        f"stream any more ({gap.reason}); they are read from the table and scored now; nothing later is told before."
    )
    return Notice("health.gap", None, gap.since, "opened", said, since=gap.since, until=gap.until)
