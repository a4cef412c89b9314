"""The health of every device's data, by its records in order and by those that do not come."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reporting.contract.events import utc
from reporting.health.late import LATE_QUIET_S
from reporting.health.notice import Notice
from reporting.health.quarantine import QUARANTINE_EVERY_S
from reporting.health.silence import FORGET_S, SILENCE_S
from reporting.health.state import DeviceHealth, Fit
from reporting.health.stuck import STUCK_S, STUCK_SAMPLES
from reporting.health.watch import Watch, deadline
from scoring.config import Range
from scoring.succession import Succession
from window.samples import Kind, Names, Samples

Row = tuple[float, float, float, Kind, str]
"""Stamp, ts, current, kind, device."""


KNOWN = Range(current_a=(-100.0, 100.0), temperature_c=(-100.0, 100.0))
BUNDLE: Any = SimpleNamespace(id="bw-wide", config=SimpleNamespace(training_range=KNOWN))


class Watched:
    """A watch, fed run by run with deadlines in between, and its notices."""

    def __init__(self) -> None:
        self.names = Names()
        self.watch = Watch("device4", self.names, Succession(BUNDLE))
        self.said: list[Notice] = []
        self.kinds: list[Kind] = []
        self.set_back: tuple[int, ...] = ()

    def feed(self, *rows: Row) -> Watched:
        """One run of records."""
        stamp = np.array([row[0] for row in rows])
        samples = Samples.of(
            [row[1] for row in rows],
            [row[2] for row in rows],
            [25.0] * len(rows),
            created=stamp,
            kind=[row[3] for row in rows],
            device=[self.names.code(row[4]) for row in rows],
        )
        seen = self.watch.observe(samples, stamp)
        self.watch.apply(seen)
        self.said += [notice for _, notice in seen.notices]
        self.kinds += [Kind(int(kind)) for kind in seen.kind]
        self.set_back = seen.set_back
        return self

    def until(self, watermark: float) -> Watched:
        """Deadlines up to here fire, each at its time."""
        while self.watch.due <= watermark:
            due = self.watch.due
            said = self.watch.fire()
            assert all(notice.at == due for notice in said)
            self.said += said
        return self

    @property
    def told(self) -> list[tuple[str, str | None, str, float]]:
        return [(notice.type.removeprefix("health."), notice.device, notice.state, notice.at) for notice in self.said]


def sample(
    at: float, current: float = 2.0, *, ts: float | None = None, kind: Kind = Kind.SAMPLE, device: str = "d"
) -> Row:
    return (at, at if ts is None else ts, current, kind, device)


@pytest.fixture
def watched() -> Watched:
    """Nothing seen yet."""
    return Watched()


# Silence


def test_a_device_that_falls_silent_is_told_once_and_so_is_its_return(watched: Watched) -> None:
    """At the deadline, by event time."""
    watched.feed(sample(0), sample(10)).until(10 + SILENCE_S - 0.1)
    assert watched.told == []
    watched.until(10 + SILENCE_S).until(FORGET_S)
    assert watched.told == [("silence", "d", "opened", 10 + SILENCE_S)]
    assert watched.said[0].since == 10
    watched.feed(sample(5000)).until(5000 + SILENCE_S)
    assert watched.told[1:] == [("silence", "d", "closed", 5000), ("silence", "d", "opened", 5000 + SILENCE_S)]
    assert (watched.said[1].since, watched.said[1].until) == (10, 5000)


def test_any_record_ends_a_silence(watched: Watched) -> None:
    """A device that sends nonsense is not silent."""
    watched.feed(sample(0)).until(200)
    watched.feed(sample(300, kind=Kind.MALFORMED, ts=float("nan")))
    assert ("silence", "d", "closed", 300) in watched.told


def test_devices_that_fall_silent_together_are_told_in_order_of_their_names(watched: Watched) -> None:
    """Not in the order in which they were first seen."""
    watched.feed(sample(0, device="b"), sample(0, device="a"), sample(0, device="c")).until(SILENCE_S)
    assert [device for _, device, _, _ in watched.told] == ["a", "b", "c"]


def test_devices_silent_for_a_day_are_forgotten(watched: Watched) -> None:
    """Names that come and go take no memory; the silence is closed when the device is forgotten."""
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
    """Notices of a stuck sensor and a wrong clock are closed too, and the clock must be proven wrong again."""
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
def test_what_is_told_of_a_device_that_comes_and_goes_does_not_depend_on_restarts(
    pauses: list[int], data: st.DataObject
) -> None:
    """Against arithmetic: a pause of two minutes opens a silence, the next record or a day closes it; and a watch that
    is put back from its states at any moment has the same notices."""
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


def test_what_is_removed_is_no_sign_of_life(watched: Watched) -> None:
    """A table's TTL removes the samples of a device that is long gone, one a second."""
    watched.feed(sample(0))
    for at in range(1, 600):
        watched.until(at).feed(sample(at, ts=float("nan"), kind=Kind.REMOVED))
    watched.feed(sample(600, ts=float("nan"), kind=Kind.REMOVED, device="the table"))
    assert watched.told == [("silence", "d", "opened", SILENCE_S)]
    assert set(watched.watch.states) == {"d"}


