"""A commit is made durable in the one order that is safe, and again until it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from consumer.errors import Fenced, Retry
from consumer.state import committer as committer_module
from consumer.state.commit import Commit
from consumer.state.committer import UNFULFILLED, Abandoned, Committer, Outgoing, Sinks, steps
from consumer.state.delivery import Delivered
from consumer.state.head import Head
from consumer.state.snapshot import Snapshot
from reporting.message import Message
from reporting.sinks.archive import Revision, StoredObject
from reporting.sinks.publisher import Answer, Refusal

MESSAGES = tuple(Message(f"m{n}", "anomaly.sample", "high", f"d{n}", "sample", "urn:s", "{}", "t") for n in range(3))


def commit(*, snapshot: bool = True, minutes: int = 2, objects: int = 2, messages: int = 3) -> Commit:
    return Commit(
        head=Head(lane="table", owner="me", epoch=2, commit=7, bundle="b"),
        messages=MESSAGES[:messages],
        minutes=tuple(StoredObject(f"minute-{n}", b"") for n in range(minutes)),
        quarantine=tuple(StoredObject(f"aside-{n}", b"") for n in range(objects)),
        ledger=tuple(StoredObject(f"book-{n}", b"") for n in range(objects)),
        snapshot=Snapshot(7, {}, {}, {}) if snapshot else None,
    )


class World:
    """All sinks at once, a publisher among them.

    ``done`` is what was carried out, in order; ``faults`` raise before that, by name.
    """

    def __init__(self) -> None:
        self.done: list[str] = []
        self.revisions: set[Revision] = set()
        self.stored: dict[str, Revision] = {}
        self.faults: dict[str, list[BaseException]] = {}
        self.refused: list[list[str]] = []
        self.name = "topic"
        self.bucket = "results"
        self.now = 0.0
        self._lock = threading.Lock()

    def _do(self, name: str) -> None:
        with self._lock:
            if self.faults.get(name):
                raise self.faults[name].pop(0)
            self.done.append(name)

    def write(self, head: Head) -> None:
        self._do(f"head {head.commit}")

    def write_windows(self, body: bytes, revision: Revision) -> Revision:
        self.windows = Snapshot.decode(body)
        self.revisions.add(revision)
        self._do("windows")
        return max(revision, self.stored.get("windows", revision))

    def put(self, item: StoredObject) -> None:
        self._do(item.key)

    def put_revision(self, item: StoredObject, revision: Revision) -> Revision:
        self.revisions.add(revision)
        self._do(item.key)
        return max(revision, self.stored.get(item.key, revision))

    def publish(self, messages: Sequence[Message]) -> Answer:
        refused = self.refused.pop(0) if self.refused else []
        self._do("topic")
        self.done += [m.id for m in messages if m.id not in refused]
        return Answer(tuple(Refusal(m, "Throttled") for m in messages if m.id in refused))

    @property
    def sinks(self) -> Sinks:
        whole: Any = self
        return Sinks(whole, whole, (whole,))


@pytest.fixture
def world() -> World:
    """Sinks that take everything."""
    return World()


@pytest.fixture
def begin(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Committer]]:
    """Makes committers that try again at once, and ends them."""
    monkeypatch.setattr(committer_module, "BACKOFF_FROM_S", 0.0005)
    made: list[Committer] = []

    def make() -> Committer:
        made.append(Committer(world.sinks, clock=lambda: world.now))
        return made[-1]

    yield make
    for each in made:
        each.stop()


WHOLE = [{"aside-0", "aside-1"}, {"head 7"}, {"minute-0", "minute-1"}, {"book-0", "book-1"}, {"topic"}, {"windows"}]


def test_the_steps_of_a_commit_come_in_this_order(world: World) -> None:
    """What is set aside before the head, which moves past it; what is told after the head that promises it; the
    windows, which only spare reading again, last."""
    names = []
    for group in steps(commit(), world.sinks, Outgoing(MESSAGES, world.sinks)):
        before = len(world.done)
        for step in group:
            step.call()
        names.append({name for name in world.done[before:] if not name.startswith("m") or name.startswith("minute")})
    assert names == WHOLE
    assert world.revisions == {(2, 7)}


def test_bug_39_a_refused_write_is_no_success(world: World) -> None:
    """The head is written in a higher epoch, which proves who owns the lane; then what was refused is written again."""
    world.stored = {"minute-1": (5, 3), "windows": (9, 1)}
    one = commit()
    for group in steps(one, world.sinks, Outgoing(MESSAGES, world.sinks)):
        for step in group:
            step.call()
    revised = [name for name in world.done if name.startswith(("head", "minute", "windows"))]
    assert revised == ["head 7", "minute-0", "minute-1", "head 7", "minute-1", "windows", "head 7", "windows"]
    assert world.revisions == {(2, 7), (6, 7), (10, 7)}
    assert (one.rewritten.epoch, one.rewritten.keys) == (10, ["minute-1", "windows"])
    notice = one.rewritten.notice(100.0)
    assert (notice.type, notice.count) == ("health.rewritten", 2)
    assert "under epoch 10" in notice.summary


def test_bug_39_who_has_lost_the_lane_writes_nothing_again(world: World) -> None:
    """The head says so: another owner's epoch was the higher one."""
    world.stored = {"minute-1": (5, 3)}
    groups = steps(commit(), world.sinks, Outgoing(MESSAGES, world.sinks))
    for group in groups:
        if world.done.count("head 7"):
            world.faults["head 7"] = [Fenced("another owner")]
        if world.faults.get("head 7") and group[0].name == "head":
            with pytest.raises(Fenced):
                group[0].call()
            break
        for step in group:
            step.call()
    assert world.done.count("minute-1") == 1


