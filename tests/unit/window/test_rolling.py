"""The rolling windows against dictionaries: whatever order samples come in, the window holds the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from window_rig import Plain, Record, arrivals, columns, devices, feed, held, readings, score

from window.features import ROLLING, features
from window.ring import Columns
from window.rolling import SHOWN_S, Windows

batches = st.lists(st.integers(1, 25), min_size=1, max_size=5)


@settings(deadline=None, max_examples=150)
@given(arrivals, batches, st.sampled_from([1, 3, 16]))
def test_any_arrival_order_in_any_batches_gives_the_window_of_the_plain_model(
    records: list[Record], sizes: list[int], capacity: int
) -> None:
    """Shuffles, duplicates, rewrites, samples too old, several devices; small rings that must grow."""
    windows, plain = Windows(capacity=capacity), Plain()
    feed(windows, records, sizes)
    for record in records:
        plain.upsert(record)
        plain.evict(record[0])
    for device in range(4):
        assert held(windows, device) == plain.rows(device)
        assert windows.count(device) == len(plain.rows(device))
        newest = max((row[0] for row in plain.rows(device)), default=-np.inf)
        assert windows.newest(device) == newest
        shown = windows.shown(device).ts.tolist() if windows.count(device) else []
        assert shown == [row[0] for row in plain.rows(device) if row[0] > newest - SHOWN_S]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(devices, st.integers(0, 2219).map(float), readings, readings), max_size=40), st.data())
def test_within_the_retained_time_the_order_of_arrival_does_not_matter(
    records: list[Record], data: st.DataObject
) -> None:
    """The last value written to a time must stay last; nothing else counts."""
    last = {(device, ts): (device, ts, a, c) for device, ts, a, c in records}
    shuffled = data.draw(st.permutations(list(last.values())))
    windows, again = Windows(), Windows(capacity=2)
    feed(windows, records, [7])
    feed(again, shuffled, [3, 1])
    assert [held(windows, d) for d in range(4)] == [held(again, d) for d in range(4)]


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(devices, st.integers(0, 300).map(float), readings, readings), min_size=1, max_size=40),
    st.sampled_from([1, 64]),
)
def test_touched_rows_are_the_sample_and_the_followers_whose_features_it_reaches(
    records: list[Record], capacity: int
) -> None:
    """No row whose features changed is missing, none beyond reach is named, and what had been there is rescored."""
    windows, plain = Windows(capacity=capacity), Plain()
    for record in records:
        device, ts = record[:2]
        before, last = plain.features(device), max(plain.kept.get(device, {}), default=-np.inf)
        plain.upsert(record)
        touched = windows.upsert(columns([record]))
        score(windows, touched)
        named, _, _ = windows.samples(touched)
        reach = sorted(t for t in plain.kept[device] if t >= ts)[: ROLLING if ts <= last else 1]
        assert named.tolist() == reach
        assert touched.device.tolist() == [device] * len(reach)
        assert touched.rescored.tolist() == [t in before for t in reach]
        after = plain.features(device)
        changed = {t for t in after if after[t] != before.get(t)}
        assert changed <= {*reach}
        for t, row in zip(named.tolist(), features(windows.tails(touched)), strict=True):
            assert row.tobytes() == after[t]


def test_a_sample_that_was_only_filled_in_is_new_when_it_comes() -> None:
    """Nothing was scored of it before: it is no revision, and as a follower it stays context (rule 18)."""
    windows = Windows()
    windows.keep_as_context(windows.upsert(columns([(0, float(ts), 1.0, 20.0) for ts in range(10, 16)])))
    touched = windows.upsert(columns([(0, 12.0, 1.0, 20.0)]))
    named, _, _ = windows.samples(touched)
    assert (named.tolist(), touched.rescored.tolist()) == ([12.0], [False])
    assert not windows.holds(columns([(0, 12.0, 1.0, 20.0)]))
    score(windows, touched)
    touched = windows.upsert(columns([(0, 11.0, 1.5, 20.0)]))
    named, _, _ = windows.samples(touched)
    assert (named.tolist(), touched.rescored.tolist()) == ([11.0, 12.0], [False, True])


def test_a_window_knows_the_samples_it_holds() -> None:
    """By device, time and both readings, once they are scored."""
    windows = Windows()
    assert not windows.holds(columns([(0, 10.0, 1.0, 20.0)]))
    score(windows, windows.upsert(columns([(0, 10.0, 1.0, 20.0), (0, 11.0, 2.0, 20.0)])))
    assert windows.holds(columns([(0, 11.0, 2.0, 20.0)]))
    for other in ((0, 10.5, 1.0, 20.0), (0, 12.0, 2.0, 20.0), (0, 11.0, 2.1, 20.0), (0, 11.0, 2.0, 21.0)):
        assert not windows.holds(columns([other]))
    assert not windows.holds(columns([(1, 11.0, 2.0, 20.0)]))


def test_a_run_in_order_touches_its_own_rows_one_to_one() -> None:
    """Over several devices, in the order of arrival; none was there before."""
    windows = Windows(capacity=2)
    run = columns([(2, 10.0, 1.0, 20.0), (0, 5.0, 2.0, 21.0), (2, 11.0, 3.0, 22.0), (0, 9.0, 4.0, 23.0)])
    assert windows.in_order(run) == 4
    touched = windows.upsert(run)
    assert [column.tolist() for column in windows.samples(touched)] == [
        run.ts.tolist(),
        run.current_a.tolist(),
        run.temperature_c.tolist(),
    ]
    assert touched.device.tolist() == [2, 0, 2, 0]
    assert not touched.rescored.any()


@pytest.mark.parametrize(
    ("records", "lead"),
    [
        ([], 0),
        ([(0, 101.0)], 1),
        ([(0, 100.0)], 0),
        ([(0, 99.0)], 0),
        ([(1, 1.0), (0, 101.0), (1, 2.0)], 3),
        ([(1, 1.0), (1, 1.0)], 1),
        ([(1, 2.0), (0, 101.0), (1, 1.0), (0, 102.0)], 2),
        ([(1, 2.0), (0, 50.0), (1, 1.0)], 1),
        ([(0, 101.0), (0, 105.0), (0, 103.0), (0, 104.0)], 2),
    ],
)
def test_the_run_in_order_ends_at_the_first_sample_that_its_device_has_passed(
    records: list[tuple[int, float]], lead: int
) -> None:
    """Device 0 already has a sample at 100; a sample written again breaks the run too."""
    windows = Windows()
    windows.upsert(columns([(0, 100.0, 1.0, 20.0)]))
    assert windows.in_order(columns([(device, ts, 1.0, 20.0) for device, ts in records])) == lead


def test_samples_out_of_order_are_written_one_at_a_time() -> None:
    """Two of them in one call could touch each other's past."""
    windows = Windows()
    with pytest.raises(ValueError, match="one at a time"):
        windows.upsert(columns([(0, 2.0, 1.0, 20.0), (0, 1.0, 1.0, 20.0)]))
    assert windows.count(0) == 0


