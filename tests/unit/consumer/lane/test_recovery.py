"""After a restart: what is read again changes windows, and nothing that was published."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lane_rig import DAY_S, Record, Rig, T, named

from reporting.keys import minute_key
from reporting.message import Message
from scoring.bundle import Bundle
from window.merge import IDLE_SLACK_S


def test_windows_older_than_the_head_do_not_bring_a_forgotten_device_back(rig: Rig, at: Callable[..., Record]) -> None:
    """Nobody would ever forget it again."""
    rig.batch("s", at(1, device=named("gone")), at(2, device=named("here"))).turn()
    assert rig.snapshot is not None
    rig.idle("s", at=T + DAY_S + 100).turn(T + 1)
    rig.turn(T + 10)
    assert rig.head.health == {}
    assert set(rig.snapshot.devices) == {"gone", "here"}
    after = rig.successor().open("s")
    assert after.lane.devices == []
    after.batch("s", at(DAY_S + 200, 9.0, device=named("gone"))).until_quiet(T + 20)
    assert set(after.head.health) == set(after.lane.devices) == {"gone"}
    assert ("health.silence", "gone", "closed") not in after.notices


def test_what_is_read_again_forgets_nobody_too_soon(rig: Rig, at: Callable[..., Record]) -> None:
    """The head may be a day ahead of the windows: the device that is on the way back there was not forgotten."""
    rig.batch("s", at(1, device=named("a"))).turn()
    later = [at(600, device=named("a")), at(DAY_S + 5, device=named("b"))]
    rig.batch("s", *later).turn(T + 10)
    after = rig.successor().open("s").batch("s", *later)
    after.until_quiet(T + 20)
    last = after.turn(T + 100, final=True)
    assert last is not None
    assert last.snapshot is not None
    assert last.snapshot.devices["a"].ts.tolist() == [T + 1, T + 600]


def test_what_is_read_again_forgets_who_was_forgotten(rig: Rig, at: Callable[..., Record]) -> None:
    """A device that was a stranger when it came back is one then too: its wrong clock is not known."""
    fast, back = (
        [at(n + 400, created=float(int(T + n)), number=1000 + int(n), device=named("a")) for n in seconds]
        for seconds in ((0, 5, 10), (DAY_S + 100, DAY_S + 105))
    )
    rig.batch("s", *fast).turn()
    rig.batch("s", *back).until_quiet(T + 10)
    assert rig.counts == {"read": 5, "scored": 1, "quarantined": 4}
    after = rig.successor().open("s").batch("s", *back).until_quiet(T + 100)
    last = after.turn(T + 200, final=True)
    assert last is not None
    assert last.snapshot is not None
    assert last.snapshot.devices == {}


def test_a_successor_sends_what_was_promised_word_for_word(rig: Rig, at: Callable[..., Record]) -> None:
    """And writes the minutes again, whole."""
    rig.turn()
    commit = rig.batch("s", at(1, 9.0), at(61, 9.0)).turn(T + 1)
    assert commit is not None
    after = rig.successor()
    assert after.lane.promised == commit.messages
    after.open("s").batch("s", at(1, 9.0), at(61, 9.0), at(200)).until_quiet(T + 10)
    assert {item.key: item.body for item in after.commits[0].minutes} == rig.archive


def test_what_was_published_before_a_restart_is_not_published_again(rig: Rig, at: Callable[..., Record]) -> None:
    """Records between the windows and the head are read again, silently, and not counted again."""
    rig.turn()
    records = [at(n, 9.0 if n % 3 == 0 else 2.0) for n in range(20)]
    rig.batch("s", *records[:8]).until_quiet(T + 1)
    after = rig.successor().open("s", now=T + 10)
    assert after.lane.recovering
    after.batch("s", *records[:5])
    beat = after.turn(T + 11)
    assert beat is not None
    assert after.lane.recovering
    assert beat.head.positions == rig.head.positions
    assert beat.head.outbox == rig.head.outbox
    assert (beat.messages, beat.minutes, beat.quarantine, beat.ledger) == ((), (), (), ())
    after.batch("s", *records[5:]).until_quiet(T + 20)
    assert not after.lane.recovering
    everything = Rig(rig.bundle).open("s").batch("s", *records).until_quiet()
    assert rig.told + after.told == everything.told
    assert after.archive == everything.archive
    assert after.counts == everything.counts


@pytest.mark.parametrize(("seems_idle", "guesses"), [(False, 0), (True, 2)])
def test_rule_07_a_guess_among_what_is_read_again_is_counted(
    plain_bundle: Bundle, at: Callable[..., Record], seems_idle: bool, guesses: int
) -> None:
    """A shard says three times that it has nothing, and then has what the head stands for: the windows are filled in
    another order than the first time, which nobody may take for certain."""
    first, second = [at(1), at(4)], [at(2), at(6)]
    rig = Rig(plain_bundle).open("a", "b")
    rig.turn()
    rig.batch("a", *first).batch("b", *second).idle("a", "b", at=T + 7 + IDLE_SLACK_S).until_quiet(T + 20)
    after = rig.successor().open("a", "b", now=T + 30)
    after.batch("b", *second)
    if seems_idle:
        after.idle("a", "b", at=T + 30)
    after.turn(T + 31)
    assert after.lane.recovering
    after.batch("a", *first).idle("a", "b", at=T + 40).until_quiet(T + 40)
    assert not after.lane.recovering
    assert after.lane.tally()["forced"] == guesses


def test_rule_07_a_device_first_seen_among_what_is_read_again_stays_known(
    plain_bundle: Bundle, at: Callable[..., Record]
) -> None:
    """Its shard seemed idle before the restart, so the head knows nothing of it: its windows and its silence go on."""
    first, second = [at(3, 9.0, device={"S": "x"})], [at(2), at(6)]
    rig = Rig(plain_bundle).open("a", "b")
    rig.turn()
    rig.batch("b", *second).idle("a", "b", at=T + 7 + IDLE_SLACK_S).until_quiet(T + 20)
    after = rig.successor().open("a", "b", now=T + 30)
    after.batch("a", *first).batch("b", *second).idle("a", "b", at=T + 40).until_quiet(T + 40)
    assert not after.lane.recovering
    assert after.lane.devices == ["device4", "x"]
    after.idle("a", "b", at=T + 200).until_quiet(T + 200)
    assert ("health.silence", "x", "opened") in after.notices


def test_without_windows_a_clock_is_found_wrong_again_where_it_was(rig: Rig, at: Callable[..., Record]) -> None:
    """A crash between the first head and the first windows: what was set aside before the clock was known to be wrong
    stays out of window and archive when all is read again."""
    records = [at(n + 600, 9.0 if n % 3 == 0 else 2.0, created=float(T + n)) for n in range(30)]
    rig.batch("s", *records[:20]).turn(T + 20)
    assert {kind for kind, _, _ in rig.notices} == {"health.quarantine", "health.clock_skew"}
    after = rig.successor(snapshot=False).open("s", now=T + 30)
    after.batch("s", *records).until_quiet(T + 30)
    calm = Rig(rig.bundle).open("s").batch("s", *records).until_quiet(T + 30)
    assert rig.told + after.told == calm.told
    assert after.archive == calm.archive
    assert after.counts == calm.counts


def test_a_restart_in_the_middle_of_a_minute_keeps_its_first_lines(rig: Rig, at: Callable[..., Record]) -> None:
    """They come from the windows: the minute is written whole when it grows."""
    rig.batch("s", at(1, 9.0), at(2), at(3), at(4), at(5), at(6), at(7), at(8, 9.0)).turn()
    rig.turn(T + 1, final=True)
    after = rig.successor().open("s").batch("s", at(30, 9.0))
    after.until_quiet(T + 30)
    assert [line["ts"] - T for line in after.lines("device4", T)] == [
        line["ts"] - T for line in rig.lines("device4", T)
    ] + [30]
    assert after.archive[minute_key("device4", T)].startswith(rig.archive[minute_key("device4", T)])


devices = st.sampled_from([None, {"S": "a"}, {"S": "b/c"}])
readings = st.tuples(
    devices,
    st.sampled_from([1.0, 1.0, 2.0, 20.0, 70.0]),
    st.sampled_from([0.0, 0.0, 0.0, -5.0, -40.0]),
    st.sampled_from([2.0, 2.0, 2.0, 9.0]),
    st.sampled_from(["25", "25", "25", "90", "warm", "400"]),
)


@settings(deadline=None, max_examples=80)
@given(
    st.lists(readings, min_size=1, max_size=40),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.sets(st.integers(0, 30), max_size=5),
)
def test_whatever_pages_and_restarts_the_outcome_is_the_same(
    plain_bundle: Bundle, written: list[tuple[Any, ...]], pages: list[int], crashes: set[int]
) -> None:
    """Archive, messages about samples and episodes in order, quarantine and books, against one page and no restart;
    late samples, several devices and broken records among them."""
    records, created = [], float(T)
    for n, (device, step, offset, current, temperature) in enumerate(written):
        created += step
        item = {"ts": {"N": repr(created + offset)}, "current": {"N": repr(current)}, "temperature": {"N": temperature}}
        change = {
            "SequenceNumber": str(1000 + n),
            "ApproximateCreationDateTime": float(int(created)),
            "NewImage": item | ({"device": device} if device else {}),
        }
        records.append({"eventName": "INSERT", "dynamodb": change})
    calm = Rig(plain_bundle, publish="both").open("s").batch("s", *records).idle("s", at=created + 500).until_quiet(T)
    rig, begin, turn, told = Rig(plain_bundle, publish="both").open("s"), 0, 0, list[Message]()
    while begin < len(records) or rig.lane.recovering:
        size = pages[turn % len(pages)]
        rig.batch("s", *records[begin : begin + size]).turn(T + turn * 7)
        begin, turn = begin + size, turn + 1
        if turn in crashes:
            told += rig.messages
            reached = rig.snapshot.positions["s"].sequence if rig.snapshot else rig.head.positions["s"].sequence
            begin = 0 if reached is None else int(reached) - 999
            rig = rig.successor().open("s")
    rig.idle("s", at=created + 500).until_quiet(T + turn * 7)
    told += rig.messages

    def said(messages: list[Message]) -> list[Any]:
        return [{**json.loads(m.body), "recordedtime": None, "state": m.state} for m in messages]

    assert said(told) == said(calm.messages)
    assert rig.archive == calm.archive
    assert rig.aside == calm.aside
    assert rig.counts == calm.counts
    assert rig.lane.ledger.imbalance() == 0