def test_a_step_may_be_repeated(world: World) -> None:
    """Each of them, after any failure: what it writes is the same."""
    for group in steps(commit(), world.sinks, Outgoing(MESSAGES, world.sinks)):
        for step in group:
            step.call()
            if step.name != "topic":
                step.call()
    assert world.done.count("head 7") == world.done.count("minute-0") == world.done.count("windows") == 2


def test_a_commit_is_written_whole_and_comes_back(world: World, begin: Callable[[], Committer]) -> None:
    """A group begins when all of the one before is done."""
    assert begin().submit(commit()).result(timeout=5) == Delivered()
    position = 0
    for group in WHOLE:
        assert set(world.done[position : position + len(group)]) == group
        position += len(group) + (3 if group == {"topic"} else 0)
    assert world.done[-1] == "windows"


def test_a_bare_commit_writes_its_head(world: World, begin: Callable[[], Committer]) -> None:
    """A heartbeat: no minutes, no objects, no windows, and nothing to tell."""
    begin().submit(commit(snapshot=False, minutes=0, objects=0, messages=0)).result(timeout=5)
    assert world.done[0] == "head 7"
    assert [name for name in world.done[1:] if name != "topic"] == []


@pytest.mark.parametrize("step", ["aside-1", "head 7", "minute-1", "book-0", "topic", "windows"])
def test_whatever_fails_is_tried_again_until_it_works(world: World, begin: Callable[[], Committer], step: str) -> None:
    """And nothing after it is done before."""
    error = ClientError({"Error": {"Code": "SlowDown"}, "ResponseMetadata": {"HTTPStatusCode": 503}}, "Put")  # type: ignore[typeddict-item]
    world.faults[step] = [error, Retry("again"), EndpointConnectionError(endpoint_url="https://s3"), error]
    begin().submit(commit()).result(timeout=5)
    assert world.faults[step] == []
    place = next(k for k, group in enumerate(WHOLE) if step in group)
    later = set().union(*WHOLE[place + 1 :])
    assert all(name not in world.done[: world.done.index(step)] for name in later)


def test_rule_29_one_refused_message_does_not_block_the_commit(world: World, begin: Callable[[], Committer]) -> None:
    """It comes back to go into the next one. The windows must not prove that it was delivered: after a crash the
    successor sends the outbox of this head."""
    world.refused = [["m1"]]
    result = begin().submit(commit()).result(timeout=5)
    assert result == Delivered((MESSAGES[1],), "Throttled")
    assert [name for name in world.done if name in ("m0", "m1", "m2")] == ["m0", "m2"]
    assert world.done[-1] == "windows"
    assert world.windows.commit == UNFULFILLED
    begin().submit(commit()).result(timeout=5)
    assert world.windows.commit == 7


def test_a_worker_that_lost_its_lane_writes_nothing_more(world: World, begin: Callable[[], Committer]) -> None:
    """But what is a function of a record alone; the fence is not tried again (invariant 4)."""
    world.faults["head 7"] = [Fenced("lane table is owned by you")]
    with pytest.raises(Fenced):
        begin().submit(commit()).result(timeout=5)
    assert set(world.done) == WHOLE[0]