def test_a_device_known_from_the_table_alone_is_not_told_of_and_forgotten_all_the_same(watched: Watched) -> None:
    """It may have been unplugged before we came. Once it sends it is like any other."""
    for name in ("gone", "here"):
        watched.watch.expect(watched.names.code(name), 100.0)
    watched.until(5000).feed(sample(5000, device="here"))
    watched.watch.expect(watched.names.code("here"), 100.0)
    watched.until(100 + FORGET_S)
    assert watched.told == [("silence", "here", "opened", 5000 + SILENCE_S)]
    assert set(watched.watch.states) == {"here"}


# Stuck readings


def frozen(begin: float, n: int, *, step: float = 3.0, current: float = 2.0) -> list[Row]:
    return [sample(begin + k * step, current) for k in range(n)]


def test_readings_that_repeat_while_current_flows_are_told_and_so_is_their_end(watched: Watched) -> None:
    """Thirty samples and a minute, both; one notice, not two."""
    watched.feed(*frozen(0, STUCK_SAMPLES - 1))
    assert watched.told == []
    watched.feed(*frozen((STUCK_SAMPLES - 1) * 3.0, 50))
    assert watched.told == [("stuck", "d", "opened", (STUCK_SAMPLES - 1) * 3.0)]
    watched.feed(sample(1000, 2.1))
    assert watched.told[1:] == [("stuck", "d", "closed", 1000)]


@pytest.mark.parametrize(
    "rows",
    [
        frozen(0, 300, step=0.1),
        frozen(0, STUCK_SAMPLES - 1, step=10.0),
        frozen(0, 300, current=0.0),
        [sample(k * 3.0, 2.0 + k % 2 / 100) for k in range(300)],
    ],
    ids=["less than a minute", "too few", "no current", "they change"],
)
def test_what_is_no_stuck_sensor(watched: Watched, rows: list[Row]) -> None:
    """A device at rest repeats itself, and a fast one may for a while."""
    assert STUCK_S == 60.0
    assert watched.feed(*rows).told == []


# Wrong clocks


def skewed(begin: float, n: int, offset: float, kind: Kind) -> list[Row]:
    return [sample(begin + k * 5.0, 2.0 + k, ts=begin + k * 5.0 + offset, kind=kind) for k in range(n)]


@pytest.mark.parametrize(("offset", "kind", "way"), [(-7200.0, Kind.LATE, "behind"), (3600.0, Kind.FUTURE, "ahead")])
def test_a_clock_that_is_wrong_by_the_same_all_the_time_is_told_and_its_samples_are_scored(
    watched: Watched, offset: float, kind: Kind, way: str
) -> None:
    """The monitor must not go blind: from the third sample on that spans ten seconds (decision 3)."""
    watched.feed(*skewed(0, 6, offset, kind))
    assert watched.kinds == [kind, kind] + [Kind.SAMPLE] * 4
    opened = [notice for notice in watched.said if notice.type == "health.clock_skew"]
    assert [(notice.state, notice.at, notice.offset_s) for notice in opened] == [("opened", 10.0, offset)]
    assert f"{abs(offset):.0f} s {way}" in opened[0].summary


