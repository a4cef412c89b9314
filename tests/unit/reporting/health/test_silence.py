"""Devices that fall silent, come back, or are forgotten."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from health_rig import Row, Watched, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from reporting.contract.events import utc
from reporting.contract.health_kinds import HEALTH_KINDS
from reporting.health.silence import FORGET_S, SILENCE_S
from reporting.health.state import DeviceHealth
from reporting.health.watch import deadline
from window.samples import Kind


def test_a_device_that_falls_silent_is_reported_once_and_so_is_its_return(watched: Watched) -> None:
    """At the deadline, by event time."""
    watched.feed(sample(0), sample(10)).until(10 + SILENCE_S - 0.1)
    assert watched.told == []
    watched.until(10 + SILENCE_S).until(FORGET_S)
    assert watched.told == [("silence", "d", "opened", 10 + SILENCE_S)]
    assert watched.said[0].since == 10
    watched.feed(sample(5000)).until(5000 + SILENCE_S)
    assert watched.told[1:] == [("silence", "d", "closed", 5000), ("silence", "d", "opened", 5000 + SILENCE_S)]
    assert (watched.said[1].since, watched.said[1].until) == (10, 5000)


def test_the_registry_says_how_long_a_device_must_be_silent() -> None:
    """It knows no detector, so its meaning and its example repeat the limit."""
    kind = HEALTH_KINDS["health.silence"]
    assert kind.meaning.endswith(f" for {SILENCE_S / 60:g} minutes")
    assert f" {SILENCE_S:.0f} s ago" in kind.example["summary"]


def test_a_record_from_before_a_silence_does_not_end_it(watched: Watched) -> None:
    """It is read after it, with a creation time from before: nothing was heard since, and nothing is told twice."""
    watched.feed(sample(10)).until(10 + SILENCE_S)
    watched.feed(sample(5), sample(10, ts=9.0)).until(1000)
    assert watched.told == [("silence", "d", "opened", 10 + SILENCE_S)]
    watched.feed(sample(7), sample(1010)).until(1020)
    assert watched.told[1:] == [("silence", "d", "closed", 1010)]


def test_any_record_ends_a_silence(watched: Watched) -> None:
    """A device that sends nonsense is not silent."""
    watched.feed(sample(0)).until(200)
    watched.feed(sample(300, kind=Kind.MALFORMED, ts=float("nan")))
    assert ("silence", "d", "closed", 300) in watched.told


def test_devices_that_fall_silent_together_are_reported_in_order_of_their_names(watched: Watched) -> None:
    """Not in the order in which they were first seen."""
    watched.feed(sample(0, device="b"), sample(0, device="a"), sample(0, device="c")).until(SILENCE_S)
    assert [device for _, device, _, _ in watched.told] == ["a", "b", "c"]


def test_devices_silent_for_a_day_are_forgotten(watched: Watched) -> None:
    """Names that come and go take no memory; whoever was told of the silence is told that nobody waits any more."""
    watched.feed(sample(0, device="old")).until(FORGET_S - 1).feed(sample(FORGET_S - 1, device="new"))
    assert set(watched.watch.states) == {"old", "new"}
    assert watched.watch.forgotten() == []
    watched.until(FORGET_S)
    assert set(watched.watch.states) == {"new"}
    assert watched.watch.forgotten() == [watched.names.code("old")]
    assert watched.watch.forgotten() == []
    assert watched.told == [("silence", "old", "opened", SILENCE_S), ("silence", "old", "closed", FORGET_S)]
    assert "24 h" in watched.said[-1].summary
    watched.until(1e9)
    assert watched.watch.states == {}
    assert watched.watch.due == np.inf


def test_a_device_that_comes_back_after_it_was_forgotten_is_a_new_one(watched: Watched) -> None:
    """A stuck sensor and a wrong clock told before are over too, and the clock must show anew that it is wrong."""
    fast = [sample(3.0 * k, ts=3.0 * k + 400.0, kind=Kind.FUTURE) for k in range(60)]
    watched.feed(*fast)
    assert [told[0] for told in watched.told] == ["quarantine", "clock_skew", "stuck"]
    watched.until(fast[-1][0] + FORGET_S)
    ended = fast[-1][0] + FORGET_S
    assert watched.told[3:] == [
        ("silence", "d", "opened", fast[-1][0] + SILENCE_S),
        ("silence", "d", "closed", ended),
        ("stuck", "d", "closed", ended),
        ("clock_skew", "d", "closed", ended),
    ]
    assert len({notice.message(source="s", table="t", recorded=utc(0)).id for notice in watched.said}) == 7
    watched.feed(sample(2e5, ts=2e5 + 400.0, kind=Kind.FUTURE))
    assert watched.kinds[-1] is Kind.FUTURE
    assert watched.told[7:] == [("quarantine", "d", "opened", 2e5)]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 200_000), min_size=1, max_size=12), st.data())
def test_what_is_reported_of_a_device_that_comes_and_goes_does_not_depend_on_restarts(
    pauses: list[int], data: st.DataObject
) -> None:
    """Against arithmetic: a pause of two minutes opens a silence, the next record or a day closes it; and a watch that
    is put back from its states at any moment tells the same."""
    told, at = [], 0
    watched = Watched().feed(sample(0))
    for pause in pauses:
        if pause >= SILENCE_S:
            told += [("silence", "d", "opened", at + SILENCE_S), ("silence", "d", "closed", at + min(pause, FORGET_S))]
        if data.draw(st.booleans()):
            watched.until(at + data.draw(st.integers(0, pause)))
            restarted = Watched()
            restarted.watch.restore(watched.watch.states)
            restarted.said = watched.said
            watched = restarted
        at += pause
        watched.until(at).feed(sample(at, 2.0 + at % 7))
    assert watched.told == told


def test_what_is_removed_does_not_end_a_silence(watched: Watched) -> None:
    """A table's TTL removes the samples of a device that is long gone, one a second."""
    watched.feed(sample(0))
    for at in range(1, 600):
        watched.until(at).feed(sample(at, ts=float("nan"), kind=Kind.REMOVED))
    watched.feed(sample(600, ts=float("nan"), kind=Kind.REMOVED, device="the table"))
    assert watched.told == [("silence", "d", "opened", SILENCE_S)]
    assert set(watched.watch.states) == {"d"}


