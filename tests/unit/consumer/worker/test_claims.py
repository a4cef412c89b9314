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
        recovery = SimpleNamespace(holds_commits=False)
        lane = SimpleNamespace(name=name, custody=adopt, recovery=recovery, hand_over=lambda device: (name, device))
        commits = {"last_cut": 7, "durable": 7, "stored_windows": -1, "retired": None}
        return SimpleNamespace(lane=lane, quiet=True, waits=False, holds=False, **commits)

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
    assert lanes.turn() == {"old": (False, True), "new": (True, False), "other": QUIET}
    assert lanes.moved == [("old", "new", 1)]


def test_rule_32_the_last_lane_commits_again_once_the_device_is_stored() -> None:
    """With windows of a commit after the claim; until then its own head and windows still have the device. And until
    they have it no more the new lane processes nothing: it could forget the device, and find it again after a crash."""
    lanes = Lanes()
    lanes.delivered("new", 1)
    for stored, durable, holds, waits in (
        (-1, 7, True, True),
        (7, 7, True, True),
        (8, 7, False, True),
        (8, 8, False, False),
    ):
        lanes.all["new"].stored_windows, lanes.all["old"].durable = stored, durable
        assert (lanes.turn()["old"], lanes.turn()["new"]) == ((False, holds), (waits, False))


def test_rule_32_a_lane_that_is_over_has_the_device_no_more() -> None:
    """Its last commit was that of its end."""
    lanes = Lanes()
    lanes.delivered("new", 1)
    lanes.turn()
    lanes.all["new"].stored_windows, lanes.all["old"].retired = 8, True
    assert lanes.turn() == dict.fromkeys(lanes.all, QUIET)


def test_rule_32_two_lanes_do_not_wait_for_each_other() -> None:
    """Each has taken from the other."""
    lanes = Lanes()
    lanes.claims.restored("new", {5})
    lanes.delivered("new", 1)
    lanes.delivered("old", 5)
    assert lanes.turn() == {"old": (True, False), "new": (True, False), "other": QUIET}
    assert len(lanes.moved) == 2
    for name in ("old", "new"):
        lanes.all[name].stored_windows = lanes.all[name].durable = 8
    assert lanes.turn() == dict.fromkeys(lanes.all, QUIET)


def test_rule_32_a_lane_that_reads_again_goes_on() -> None:
    """It commits only once that is done. If it waited for its own commit to take what the other gives, it would wait
    for ever."""
    lanes = Lanes()
    lanes.all["new"].lane.recovery.holds_commits = True
    lanes.delivered("new", 1)
    assert lanes.turn() == {"old": (False, True), "new": QUIET, "other": QUIET}
    lanes.all["new"].lane.recovery.holds_commits = False
    assert lanes.turn()["new"] == (True, False)
