"""A lane with its commits: one in flight, the next being filled; nothing is acknowledged before it is durable."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future
from typing import Any, cast

import pytest

from consumer.errors import Fenced
from consumer.state.commit import Commit
from consumer.state.delivery import Delivered, SetAside
from consumer.state.head import Head, ShardPosition
from consumer.state.snapshot import Snapshot
from consumer.worker.owned_lane import OwnedLane
from reporting.message import Message

MESSAGE = Message("m", "anomaly.sample", "high", "d", "sample", "urn:s", "{}", "t")


def commit(number: int, **positions: ShardPosition) -> Commit:
    return Commit(Head(lane="table", owner="me", commit=number, bundle="b", positions=positions), (MESSAGE,))


class LaneTwin:
    """A lane that has these commits to cut, and says what it was asked."""

    def __init__(self, *commits: Commit) -> None:
        self.waiting = list(commits)
        self.promised = (MESSAGE,)
        self.undelivered = ("e0",)
        self.asked: list[str] = []
        self.told: list[Delivered] = []

    def delivered(self, delivered: Delivered, now: float) -> None:
        self.told.append(delivered)

    def step(self, now: float, budget: Any) -> None:
        self.asked.append(f"step {now:g}")

    def cut(self, now: float, *, final: bool = False) -> Commit | None:
        self.asked.append("final cut" if final else "cut")
        return self.waiting.pop(0) if self.waiting else None

    def grants(self) -> dict[str, tuple[int, int]]:
        return {"s": (3, 1000), "t": (1, -20)}

    def tally(self) -> Counter[str]:
        return Counter(scored=4)

    def epoch(self, shard: str) -> int | None:
        return {"s": 3, "t": 1}.get(shard)


class CommitsTwin:
    """Keeps what is submitted until the test says that it is durable."""

    def __init__(self) -> None:
        self.submitted: list[Commit] = []
        self.futures: list[Future[Delivered]] = []
        self.resent: list[Any] = []
        self.promise: Future[Delivered] = Future()
        self.promise.set_result(Delivered())
        self.trouble: tuple[float, str] | None = None
        self.stopped = False

    def submit(self, one: Commit) -> Future[Delivered]:
        assert all(future.done() for future in self.futures), "one commit in flight"
        self.submitted.append(one)
        self.futures.append(Future())
        return self.futures[-1]

    def resend(self, messages: Any, episodes: Any) -> Future[Delivered]:
        self.resent.append((messages, episodes))
        return self.promise

    def stop(self) -> None:
        self.stopped = True


class SourceTwin:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def credit(self, *of: Any) -> None:
        self.told.append(("credit", *of))

    def ack(self, *of: Any) -> None:
        self.told.append(("ack", *of))

    def ended(self, *of: Any) -> None:
        self.told.append(("ended", *of))

    @property
    def acknowledged(self) -> list[tuple[Any, ...]]:
        return [told for told in self.told if told[0] != "credit"]


def owned(*commits: Commit) -> tuple[OwnedLane, Any, CommitsTwin, Any]:
    lane: Any = LaneTwin(*commits)
    sinks, source = CommitsTwin(), SourceTwin()
    return OwnedLane(lane, sinks), lane, sinks, source


FIRST = commit(
    1, s=ShardPosition(sequence="10"), t=ShardPosition(sequence="7", ended=True), u=ShardPosition(sequence="1")
)
SECOND = commit(2, s=ShardPosition(sequence="20"), t=ShardPosition(sequence="7", ended=True))


def test_what_the_last_owner_promised_is_sent_before_anything_else() -> None:
    """Before the first turn."""
    _, lane, sinks, _ = owned()
    assert sinks.resent == [((MESSAGE,), ("e0",))]
    assert lane.asked == []


def test_positions_are_acknowledged_when_their_commit_is_durable_and_not_before() -> None:
    """Of the shards that are read, in their epoch; the end of a shard too (invariant 3)."""
    one, _, sinks, source = owned(FIRST, SECOND)
    one.turn(source, 1.0)
    one.turn(source, 2.0)
    assert sinks.submitted == [FIRST]
    assert source.acknowledged == []
    sinks.futures[0].set_result(Delivered())
    one.turn(source, 3.0)
    assert source.acknowledged == [("ack", "s", 3, "10"), ("ack", "t", 1, "7"), ("ended", "t", 1)]
    assert sinks.submitted == [FIRST, SECOND]


def test_a_shard_that_ended_without_a_record_is_told_as_ended() -> None:
    """There is nothing to acknowledge in it, but its children wait for it."""
    empty = commit(1, s=ShardPosition(), t=ShardPosition(ended=True), u=ShardPosition(ended=True))
    one, _, sinks, source = owned(empty)
    one.turn(source, 1.0)
    sinks.futures[0].set_result(Delivered())
    one.turn(source, 2.0)
    assert source.acknowledged == [("ended", "t", 1)]


def test_while_a_commit_is_in_flight_the_lane_goes_on_and_cuts_no_other() -> None:
    """Scoring never waits for a sink; credit is told every turn."""
    one, lane, _, source = owned(FIRST, SECOND)
    for now in (1.0, 2.0, 3.0):
        one.turn(source, now)
    assert lane.asked == ["step 1", "cut", "step 2", "step 3"]
    assert source.told == [("credit", "s", 3, 1000), ("credit", "t", 1, -20)] * 3


def test_before_the_first_windows_are_filled_nothing_is_processed() -> None:
    """But it reads, and shows that it lives."""
    one, lane, _, source = owned()
    one.turn(source, 1.0, process=False)
    assert lane.asked == ["cut"]
    assert source.told


def test_a_fence_reaches_the_worker() -> None:
    """Nothing is acknowledged."""
    one, _, sinks, source = owned(FIRST)
    one.turn(source, 1.0)
    sinks.futures[0].set_exception(Fenced("owned by you"))
    with pytest.raises(Fenced):
        one.turn(source, 2.0)
    assert source.acknowledged == []


def test_finishing_waits_for_what_is_in_flight_and_makes_the_rest_durable() -> None:
    """Then the lane is released."""
    one, lane, sinks, source = owned(FIRST, SECOND)
    one.turn(source, 1.0)
    sinks.futures[0].set_result(Delivered())
    real = sinks.submit

    def at_once(last: Commit) -> Future[Delivered]:
        future = real(last)
        future.set_result(Delivered())
        return future

    sinks.submit = at_once  # type: ignore[method-assign]
    one.begin_last(source, 2.0, 1.0)
    one.end_last(source, 2.0, 1.0)
    assert sinks.submitted == [FIRST, SECOND]
    assert lane.asked[-1] == "final cut"
    assert source.acknowledged[-3:] == [("ack", "s", 3, "20"), ("ack", "t", 1, "7"), ("ended", "t", 1)]


def test_finishing_does_not_wait_for_ever() -> None:
    """The next start goes on from the commit before."""
    one, lane, _, source = owned(FIRST)
    one.turn(source, 1.0)
    with pytest.raises(TimeoutError):
        one.begin_last(source, 2.0, 0.001)
    assert "final cut" not in lane.asked


def test_stopping_ends_the_commits() -> None:
    """Whatever is not durable is given up."""
    one, _, sinks, _ = owned()
    one.stop()
    assert sinks.stopped


def test_what_was_told_is_counted_once_it_is_durable() -> None:
    """Background what the lane counts, whose `late` are records; and only once."""
    notice = Message("n", "health.silence", "high", "d", "opened", "urn:s", "{}", "t")
    ended = Message("o", "health.silence", "low", "d", "closed", "urn:s", "{}", "t")
    late = Message("l", "health.late", "medium", "d", "opened", "urn:s", "{}", "t")
    lane = LaneTwin(Commit(Head(lane="table", owner="me", commit=1, bundle="b"), (MESSAGE, notice, ended, late)))
    sinks, source = CommitsTwin(), SourceTwin()
    owned_lane, any_source = OwnedLane(cast("Any", lane), sinks), cast("Any", source)
    owned_lane.turn(any_source, 0.0)
    assert owned_lane.tally() == Counter(scored=4)
    sinks.futures[0].set_result(Delivered())
    owned_lane.turn(any_source, 1.0)
    assert owned_lane.tally() == Counter(scored=4, messages=4, silence=1, late_run=1)
    assert owned_lane.tally() == Counter(scored=4)


def windows(number: int) -> Commit:
    return Commit(Head(lane="table", owner="me", commit=number, bundle="b"), snapshot=Snapshot(number, {}, {}, {}))


def test_rule_32_a_lane_that_has_given_a_device_commits_nothing_meanwhile() -> None:
    """Neither a commit nor, at a stop, its last one: its stored state still has the device."""
    lane, commits = LaneTwin(windows(1), windows(2)), CommitsTwin()
    owned, source = OwnedLane(cast("Any", lane), commits), cast("Any", SourceTwin())
    owned.holds = owned.waits = True
    owned.turn(source, 1.0)
    owned.begin_last(source, 2.0, 0.1)
    owned.end_last(source, 2.0, 0.1)
    assert (commits.submitted, lane.asked) == ([], [])
    owned.holds = owned.waits = False
    owned.turn(source, 3.0)
    assert (owned.last_cut, owned.stored_windows, owned.quiet) == (1, -1, False)
    commits.futures[0].set_result(Delivered())
    owned.turn(source, 4.0)
    assert (owned.last_cut, owned.stored_windows) == (2, 1)


def test_rule_32_a_lane_that_is_over_is_released_with_its_last_commit() -> None:
    """And makes no other."""
    last = Commit(Head(lane="table", owner="me", commit=1, bundle="b", released=True))
    lane, commits = LaneTwin(last, windows(2)), CommitsTwin()
    owned, source = OwnedLane(cast("Any", lane), commits), cast("Any", SourceTwin())
    owned.retire()
    owned.turn(source, 1.0)
    assert lane.asked == ["step 1", "final cut"]
    commits.futures[0].set_result(Delivered())
    owned.turn(source, 2.0)
    owned.turn(source, 3.0)
    assert owned.retired
    assert commits.submitted == [last]


def test_rule_28_what_was_written_again_is_told_to_the_lane() -> None:
    """With the epoch that it goes on from."""
    lane, commits = LaneTwin(commit(1)), CommitsTwin()
    owned, source = OwnedLane(cast("Any", lane), commits), cast("Any", SourceTwin())
    lane.rewrote = lambda rewritten, now: lane.asked.append(f"epoch {rewritten.epoch} at {now:g}")  # type: ignore[attr-defined]
    owned.turn(source, 1.0)
    done = commits.submitted[0]
    done.rewritten.epoch, done.rewritten.keys = 9, ["a minute"]
    commits.futures[0].set_result(Delivered())
    owned.turn(source, 2.0)
    assert "epoch 9 at 2" in lane.asked


def test_rule_29_what_the_sinks_did_not_take_goes_to_the_lane_before_it_cuts_again() -> None:
    """The next outbox must have it, or a crash would lose it. Meanwhile it is said, and not counted as told."""
    other = Message("o", "anomaly.sample", "high", "e", "sample", "urn:s", "{}", "t")
    lane: Any = LaneTwin(Commit(FIRST.head, (MESSAGE, other)), SECOND)
    sinks, source = CommitsTwin(), cast("Any", SourceTwin())
    one = OwnedLane(lane, sinks)
    one.turn(source, 1.0)
    refused = Delivered((MESSAGE,), "KMSAccessDenied", (SetAside(other, "InvalidParameter", "s3://b/k"),))
    sinks.futures[0].set_result(refused)
    one.turn(source, 2.0)
    assert lane.told == [Delivered(), refused]
    assert lane.asked[-1] == "cut"
    assert one.trouble == (2.0, "1 messages are not taken: KMSAccessDenied")
    assert one.tally() == Counter(scored=4, undelivered=1)
    sinks.futures[1].set_result(refused)
    one.turn(source, 40.0)
    assert one.trouble == (2.0, "1 messages are not taken: KMSAccessDenied")
    lane.waiting.append(SECOND)
    one.turn(source, 41.0)
    sinks.futures[2].set_result(Delivered())
    one.turn(source, 42.0)
    assert one.trouble is None


def test_rule_29_no_commit_is_cut_before_it_is_known_what_became_of_the_promise() -> None:
    """The last owner's messages that are refused stand in the first commit."""
    lane: Any = LaneTwin(FIRST)
    sinks, source = CommitsTwin(), cast("Any", SourceTwin())
    sinks.promise = Future()
    one = OwnedLane(lane, sinks)
    one.turn(source, 1.0)
    assert sinks.submitted == []
    sinks.promise.set_result(Delivered((MESSAGE,), "Throttled"))
    one.turn(source, 2.0)
    assert lane.told == [Delivered((MESSAGE,), "Throttled")]
    assert sinks.submitted == [FIRST]