def test_a_clock_that_is_right_again_is_told(watched: Watched) -> None:
    """And its samples were never in doubt."""
    watched.feed(*skewed(0, 4, 3600.0, Kind.FUTURE), sample(30))
    assert watched.kinds[-1] is Kind.SAMPLE
    assert [t for t in watched.told if t[0] == "clock_skew"] == [
        ("clock_skew", "d", "opened", 10),
        ("clock_skew", "d", "closed", 30),
    ]


def test_the_row_from_which_on_a_clock_goes_further_behind_is_named(watched: Watched) -> None:
    """There the window must let go of times that were never true. A clock that goes ahead leaves nothing behind."""
    assert watched.feed(*skewed(0, 4, 3600.0, Kind.FUTURE)).set_back == ()
    assert watched.feed(sample(30), sample(31)).set_back == (0,)
    assert watched.feed(*skewed(40, 4, -7200.0, Kind.LATE)).set_back == (2,)
    assert watched.feed(sample(70)).set_back == ()


def test_an_upload_of_old_samples_is_no_wrong_clock(watched: Watched) -> None:
    """Its offset changes as fast as its samples' times."""
    rows = [sample(1e4 + k / 100, 2.0 + k % 7, ts=1e4 - 7200 + k, kind=Kind.LATE) for k in range(600)]
    watched.feed(*rows)
    assert set(watched.kinds) == {Kind.LATE}
    assert [t for t in watched.told if t[0] == "clock_skew"] == []


# Late samples and records set aside


def test_a_run_of_late_samples_is_one_notice_with_its_interval(watched: Watched) -> None:
    """When a sample in time follows, or after a quiet minute; with the command that scores them."""
    late = [sample(1e4 + k, ts=k * 10.0, kind=Kind.LATE) for k in (3, 1, 2)]
    watched.feed(*late)
    assert watched.told == []
    watched.feed(sample(1e4 + 5))
    (first,) = watched.said
    assert (first.type, first.at, first.count, first.since, first.until) == ("health.late", 1e4 + 5, 3, 10.0, 30.0)
    assert first.command == "battery-watch replay --table device4 --since 1970-01-01T00:00:10Z"
    watched.feed(sample(1e4 + 6, ts=0.0, kind=Kind.LATE)).until(1e4 + 6 + LATE_QUIET_S)
    assert watched.told[1:] == [("late", "d", "opened", 1e4 + 6 + LATE_QUIET_S)]
    assert watched.said[1].count == 1


def test_runs_of_late_samples_of_one_second_are_one(watched: Watched) -> None:
    """An old sample written twice, with one in time in between: as two runs they would have the same times, and their
    messages the same id."""
    late = sample(1e4, ts=0.0, kind=Kind.LATE)
    watched.feed(late, sample(1e4), late, sample(1e4), sample(1e4 + 1))
    assert [(notice.type, notice.at, notice.count) for notice in watched.said] == [("health.late", 1e4 + 1, 2)]


def test_records_set_aside_are_told_once_an_hour_and_device(watched: Watched) -> None:
    """The objects are all there; this only wakes somebody."""
    broken = [sample(k * 600.0, ts=float("nan"), kind=Kind.MALFORMED) for k in range(13)]
    for row in broken:
        watched.feed(row)
    watched.feed(sample(7300, kind=Kind.IMPLAUSIBLE, device="e"))
    told = [(device, at) for kind, device, _, at in watched.told if kind == "quarantine"]
    assert told == [("d", 0.0), ("d", QUARANTINE_EVERY_S), ("d", 2 * QUARANTINE_EVERY_S), ("e", 7300)]