def test_a_device_known_from_the_table_alone_is_not_reported_and_forgotten_all_the_same(watched: Watched) -> None:
    """It may have been unplugged before we came. Once it sends it is like any other."""
    for name in ("gone", "here"):
        watched.watch.expect(watched.names.code(name), 100.0)
    watched.until(5000).feed(sample(5000, device="here"))
    watched.watch.expect(watched.names.code("here"), 100.0)
    watched.until(100 + FORGET_S)
    assert watched.told == [("silence", "here", "opened", 5000 + SILENCE_S)]
    assert set(watched.watch.states) == {"here"}


def test_a_silent_device_is_due_when_it_is_forgotten() -> None:
    """Unless a late run is still to be told."""
    state = DeviceHealth(last=10.0)
    assert deadline(state) == 10.0 + SILENCE_S
    assert deadline(replace(state, silent=True)) == 10.0 + FORGET_S


def test_silence_counts_from_the_latest_record_whatever_the_run() -> None:
    """A clock that runs ahead for a moment: records in one run and one by one mean the same."""
    rows: list[Row] = [(105.0, 105.0, 2.0, Kind.SAMPLE, "a"), (98.0, 98.0, 2.1, Kind.SAMPLE, "a")]
    together, alone = Watched().feed(*rows), Watched().feed(rows[0]).feed(rows[1])
    assert together.watch.due == alone.watch.due == 105.0 + SILENCE_S
