"""Which lane has which device, in a table keyed by device, and how one changes lanes (rule 32).

A device stays in one lineage of shards, so it stays in one lane, until its lineage is trimmed while no worker runs.
Then its next record comes in another lane, which claims it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import structlog

from consumer.stream.source import ShardBatch
from consumer.worker.owned_lane import OwnedLane

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Move:
    """A device that has changed lanes in this process, while a restart would still find it where it was. ``given`` and
    ``commit``: the last commits that were cut of the two lanes."""

    giver: OwnedLane
    taker: OwnedLane
    given: int
    commit: int

    @property
    def stored(self) -> bool:
        """Has the lane that takes stored the device, with its windows?"""
        return self.taker.stored_windows > self.commit

    @property
    def over(self) -> bool:
        """Has then the lane that gives stored that it has it no more?"""
        return self.stored and (self.giver.durable > self.given or self.giver.retired is True)


class Claims:
    """Moves devices between lanes, so that a crash at any moment leaves each in the state of at least one lane.

    The lane that gives takes part in no claim before all that it has promised is durable, and commits nothing after it
    until the lane that takes has stored the device with its windows. That one processes nothing before the other's next
    commit: it might tell what the device's timers say, forget the device, and find it again after a crash where it was.
    A lane that still reads again what was committed before a restart goes on: it commits nothing before that is done.
    """

    def __init__(self) -> None:
        self._lane_of: dict[int, str] = {}
        self._claimed: dict[int, str] = {}
        self._moves: list[_Move] = []

    def restored(self, lane: str, devices: set[int]) -> None:
        """A lane was opened; ``devices``: the codes of its own."""
        self._lane_of.update(dict.fromkeys(devices, lane))

    def delivered(self, lane: str, batch: ShardBatch) -> None:
        """Records have come in a lane: it claims their devices."""
        for code in np.unique(batch.samples.device):
            device = int(code)
            if self._lane_of.setdefault(device, lane) != lane:
                self._claimed[device] = lane

    def settle(self, lanes: Mapping[str, OwnedLane]) -> None:
        """Move the claimed devices that can be moved now. A lane that waits for one processes nothing meanwhile."""
        self._moves = [move for move in self._moves if not move.over]
        for device, name in [*self._claimed.items()]:
            giver = lanes.get(self._lane_of[device])
            if giver is None or giver.quiet:
                del self._claimed[device]
                self._lane_of[device] = name
                if giver is not None:
                    self._move(device, giver, lanes[name])
        waiting = set(self._claimed.values())
        givers = {id(move.giver) for move in self._moves if not move.stored}
        takers = {id(move.taker) for move in self._moves}
        for name, owned in lanes.items():
            owned.waits = name in waiting or (id(owned) in takers and not owned.lane.recovery.holds_commits)
            # One that takes too commits all the same: two lanes that waited for each other would wait for ever.
            owned.holds = id(owned) in givers and id(owned) not in takers

    def _move(self, device: int, giver: OwnedLane, taker: OwnedLane) -> None:
        log.info("a device has changed lanes", device=device, lane=giver.lane.name, to=taker.lane.name)
        taker.lane.custody.adopt(giver.lane.hand_over(device))
        self._moves.append(_Move(giver, taker, giver.last_cut, taker.last_cut))
