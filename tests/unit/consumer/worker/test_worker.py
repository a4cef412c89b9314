"""The worker's loop and the order in which it stops, over twins of all its parts."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs
from worker_twins import background

from consumer.bundles.watcher import Offer
from consumer.errors import Fenced
from consumer.state.committer import Abandoned
from consumer.state.head import Refusal
from consumer.stream.source import SourceHealth, Topology
from consumer.worker.backfill import FirstWindow
from consumer.worker.liveness import LivenessFile
from consumer.worker.status import READER_STUCK_S, StatusLog
from consumer.worker.worker import EXIT_FAILED, EXIT_FENCED, EXIT_OK, STOP_S, Worker


class World:
    """Everything around the loop. ``done``: what happened, in order; ``fail``: what a turn or a finish raises;
    ``spent_s``: what the steps of a stop may take together."""

    def __init__(self, path: Path) -> None:
        self.done: list[str] = []
        self.events: list[Any] = []
        self.fail: dict[str, BaseException] = {}
        self.stop = threading.Event()
        self.turns = 3
        self.spent_s = 0.0  # what the steps of a stop may take together
        self.path = path
        self.lane = SimpleNamespace(
            name="table",
            watching=False,
            lagging=False,
            idle=False,
            unfinished=False,
            watermark=95.0,
            devices=["d"],
            ledger=SimpleNamespace(days={}, imbalance=lambda: 0),
            charts=SimpleNamespace(drain=lambda: ["chart"], final=lambda: self.done.append("final charts")),
            gaps_to_read=list,
            await_fill=lambda: None,
            mute=lambda mutes: None,
            offer=lambda bundle: None,
            take_items=lambda gap, decoded: self.done.append(f"items {gap}"),
        )
        self.owned = SimpleNamespace(
            lane=self.lane,
            turn=self._turn,
            finish=self._finish,
            stop=lambda: self.done.append("stop"),
            trouble=None,
            watermark=95.0,
            tally=Counter,
        )
        self.lanes = Routes(self)
        self.health = SourceHealth()
        self.source = SimpleNamespace(
            health=lambda: self.health,
            begin=lambda: self.done.append("read"),
            poll=lambda timeout_s: [self.events.pop(0)] if self.events else [],
            quiesce=lambda timeout_s: self._spend("stop reading", timeout_s),
            close=lambda timeout_s: self._spend("close the source", timeout_s),
        )
        self.charting = SimpleNamespace(
            draw=lambda requests: None, finish=lambda timeout_s: self._spend("finish charts", timeout_s)
        )

    def worker(self, **more: Any) -> Worker:
        lanes: Any = self.lanes
        source: Any = self.source
        charting: Any = self.charting
        observers = [LivenessFile(self.path), StatusLog()]
        return Worker(lanes, source, background(lanes, charting, **more), observers, clock=lambda: 100.0)

    def _turn(self, source: Any, now: float, budget: Any, *, process: bool) -> None:
        self.done.append("turn" if process else "turn without processing")
        self.turns -= 1
        if self.turns == 0:
            self.stop.set()
        if "turn" in self.fail:
            raise self.fail["turn"]

    def _finish(self, source: Any, now: float, timeout_s: float) -> None:
        self._spend("finish", 2 * timeout_s)  # `OwnedLane.finish` waits for two commits
        if "finish" in self.fail:
            raise self.fail["finish"]

    def _spend(self, step: str, at_most_s: float) -> None:
        self.done.append(step)
        self.spent_s += at_most_s


class Routes:
    """One lane."""

    one_lane = True

    def __init__(self, world: World) -> None:
        self.world = world

    def __iter__(self) -> Any:
        return iter([self.world.owned])

    @property
    def table(self) -> Any:
        return self.world.owned

    @property
    def reading(self) -> Any:
        return [self.table]

    def take(self, event: Any, now: float) -> None:
        self.world.done.append(type(event).__name__)

    def fill(self, samples: Any) -> None:
        self.world.done.append(f"fill {samples}")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A worker that is told to stop in its third turn."""
    return World(tmp_path / "pulse")


def test_it_stops_in_the_order_that_loses_nothing(world: World) -> None:
    """Reading first, then the commits, then what the source holds, the charts last."""
    assert world.worker().run(world.stop) == EXIT_OK
    assert world.done == [
        "read",
        "turn",
        "turn",
        "turn",
        "stop reading",
        "finish",
        "stop",
        "final charts",
        "close the source",
        "finish charts",
    ]
    assert world.spent_s == pytest.approx(STOP_S, abs=0.1)  # the commits have a deadline, which goes by the clock


def test_events_reach_the_lanes_before_they_are_processed(world: World) -> None:
    """In the turn in which they were read."""
    world.events = [Topology(())]
    world.worker().run(world.stop)
    assert world.done[:3] == ["read", "Topology", "turn"]