@pytest.mark.parametrize(("age_s", "kept"), [(2219.999, True), (2220.0, False), (5000.0, False)])
def test_a_sample_older_than_what_is_retained_is_refused(age_s: float, kept: bool) -> None:
    """37 minutes and more behind the newest: nothing is touched, nothing is written."""
    windows = Windows()
    windows.upsert(columns([(0, 10_000.0, 1.0, 20.0)]))
    touched = windows.upsert(columns([(0, 10_000.0 - age_s, 2.0, 20.0)]))
    assert (len(touched) > 0, windows.count(0)) == (kept, 1 + kept)


def test_what_is_37_minutes_old_is_evicted_and_25_minutes_are_shown() -> None:
    """Both bounds are open: a sample exactly that old is out."""
    windows = Windows()
    windows.upsert(columns([(0, t, t, 20.0) for t in (0.0, 0.5, 720.0, 720.5, 2220.0)]))
    windows.evict(np.array([0], np.int32))
    assert windows.retained(0).ts.tolist() == [0.5, 720.0, 720.5, 2220.0]
    assert windows.shown(0).ts.tolist() == [720.5, 2220.0]
    assert windows.shown(0).current_a.tolist() == [720.5, 2220.0]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(devices, st.integers(1, 9).map(float), readings, readings), min_size=1, max_size=30), st.data()
)
def test_what_is_retracted_was_never_written(steps: list[Record], data: st.DataObject) -> None:
    """All but the first rows of a run, of whatever devices; and what comes then takes their place."""
    clock = dict.fromkeys(range(4), 100.0)
    run = []
    for device, step, current_a, temperature_c in steps:
        clock[device] += step
        run.append((device, clock[device], current_a, temperature_c))
    keep = data.draw(st.integers(0, len(run)))
    windows, plain = Windows(capacity=2), Windows(capacity=2)
    for each in (windows, plain):
        each.upsert(columns([(d, 100.0, 0.0, 20.0) for d in range(4)]))
    windows.retract(windows.upsert(columns(run)), keep)
    plain.upsert(columns(run[:keep]))
    assert [held(windows, d) for d in range(4)] == [held(plain, d) for d in range(4)]
    assert windows.in_order(columns(run[keep:])) == len(run) - keep
    windows.upsert(columns(run[keep:]))
    plain.upsert(columns(run[keep:]))
    assert [held(windows, d) for d in range(4)] == [held(plain, d) for d in range(4)]


def test_restored_windows_go_on_as_if_nothing_had_happened() -> None:
    """Whatever code the device has now, and however small the new ring is."""
    windows = Windows()
    score(windows, windows.upsert(columns([(1, float(t), t / 7, 20.0 + t) for t in range(400)])))
    again = Windows(capacity=8)
    again.restore(5, windows.retained(1))
    for name in Columns.__slots__:
        assert getattr(again.retained(5), name).tobytes() == getattr(windows.retained(1), name).tobytes()
    for device, each in ((1, windows), (5, again)):
        each.upsert(columns([(device, 400.0, 1.0, 20.0)]))
        each.upsert(columns([(device, 200.5, 1.0, 20.0)]))
    assert held(again, 5) == held(windows, 1)
    assert again.count(0) == 0
    with pytest.raises(ValueError, match="has samples already"):
        again.restore(5, windows.retained(1))


def test_a_window_that_is_set_back_takes_what_comes_at_its_new_time() -> None:
    """All that is later is gone, as if it had never been there; other devices keep theirs."""
    windows = Windows(capacity=4)
    for record in [(0, 100.0, 1.0, 25.0), (1, 9000.0, 1.0, 25.0), (0, 9000.0, 2.0, 25.0), (0, 9001.0, 3.0, 25.0)]:
        windows.upsert(columns([record]))
    windows.set_back(0, 100.0)
    assert windows.newest(0) == 100.0
    assert len(windows.upsert(columns([(0, 101.0, 4.0, 25.0)]))) == 1
    assert windows.retained(0).ts.tolist() == [100.0, 101.0]
    windows.set_back(0, 50.0)
    assert (windows.count(0), windows.count(1)) == (0, 1)
    windows.set_back(7, 50.0)
