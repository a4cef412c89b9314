"""A device changes lanes so that a crash at any moment leaves it in the state of one (rule 32)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from consumer.worker.claims import Claims
from window.samples import Samples


class Lanes:
    """Three lanes that note what they are given."""

    def __init__(self) -> None:
        self.moved: list[tuple[str, str, int]] = []
        self.all: dict[str, Any] = {name: self._lane(name) for name in ("old", "new", "other")}
        self.claims = Claims()
        self.claims.restored("old", {1, 2})

    def _lane(self, name: str) -> Any:
        adopt = SimpleNamespace(adopt=lambda given: self.moved.append((given[0], name, given[1])))
        lane = SimpleNamespace(name=name, custody=adopt, hand_over=lambda device: (name, device))
        return SimpleNamespace(lane=lane, quiet=True, last_cut=7, stored_windows=-1, waits=False, holds=False)

    def delivered(self, lane: str, *devices: int) -> None:
        count = len(devices)
        samples = Samples.of([1.0] * count, [1.0] * count, [1.0] * count, device=list(devices))
        batch: Any = SimpleNamespace(samples=samples)
        self.claims.delivered(lane, batch)

    def turn(self) -> dict[str, tuple[bool, bool]]:
        """What of each lane waits, and what holds its commits."""
        self.claims.settle(self.all)
        return {name: (owned.waits, owned.holds) for name, owned in self.all.items()}


QUIET = (False, False)


def test_rule_32_a_devices_next_record_claims_it() -> None:
    """Once, and a device that nobody has is the lane's that gets its first record."""
    lanes = Lanes()
    lanes.delivered("new", 1, 3)
    lanes.delivered("old", 2)
    lanes.turn()
    lanes.delivered("new", 1, 3)
    lanes.turn()
    assert lanes.moved == [("old", "new", 1)]


def test_rule_32_what_the_last_lane_has_promised_leaves_first() -> None:
    """Meanwhile the lane that claims processes nothing: a device's messages keep their order."""
    lanes = Lanes()
    lanes.all["old"].quiet = False
    lanes.delivered("new", 1)
    assert lanes.turn() == {"old": QUIET, "new": (True, False), "other": QUIET}
    assert lanes.moved == []
    lanes.all["old"].quiet = True
    assert lanes.turn() == {"old": (False, True), "new": QUIET, "other": QUIET}
    assert lanes.moved == [("old", "new", 1)]


def test_rule_32_the_last_lane_commits_again_once_the_device_is_stored() -> None:
    """With windows of a commit after the claim; until then its own head and windows still have the device."""
    lanes = Lanes()
    lanes.delivered("new", 1)
    for stored, holds in ((-1, True), (7, True), (8, False)):
        lanes.all["new"].stored_windows = stored
        assert lanes.turn()["old"] == (False, holds)


def test_rule_32_two_lanes_do_not_wait_for_each_other() -> None:
    """Each has taken from the other."""
    lanes = Lanes()
    lanes.claims.restored("new", {5})
    lanes.delivered("new", 1)
    lanes.delivered("old", 5)
    assert lanes.turn() == dict.fromkeys(lanes.all, QUIET)
    assert len(lanes.moved) == 2