def test_what_the_last_owner_promised_goes_first(world: World, begin: Callable[[], Committer]) -> None:
    """Before the first commit; what is not taken comes back."""
    world.refused = [["m1"]]
    committer = begin()
    promise = committer.resend(MESSAGES[:2])
    committer.submit(commit(messages=0, objects=0)).result(timeout=5)
    assert [name for name in world.done if name != "topic"][:2] == ["m0", "head 7"]
    assert promise.result(timeout=5).carried == (MESSAGES[1],)


def test_with_no_promise_nothing_is_sent(world: World, begin: Callable[[], Committer]) -> None:
    """Not even an empty call."""
    assert begin().resend(()).result(timeout=5) == Delivered()
    assert world.done == []


@pytest.mark.parametrize("step", ["head 7", "minute-0", "topic"])
def test_told_to_stop_it_gives_up_what_keeps_failing(
    world: World, begin: Callable[[], Committer], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """However long it would have waited before the next attempt; the next owner finds it in the head."""
    monkeypatch.setattr(committer_module, "BACKOFF_FROM_S", 60.0)
    failing = threading.Event()

    class Down(Retry):
        def __str__(self) -> str:
            failing.set()
            return "down"

    world.faults[step] = [Down() for _ in range(100)]
    committer = begin()
    future = committer.submit(commit())
    assert failing.wait(5)
    committer.stop()
    with pytest.raises(Abandoned, match="down"):
        future.result(timeout=5)
    assert "windows" not in world.done


def test_waiting_grows_up_to_a_bound(
    world: World, begin: Callable[[], Committer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sink that is down for an hour is not asked a thousand times a second."""
    committer, waits = begin(), list[float]()
    monkeypatch.setattr(committer_module, "BACKOFF_FROM_S", 0.2)
    monkeypatch.setattr(committer._stop, "wait", lambda timeout: waits.append(timeout))
    world.faults["head 7"] = [Retry("down") for _ in range(10)]
    committer.submit(commit()).result(timeout=5)
    assert waits == pytest.approx([0.2, 0.4, 0.8, 1.6, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5])


def test_an_owner_that_waits_for_a_sink_shows_that_it_lives(
    world: World, begin: Callable[[], Committer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A standby that hears nothing for 15 s takes the lane: a topic that is down for minutes must not cost it."""
    committer = begin()

    def wait(timeout: float) -> bool:
        world.now += timeout
        return False

    monkeypatch.setattr(committer._stop, "wait", wait)
    world.faults["topic"] = [Retry("down") for _ in range(40)]
    committer.submit(commit(minutes=0, objects=0)).result(timeout=5)
    beats = world.done.count("head 7")
    assert world.now > 40
    assert beats >= 1 + world.now // 8


def test_a_fault_of_our_own_is_not_tried_again(world: World, begin: Callable[[], Committer]) -> None:
    """It would fail for ever, in silence: it goes to the worker."""
    world.faults["book-1"] = [ValueError("a bug")]
    with pytest.raises(ValueError, match="a bug"):
        begin().submit(commit()).result(timeout=5)
    assert "topic" not in world.done


def test_publishing_nothing_is_done(world: World) -> None:
    """And a step that is repeated goes on where it stood."""
    nothing = Outgoing((), world.sinks)
    for step in nothing.steps():
        step.call()
    assert (nothing.result, world.done) == (Delivered(), [])
    outgoing = Outgoing(MESSAGES, world.sinks)
    (step,) = outgoing.steps()
    world.faults["topic"] = [Retry("down")]
    with pytest.raises(Retry, match="down"):
        step.call()
    step.call()
    step.call()
    assert [name for name in world.done if name.startswith("m")] == ["m0", "m1", "m2"]


def test_what_one_of_two_publishers_did_not_take_is_carried(world: World) -> None:
    """In the same group. The other one gets it twice, with the same id."""
    other = World()
    other.name = "bus"
    other.refused = [["m1"]]
    sinks = Sinks(world.sinks.state, world.sinks.objects, (*world.sinks.publishers, *other.sinks.publishers))
    committer = Committer(sinks)
    result = committer.submit(commit()).result(timeout=5)
    committer.stop()
    assert result.carried == (MESSAGES[1],)
    assert [name for name in world.done if name.startswith("m") and "-" not in name] == ["m0", "m1", "m2"]
    assert [name for name in other.done if name != "topic"] == ["m0", "m2"]
    assert world.done[-1] == "windows"