# All of it


steps = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 0.5, 1.0, 3.0, 20.0, 60.0, 130.0]),
        st.sampled_from([0.0, 0.0, 0.0, -7200.0, 3600.0]),
        st.sampled_from([2.0, 2.0, 2.0, 2.1]),
        st.sampled_from("ab"),
        st.booleans(),
    ),
    min_size=1,
    max_size=60,
)


def rows_of(steps: list[tuple[float, float, float, str, bool]]) -> list[Row]:
    rows, at = [], 10_000.0
    for step, offset, current, device, broken in steps:
        at += step
        kind = Kind.LATE if offset < 0 else Kind.FUTURE if offset > 0 else Kind.SAMPLE
        if broken and device == "b":
            kind = Kind.MALFORMED
        rows.append(sample(at, current, ts=at + offset, kind=kind, device=device))
    return rows


def fed(rows: list[Row], sizes: list[int]) -> Watched:
    """Runs of these sizes, each cut where a deadline comes before the next record, as the lane cuts them."""
    watched, begin, turn = Watched(), 0, 0
    while begin < len(rows):
        watched.until(rows[begin][0])
        run: list[Row] = []
        for row in rows[begin : begin + sizes[turn % len(sizes)]]:
            due = min([watched.watch.due, *(r[0] + min(SILENCE_S, LATE_QUIET_S) for r in run)])
            if run and row[0] >= due:
                break
            run.append(row)
        watched.feed(*run)
        begin, turn = begin + len(run), turn + 1
    return watched.until(1e9)


@settings(deadline=None, max_examples=100)
@given(steps, st.lists(st.integers(1, 12), min_size=1, max_size=4))
def test_however_the_records_come_in_the_same_is_told(
    plan: list[tuple[float, float, float, str, bool]], sizes: list[int]
) -> None:
    """One by one or in runs: notices of a device in order, kinds, and what is remembered."""
    rows = rows_of(plan)
    alone, together = fed(rows, [1]), fed(rows, sizes)
    for device in "ab":
        assert [n for n in together.said if n.device == device] == [n for n in alone.said if n.device == device]
    assert together.kinds == alone.kinds
    assert together.watch.states == alone.watch.states


@settings(deadline=None, max_examples=100)
@given(steps)
def test_no_two_notices_share_what_their_id_is_made_of(plan: list[tuple[float, float, float, str, bool]]) -> None:
    """Else a subscriber who drops what has a known id drops the second."""
    said = fed(rows_of(plan), [1]).said
    assert len({(n.type, n.device, n.state, n.at, n.since, n.until) for n in said}) == len(said)


@settings(deadline=None, max_examples=60)
@given(steps, st.integers(0, 59))
def test_a_restart_changes_nothing(plan: list[tuple[float, float, float, str, bool]], cut: int) -> None:
    """Timers and all are in the states; device codes may be others."""
    rows = rows_of(plan)
    calm = fed(rows, [1])
    before = Watched()
    for row in rows[:cut]:
        before.until(row[0]).feed(row)
    after = Watched()
    after.names.code("somebody")
    after.watch.restore(before.watch.states)
    for row in rows[cut:]:
        after.until(row[0]).feed(row)
    after.until(1e9)
    assert before.told + after.told == calm.told
    assert before.kinds + after.kinds == calm.kinds


def test_observing_alone_changes_nothing(watched: Watched) -> None:
    """The lane may process less than it looked at."""
    watched.feed(sample(0))
    before = watched.watch.states
    samples = Samples.of([200.0], [2.0], [25.0], kind=Kind.LATE)
    watched.watch.observe(samples, np.array([200.0]))
    assert watched.watch.states == before
    assert watched.watch.due == SILENCE_S


def test_a_silent_device_is_due_when_it_is_forgotten() -> None:
    """Unless a run of late records still waits for its notice."""
    state = DeviceHealth(last=10.0)
    assert deadline(state) == 10.0 + SILENCE_S
    assert deadline(replace(state, silent=True)) == 10.0 + FORGET_S


