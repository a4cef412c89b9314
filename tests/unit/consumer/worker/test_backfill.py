"""When the table is read, and who is given what was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from consumer.intake.gaps import FIRST_WINDOW
from consumer.state.head import Gap
from consumer.worker.backfill import FILL_ANYWAY_S, Backfill, FirstWindow
from window.rolling import SHOWN_S

NOW = 10_000.0
GAP = Gap("backfill-1", 100.0, "trimmed", 200.0, until=150.0)


class Tables:
    """Notes what is asked for; ``found`` is what the next turn is given."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Gap, list[str]]] = []
        self.found: list[Any] = []
        self.stopped = False

    def ask(self, lane: str, gap: Gap, devices: Sequence[str]) -> None:
        self.asked.append((lane, gap, list(devices)))

    def answers(self) -> Iterator[Any]:
        found, self.found = self.found, []
        return iter(found)

    def stop(self) -> None:
        self.stopped = True


class Lane:
    """Has gaps, and takes what the table has of them."""

    def __init__(self, name: str, *gaps: Gap) -> None:
        self.name = name
        self.devices = [f"device of {name}"]
        self.gaps = list(gaps)
        self.taken: list[Any] = []
        self.recovery = SimpleNamespace(awaits_fill=False)

    def gaps_to_read(self) -> list[Gap]:
        found, self.gaps = self.gaps, []
        return found

    def of_own_devices(self, decoded: Any) -> Any:
        return f"{decoded} of {self.name}"

    def take_items(self, gap: Gap, decoded: Any) -> None:
        self.taken.append((gap.name, decoded))


class Rig:
    """A backfill over these lanes."""

    def __init__(self, *lanes: Lane, first: FirstWindow = FirstWindow(), one_lane: bool = True) -> None:  # noqa: B008
        self.tables = Tables()
        self.filled: list[Any] = []
        routes: Any = Routes(SimpleNamespace(lane=lane) for lane in lanes)
        routes.one_lane, routes.fill = one_lane, self.filled.append
        self.backfill = Backfill(self.tables, routes, first)


class Routes(list[Any]):
    """Lanes of a worker."""

    one_lane: bool
    fill: Any

    def await_fill(self) -> None:
        """As `consumer.worker.lanes.Lanes`."""
        for owned in self:
            owned.lane.recovery.awaits_fill = True


def test_a_first_start_asks_for_the_windows_once_the_iterators_are_taken() -> None:
    """Up to now, for as long as a window shows; until they are filled the lanes wait."""
    lane = Lane("table")
    rig = Rig(lane, first=FirstWindow(wanted=True))
    assert lane.recovery.awaits_fill
    rig.backfill.turn(NOW, ready=False)
    assert rig.tables.asked == []
    for now in (NOW + 1.0, NOW + 2.0):
        rig.backfill.turn(now, ready=True)
    ((name, gap, devices),) = rig.tables.asked
    assert (name, gap.since, gap.until, devices) == (FIRST_WINDOW, NOW + 1.0 - SHOWN_S, NOW + 1.0, [])
    assert rig.backfill.fills
    rig.tables.found = [(FIRST_WINDOW, gap, SimpleNamespace(samples="samples"))]
    rig.backfill.turn(NOW + 3.0, ready=True)
    assert (rig.filled, rig.backfill.fills) == (["samples"], False)


def test_a_shard_that_cannot_be_read_is_not_waited_for() -> None:
    """Half a minute after the first turn the table is read all the same."""
    rig = Rig(Lane("table"), first=FirstWindow(wanted=True))
    for seconds in (0.0, FILL_ANYWAY_S):
        rig.backfill.turn(NOW + seconds, ready=False)
    assert rig.tables.asked == []
    rig.backfill.turn(NOW + FILL_ANYWAY_S + 1.0, ready=False)
    assert len(rig.tables.asked) == 1


def test_a_successor_fills_the_windows_as_they_were_at_the_first_start() -> None:
    """What came since is read from the stream, in its order."""
    rig = Rig(Lane("table"), first=FirstWindow(wanted=True, tip=NOW - 600.0))
    rig.backfill.turn(NOW, ready=True)
    assert rig.tables.asked[0][1].until == NOW - 600.0


def test_other_starts_read_no_table() -> None:
    """And let nobody wait."""
    lane = Lane("table")
    rig = Rig(lane)
    rig.backfill.turn(NOW, ready=True)
    assert (lane.recovery.awaits_fill, rig.backfill.fills, rig.tables.asked) == (False, False, [])


def test_a_gap_is_read_for_the_lane_that_has_it() -> None:
    """With its devices, once; all that is found is its own where there is one lane."""
    lane = Lane("table", GAP)
    rig = Rig(lane)
    for _ in range(2):
        rig.backfill.turn(NOW, ready=True)
    assert rig.tables.asked == [("table", GAP, ["device of table"])]
    rig.tables.found = [("table", GAP, "items")]
    rig.backfill.turn(NOW, ready=True)
    assert lane.taken == [(GAP.name, "items")]


def test_of_several_lanes_each_takes_its_own_devices() -> None:
    """Another lane has the others, and would publish the same."""
    lanes = [Lane("table"), Lane("a", GAP), Lane("b")]
    rig = Rig(*lanes, one_lane=False)
    rig.backfill.turn(NOW, ready=True)
    rig.tables.found = [("a", GAP, "items")]
    rig.backfill.turn(NOW, ready=True)
    assert [lane.taken for lane in lanes] == [[], [(GAP.name, "items of a")], []]


def test_what_is_still_to_be_read_is_dropped_at_a_stop() -> None:
    """The next owner reads it."""
    rig = Rig(Lane("table"))
    rig.backfill.stop()
    assert rig.tables.stopped