def test_a_worker_that_is_fenced_commits_no_more(world: World) -> None:
    """And says so by its exit code."""
    world.fail["turn"] = Fenced("owned by you")
    assert world.worker().run(world.stop) == EXIT_FENCED
    assert "finish" not in world.done
    assert world.done[-1] == "finish charts"


@pytest.mark.parametrize("error", [Fenced("x"), Abandoned("x"), TimeoutError()])
def test_a_last_commit_that_is_not_durable_is_a_failure(world: World, error: BaseException) -> None:
    """Everything is stopped all the same; the next start goes on from the commit before."""
    world.fail["finish"] = error
    assert world.worker().run(world.stop) == EXIT_FAILED
    assert world.done[-4:] == ["stop", "final charts", "close the source", "finish charts"]


def test_a_fault_of_our_own_stops_in_order(world: World) -> None:
    """What was scored is committed and the lane released, whatever broke the loop."""
    world.fail["turn"] = ValueError("a bug")
    assert world.worker().run(world.stop) == EXIT_FAILED
    assert world.done[-5:] == ["finish", "stop", "final charts", "close the source", "finish charts"]


def test_a_sink_that_stays_down_makes_it_unhealthy(world: World) -> None:
    """A worker that scores and cannot tell anybody is not well."""
    world.owned.trouble = (100.0 - 31.0, "topic: down")
    worker = world.worker()
    worker.turn(0.0)
    assert LivenessFile(world.path).check(100.0) == (False, "commits have been failing for 31 s: topic: down")


def test_a_pulse_that_cannot_be_written_stops_nothing(world: World) -> None:
    """The health check sees the file grow old; the batteries are watched all the same."""
    world.path = world.path / "absent" / "pulse"
    assert world.worker().run(world.stop) == EXIT_OK
    assert world.done.count("turn") == 3


def test_a_reader_that_died_ends_the_worker(world: World) -> None:
    """So that this is seen and it is started again; what was scored is committed."""
    world.health = SourceHealth(alive=False)
    assert world.worker().run(world.stop) == EXIT_FAILED
    assert world.done == [
        "read",
        "turn",
        "stop reading",
        "finish",
        "stop",
        "final charts",
        "close the source",
        "finish charts",
    ]


def test_it_says_how_it_is(world: World) -> None:
    """State and lag; a loop that stands still is seen by the age of the file, which is gone after a stop in order."""
    worker = world.worker()
    worker.turn(0)
    assert json.loads(world.path.read_text()) == {"at": 100.0, "state": "recovering", "lag_s": 5.0, "fault": ""}
    worker.stop()
    assert not world.path.exists()


@pytest.mark.parametrize(
    ("idle_s", "lagging", "fault"),
    [
        (READER_STUCK_S + 1, False, "a reader has been in one call for 101 s"),
        (
            0.0,
            True,
            "a shard cannot be read, and a lane waits for it. Run battery-watch doctor",
        ),
        (0.0, False, ""),
    ],
)
def test_what_is_wrong_makes_it_unhealthy(world: World, idle_s: float, lagging: bool, fault: str) -> None:
    """Running but dead, or held up."""
    world.health, world.lane.lagging = SourceHealth(idle_s=idle_s), lagging
    world.worker().turn(0)
    assert json.loads(world.path.read_text())["fault"] == fault


def test_a_source_that_is_in_trouble_makes_it_unhealthy(world: World) -> None:
    """In its own words."""
    world.health = SourceHealth(trouble="the stream has not answered for 61 s")
    world.worker().turn(0)
    assert json.loads(world.path.read_text())["fault"] == "the stream has not answered for 61 s"


def test_it_stops_when_the_table_has_a_new_stream_and_all_of_the_old_one_is_processed(world: World) -> None:
    """Whoever starts it again reads the new one."""
    world.health = SourceHealth(superseded=True)
    world.turns = 5
    assert world.worker().run(world.stop) == EXIT_OK  # something was still waiting: told to stop in the fifth turn
    world.stop.clear()
    world.turns, world.lane.idle = 5, True
    assert world.worker().run(world.stop) == EXIT_FAILED
    assert world.done.count("turn") == 5 + 1
    assert world.done[-4:] == ["stop", "final charts", "close the source", "finish charts"]


def test_the_lanes_learn_of_mutes_before_they_process(world: World) -> None:
    """In every turn: a lane may just have been opened. The reader is begun first and ended with the others."""
    told: list[Any] = []
    world.lane.mute = lambda mutes: (told.append(mutes), world.done.append("mute"))
    mutes: Any = SimpleNamespace(
        current="the mutes", begin=lambda: world.done.append("look"), stop=lambda: world.done.append("look no more")
    )
    world.worker(mutes=mutes).run(world.stop)
    assert world.done[:4] == ["look", "read", "mute", "turn"]
    assert world.done[-6:] == ["look no more", "finish", "stop", "final charts", "close the source", "finish charts"]
    assert told == ["the mutes"] * 3


