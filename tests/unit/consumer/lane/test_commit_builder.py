"""When a commit is cut, and what is in it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from lane_rig import DAY_S, Record, Rig, T, named

from consumer.heartbeat import HEARTBEAT_S
from consumer.lane.commit_builder import MAX_MESSAGES
from consumer.state.head import Head
from reporting.keys import minute_key
from reporting.message import Publish
from scoring.bundle import Bundle


def test_the_head_promises_what_the_commit_writes(rig: Rig, at: Callable[..., Record]) -> None:
    """Messages word for word and the minutes: a successor can do all of it."""
    commit = rig.batch("s", at(3, 9.0), at(63, 9.0)).turn()
    assert commit is not None
    assert tuple(commit.head.outbox.messages) == commit.messages
    assert commit.head.outbox.minutes == [("device4", T), ("device4", T + 60)]
    assert [item.key for item in commit.minutes] == [minute_key("device4", T), minute_key("device4", T + 60)]
    assert (commit.head.commit, commit.head.owner, commit.head.heartbeat) == (1, "me", T)
    assert Head.model_validate_json(commit.head.model_dump_json()) == commit.head


def test_a_message_cuts_a_commit_at_once_and_nothing_else_does(rig: Rig, at: Callable[..., Record]) -> None:
    """Otherwise every five seconds, which is also the sign of life."""
    assert rig.turn(T) is not None
    assert rig.batch("s", at(0)).turn(T + 0.1) is None
    assert rig.batch("s", at(1, 9.0)).turn(T + 0.2) is not None
    assert rig.batch("s", at(100)).turn(T + 0.2 + HEARTBEAT_S - 0.01) is None
    later = rig.turn(T + 0.2 + HEARTBEAT_S)
    assert later is not None
    assert later.head.positions["s"].sequence == "2000"
    assert [commit.head.commit for commit in rig.commits] == [1, 2, 3]
    assert rig.turn(T + 0.3 + 2 * HEARTBEAT_S) is not None


@pytest.mark.parametrize("publish", ["episodes", "both"])
def test_fifty_also_where_many_episodes_open_at_once(
    plain_bundle: Bundle, at: Callable[..., Record], publish: Publish
) -> None:
    """A hundred devices in one second, and again later, when the ones before end with it."""
    rig = Rig(plain_bundle, publish=publish).open("s")
    for second in (1, 700):
        found = [at(second, 9.0, device=named(f"d{n:03}"), number=10_000 * second + n) for n in range(100)]
        rig.batch("s", *found).until_quiet()
    steps = [message for message in rig.messages if message.type in ("anomaly.opened", "anomaly.closed")]
    assert [message.state for message in steps] == ["opened"] * 100 + ["closed"] * 100 + ["opened"] * 100
    assert max(len(commit.messages) for commit in rig.commits) <= MAX_MESSAGES


def test_a_commit_holds_at_most_fifty_messages(rig: Rig, at: Callable[..., Record]) -> None:
    """The rest waits for the next, and nothing is lost or told twice."""
    rig.batch("s", *(at(n, 9.0) for n in range(200))).until_quiet()
    assert rig.told == [("device4", T + float(n), 0) for n in range(200)]
    assert max(len(commit.messages) for commit in rig.commits) <= MAX_MESSAGES
    for commit in rig.commits:
        # What a position has passed was told by then.
        last = int(commit.head.positions["s"].sequence or 0)
        told = [m for c in rig.commits[: commit.head.commit] for m in c.messages if m.type == "anomaly.sample"]
        assert len(told) == (last - 1000) // 10 + 1


def test_the_last_commit_releases_the_lane(rig: Rig, at: Callable[..., Record]) -> None:
    """The next owner need not wait; windows are with it."""
    rig.batch("s", at(1, 9.0)).turn()
    last = rig.turn(T + 1, final=True)
    assert last is not None
    assert last.head.released
    assert last.snapshot is not None
    assert last.snapshot.positions["s"].sequence == "1010"
    assert not rig.commits[0].head.released


def test_windows_go_with_a_commit_every_minute(rig: Rig, at: Callable[..., Record]) -> None:
    """With positions of their own, which are those of their head."""
    for n in range(0, 130, 5):
        rig.batch("s", at(n)).turn(T + n)
    taken = [commit for commit in rig.commits if commit.snapshot is not None]
    assert [commit.head.heartbeat - T for commit in taken] == [0, 60, 120]
    for commit in taken:
        assert commit.snapshot is not None
        assert commit.snapshot.positions == commit.head.positions


def test_the_ledger_is_written_with_a_commit(rig: Rig, at: Callable[..., Record]) -> None:
    """One object a day of creation; what the head holds is the same."""
    commit = rig.batch("s", at(1), at(2, temperature=None)).turn()
    assert commit is not None
    assert [item.key for item in commit.ledger] == ["battery-ledger/2026-07-25/table.json"]
    book = json.loads(commit.ledger[0].body)["devices"]["device4"]
    assert {name: n for name, n in book.items() if n} == {"read": 2, "scored": 1, "quarantined": 1}
    assert commit.head.ledger == {"2026-07-25": {"device4": {"read": 2, "scored": 1, "quarantined": 1}}}


def test_a_head_of_a_lane_that_muted_nothing_is_as_before(rig: Rig, at: Callable[..., Record]) -> None:
    """Nothing in it speaks of mutes."""
    commit = rig.batch("s", at(3, 9.0)).turn()
    assert commit is not None
    stored = commit.head.model_dump_json(exclude_defaults=True)
    assert "untold" not in stored
    assert "muted" not in stored


def test_a_minute_that_waits_for_the_commit_is_written_though_its_device_is_forgotten(
    rig: Rig, at: Callable[..., Record]
) -> None:
    """A backlog of more than a day may pass between two commits."""
    rig.turn()
    strange = [at(1, 9.0, device=named("gone")), at(2, 9.0, device=named("gone"))]
    commit = rig.batch("s", *strange, at(2 * DAY_S, device=named("here"))).turn(T + 1)
    assert commit is not None
    assert set(commit.head.health) == {"here"}
    assert [line["ts"] for line in rig.lines("gone", T)] == [T + 1, T + 2]
    after = rig.successor()
    after.open("s").batch("s", *strange, at(2 * DAY_S, device=named("here"))).until_quiet(T + 10)
    assert after.archive == rig.archive
    assert after.lane.devices == ["here"]


def test_nothing_is_committed_before_the_windows_are_filled(rig: Rig, at: Callable[..., Record]) -> None:
    """But signs of life: whoever comes next fills them too."""
    rig.lane.recovery.awaits_fill = True
    rig.batch("s", at(0))
    for now in (T, T + 1, T + HEARTBEAT_S + 1):
        commit = rig.lane.cut(now)
        assert commit is None or (commit.head.positions, commit.snapshot, commit.head.commit) == ({}, None, 0)
    assert rig.lane.cut(T + 20, final=True) is None
    items = rig.decoder.items("first-window", [at(-5)["dynamodb"]["NewImage"]])
    rig.lane.recovery.fill(items.samples)
    commit = rig.turn(T + 30)
    assert commit is not None
    assert commit.snapshot is not None
    assert commit.head.positions
