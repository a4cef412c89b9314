"""All detectors of health together: whatever the runs and restarts, the same notices."""

from __future__ import annotations

import numpy as np
from health_rig import Row, Watched, reach, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from reporting.health.late import LATE_QUIET_S
from reporting.health.silence import SILENCE_S
from window.samples import Kind, Samples

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
def test_however_the_records_come_in_the_same_is_reported(
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