class Given:
    """Bundles as the test says."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.current: Any = None

    def begin(self) -> None:
        self.world.done.append("look")

    def stop(self) -> None:
        self.world.done.append("look no more")


def test_every_lane_is_given_the_bundle_that_was_found(world: World) -> None:
    """In every turn, before it is processed; so are those that are opened later. What was refused is over when it is in
    force everywhere."""
    bundle: Any = SimpleNamespace(id="bw-new")
    given, in_force, followed = Given(world), [False, True, True], list[Any]()
    given.current = Offer(bundle)
    world.lane.offer = lambda found: world.done.append(f"offer {found.id}")
    world.lane.scores_with = lambda name: in_force.pop(0)
    world.lane.accept = lambda now: world.done.append("accept")
    world.worker(bundles=given, replace=followed.append).run(world.stop)
    assert world.done[:8] == ["look", "read", "offer bw-new", "turn", "offer bw-new", "accept", "turn", "offer bw-new"]
    assert "look no more" in world.done
    assert followed == [bundle] * 3


def test_a_refusal_is_told_by_the_tables_lane(world: World) -> None:
    """What is in force goes on in every lane."""
    given, offered, refused = Given(world), list[Any](), list[Any]()
    given.current = Offer(None, Refusal("bw-bad", "why"))
    world.lane.offer = offered.append
    world.lane.refuse = lambda refusal, now: refused.append((refusal, now))
    world.worker(bundles=given).run(world.stop)
    assert offered == [None] * 3
    assert refused == [(Refusal("bw-bad", "why"), 100.0)] * 3


class Tables:
    """Reads when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any, Any]] = []
        self.ready: list[tuple[str, Any, Any]] = []
        self.stopped = False

    def ask(self, lane: str, gap: Any, devices: Any) -> None:
        self.asked.append((lane, gap, devices))

    def answers(self) -> Any:
        ready, self.ready = self.ready, []
        yield from ready

    def stop(self) -> None:
        self.stopped = True


def test_at_a_first_start_the_windows_are_filled_before_the_first_record(world: World) -> None:
    """Iterators first, then the table, then processing (rule 18)."""
    tables = Tables()
    worker = world.worker(tables=tables, first=FirstWindow(True))
    worker.turn(0)
    assert tables.asked == []
    world.lane.watching = True
    worker.turn(0)
    worker.turn(0)
    assert len(tables.asked) == 1
    name, gap, _ = tables.asked[0]
    assert (gap.since, gap.until) == (100.0 - 25 * 60, 100.0)
    tables.ready = [(name, gap, SimpleNamespace(samples="the first window"))]
    worker.turn(0)
    assert world.done == ["turn without processing"] * 3 + ["fill the first window", "turn"]


def test_windows_are_filled_up_to_where_the_first_start_took_the_stream(world: World) -> None:
    """A successor of one that never came so far: later samples come from the stream, in their order, and windows that
    held them already would take those for old."""
    tables = Tables()
    world.lane.watching = True
    world.worker(tables=tables, first=FirstWindow(True, 40.0)).turn(0)
    ((_, gap, _),) = tables.asked
    assert (gap.since, gap.until) == (40.0 - 25 * 60, 40.0)


def test_gaps_are_read_from_the_table_for_the_lane_that_has_them(world: World) -> None:
    """And what is found goes back to it."""
    tables = Tables()
    world.lane.gaps_to_read = lambda: ["gap"]
    worker = world.worker(tables=tables)
    worker.turn(0)
    assert tables.asked == [("table", "gap", ["d"])]
    world.lane.gaps_to_read = list
    tables.ready = [("table", "gap", "decoded")]
    worker.turn(0)
    assert "items gap" in world.done
    worker.stop()
    assert tables.stopped


def test_the_log_says_when_it_watches_and_when_it_is_unwell(world: World) -> None:
    """Once each, however many turns it lasts."""
    world.lane.watching, world.health = True, SourceHealth(trouble="no answer")
    with capture_logs() as logs:
        worker = world.worker()
        worker.turn(0)
        worker.turn(0)
        world.health = SourceHealth()
        worker.turn(0)
        worker.turn(0)
    assert [line["event"] for line in logs] == ["watching", "unwell", "well again"]
    assert logs[1]["fault"] == "no answer"


def test_every_observer_hears_what_was_counted_in_a_turn(world: World) -> None:
    """Once: the counts of a turn are not those of the next."""
    heard: list[Any] = []
    observer: Any = SimpleNamespace(observe=heard.append, close=lambda: heard.append("closed"))
    counts = [Counter(scored=3), Counter[str](), Counter(scored=2)]
    world.owned.tally = lambda: counts.pop(0)
    lanes: Any = world.lanes
    charting: Any = world.charting
    source: Any = world.source
    worker = Worker(lanes, source, background(lanes, charting), [observer, observer], clock=lambda: 100.0)
    worker.run(world.stop)
    assert [status if status == "closed" else status.counts["scored"] for status in heard[::2]] == [3, 0, 2, "closed"]
    assert heard[::2] == heard[1::2]
