"""Many equal notices are one message (rule 30): 5,000 devices that fall silent must not bury the message that matters.

The first notice of a kind leaves at once. Those of further devices are gathered for `STORM_S` and leave as one message.
Within a device nothing overtakes: before another message of a device leaves, what is gathered of it leaves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from consumer.state.head import Head, Storm
from reporting.contract.events import Devices
from reporting.contract.health_kinds import HEALTH_KINDS, HealthType
from reporting.health.notice import Notice
from reporting.names import flat

STORM_S = 60.0
"""How long notices are gathered after the first one of their kind, in stamps."""
NAMED = 5
"""A message names so many devices."""
APART: HealthType = "health.undelivered"
"""It is about the delivery and not about data: it has no order with the other notices of its device, and changes
nothing in how those are gathered."""


@dataclass(slots=True)
class _Gathering:
    """The notices of a kind and a state (opened or closed) within a minute. ``devices``: those that are gathered, in
    order; ``notice``: theirs, merged. What ``storm`` has of these is as old as the head."""

    storm: Storm
    devices: dict[str, None]
    notice: Notice | None

    @property
    def due(self) -> float:
        return self.storm.begin + STORM_S

    @property
    def apart(self) -> bool:
        return self.storm.type == APART

    def gather(self, notice: Notice) -> None:
        assert notice.device is not None
        self.devices[notice.device] = None
        self.notice = notice if self.notice is None else _merged(self.notice, notice)

    def flush(self, at: float, lane: str) -> Notice:
        """What was gathered, as one notice: that of the one device, or about all."""
        assert self.notice is not None
        notice, names, self.notice, self.devices = self.notice, [*self.devices], None, {}
        if len(names) == 1:
            return notice
        named = ", ".join(map(flat, names[:NAMED]))
        more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
        said = f"{len(names):,} further devices {HEALTH_KINDS[notice.type].many[notice.state]}: {named}{more}."
        devices = Devices(count=len(names), first=tuple(names[:NAMED]))
        return replace(notice, device=None, at=at, summary=said, lane=lane, event=None, devices=devices)


class Storms:
    """Gathers notices. ``lane``: its name, part of the ids of its messages. All times are stamps, epoch seconds."""

    def __init__(self, storms: Iterable[Storm] = (), *, lane: str = "") -> None:
        self._lane = lane
        # In the order in which they began, so also of their dues.
        self._gatherings = [_Gathering(each, dict.fromkeys(each.devices), each.notice) for each in storms]
        self._passed = max((each.storm.begin for each in self._gatherings), default=-inf)

    @classmethod
    def restore(cls, head: Head) -> Storms:
        """As the last owner left them."""
        return cls(head.storms, lane=head.lane)

    def stored(self, passed: float) -> dict[str, Any]:
        """For the head; all up to ``passed`` is processed."""
        kept = [each for each in self._gatherings if each.devices or each.due > passed]
        return {"storms": [replace(each.storm, devices=tuple(each.devices), notice=each.notice) for each in kept]}

    @property
    def due(self) -> float:
        """The next stamp at which something that was gathered leaves; infinite where nothing is."""
        return min((each.due for each in self._gatherings if each.devices), default=inf)

    @property
    def open(self) -> int:
        """How many messages would leave if all that is gathered left."""
        return sum(bool(each.devices) for each in self._gatherings)

    def fire(self, stamp: float) -> list[Notice]:
        """The watermark has reached ``stamp``: what is due leaves, and its minute is over."""
        self._passed = max(self._passed, stamp)
        over = [each for each in self._gatherings if each.due <= self._passed]
        self._gatherings = self._gatherings[len(over) :]
        return [each.flush(each.due, self._lane) for each in over if each.devices]

    def take(self, notice: Notice, stamp: float | None = None) -> list[Notice]:
        """A notice of a record or a deadline at ``stamp``; None: not later than the last one. Returns what leaves now,
        in order."""
        leaving = self.fire(self._passed if stamp is None else stamp)
        device = notice.device
        if device is None or not HEALTH_KINDS[notice.type].many:
            return [*leaving, notice]
        kind = (notice.type, notice.state)
        of_kind = next((each for each in self._gatherings if (each.storm.type, each.storm.state) == kind), None)
        apart = notice.type == APART
        gathered = [each for each in self._gatherings if device in each.devices and each.apart == apart]
        if of_kind is None:
            self._passed = notice.at if self._passed == -inf else self._passed
            of_kind = _Gathering(Storm(*kind, self._passed, None if gathered else device), {}, None)
            self._gatherings.append(of_kind)
            if not gathered:
                return [*leaving, notice]
        elif of_kind.storm.first == device and not gathered:
            return [*leaving, notice]
        if apart and gathered:
            leaving.append(of_kind.flush(self._passed, self._lane))  # each is about another message
        elif any(each.due >= of_kind.due and each in gathered for each in self._after(of_kind)):
            leaving += self.release(device)  # it would leave after this one, and happened before
        of_kind.gather(notice)
        return leaving

    def release(self, device: str, stamp: float | None = None) -> list[Notice]:
        """A message of a device leaves at ``stamp`` (None: as in `take`): what must leave before it."""
        leaving = self.fire(self._passed if stamp is None else stamp)
        ordered = [each for each in self._gatherings if not each.apart]
        last = max((n for n, each in enumerate(ordered) if device in each.devices), default=-1)
        # Those before too: a device of the last one may have an earlier notice in one of them.
        return leaving + [each.flush(self._passed, self._lane) for each in ordered[: last + 1] if each.devices]

    def _after(self, gathering: _Gathering) -> list[_Gathering]:
        """This one and those that leave later."""
        return self._gatherings[self._gatherings.index(gathering) :]


def _merged(one: Notice, other: Notice) -> Notice:
    """A notice about both: the whole time, all records, and the command of the one that began earlier."""
    earlier, later = (one, other) if _or(one.since, inf) <= _or(other.since, inf) else (other, one)
    ends = [each.until for each in (one, other) if each.until is not None]
    counts = [each.count for each in (one, other) if each.count is not None]
    return replace(
        one,
        since=earlier.since,
        until=max(ends, default=None),
        count=sum(counts) if counts else None,
        offset_s=None,
        model=one.model if one.model == other.model else None,
        command=earlier.command or later.command,
    )


def _or(value: float | None, other: float) -> float:
    return other if value is None else value