# Runs


def test_silence_counts_from_the_latest_sign_of_life_whatever_the_run() -> None:
    """A clock that runs ahead for a moment: records in one run and one by one mean the same."""
    rows: list[Row] = [(105.0, 105.0, 2.0, Kind.SAMPLE, "a"), (98.0, 98.0, 2.1, Kind.SAMPLE, "a")]
    together, alone = Watched().feed(*rows), Watched().feed(rows[0]).feed(rows[1])
    assert together.watch.due == alone.watch.due == 105.0 + SILENCE_S


def reach(watched: Watched, *rows: tuple[float, Kind, str]) -> int:
    """How many of these records may be observed in one go."""
    stamp = np.array([row[0] for row in rows])
    samples = Samples.of(
        stamp,
        [2.0] * len(rows),
        [25.0] * len(rows),
        kind=[row[1] for row in rows],
        device=[watched.names.code(row[2]) for row in rows],
    )
    return watched.watch.reach(samples, stamp, stamp)


def test_a_run_ends_before_a_deadline_that_nothing_in_it_moves() -> None:
    """Its own devices', and those of devices that have no record in it; a deadline met to the second is met."""
    sample = Kind.SAMPLE
    steady = [(float(t), sample, "a") for t in range(0, 1000, 100)]
    assert reach(Watched(), *steady) == 10
    assert reach(Watched(), (0.0, sample, "a"), (SILENCE_S, sample, "a")) == 1
    assert reach(Watched(), (0.0, sample, "a"), (SILENCE_S - 1, sample, "a")) == 2
    assert reach(Watched(), (0.0, sample, "b"), *steady) == 3
    known = Watched().feed((0.0, 0.0, 2.0, sample, "b"))
    assert reach(known, *steady[1:]) == 1
    assert reach(known, steady[1], (110.0, sample, "b"), *steady[2:]) == 3
    silent = Watched().feed((0.0, 0.0, 2.0, sample, "b")).until(SILENCE_S)
    assert reach(silent, *steady[2:]) == 8


def test_a_run_ends_before_late_records_are_told() -> None:
    """A minute after the first of them: the notices of later records come after it."""
    rows = [(0.0, Kind.LATE, "a"), *[(float(t), Kind.SAMPLE, "b") for t in range(10, 100, 10)]]
    assert reach(Watched(), *rows) == 1 + int(LATE_QUIET_S / 10) - 1


def test_what_was_counted_of_a_battery_goes_on_where_a_head_says_only_what_is_settled() -> None:
    """A head has no room for it: it comes from the windows' side, unless the head says that it is settled, or forgot
    the device."""
    before = {name: DeviceHealth(last=9.0, fit=Fit("bw-wide", 1.0, 5, 2)) for name in ("open", "settled", "gone")}
    head = {"open": DeviceHealth(last=12.0, asked="bw-old"), "settled": DeviceHealth(last=12.0, asked="bw-wide")}
    watch = Watch("device4", Names(), Succession(BUNDLE))
    watch.restore(before)
    watch.resume(head)
    assert watch.states == {
        "open": DeviceHealth(last=12.0, asked="bw-old", fit=Fit("bw-wide", 1.0, 5, 2)),
        "settled": head["settled"],
    }
    assert watch.settled == head


def test_a_battery_that_the_bundle_does_not_know_is_told_with_the_command_that_helps() -> None:
    """Once, at the first sample after five minutes."""
    watched = Watched()
    watched.feed(*(sample(2.0 * n, 200.0 + n % 7, ts=2.0 * n) for n in range(200)))
    (notice,) = watched.said
    assert (notice.type, notice.state, notice.at, notice.since, notice.count) == (
        "health.misfit",
        "opened",
        300.0,
        0.0,
        151,
    )
    assert (notice.model, notice.command) == ("bw-wide", "battery-watch train --table device4 --out my-bundle")
    assert watched.feed(*(sample(400.0 + n, 200.0 + n % 7) for n in range(600))).said == [notice]
