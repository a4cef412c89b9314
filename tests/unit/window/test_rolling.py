"""The ring of columns against dictionaries: whatever order samples come in, the window holds the same."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from window.features import ROLLING, features, tails
from window.ring import Columns
from window.rolling import RETAINED_S, SHOWN_S, Touched, Windows
from window.samples import Samples

Record = tuple[int, float, float, float]
"""Device, ts, current, temperature."""


@dataclass
class Plain:
    """The window as dictionaries, one record at a time; what a reader would write first."""

    kept: dict[int, dict[float, tuple[float, float]]] = field(default_factory=dict)

    def upsert(self, record: Record) -> bool:
        """Whether the record was written."""
        device, ts, current_a, temperature_c = record
        known = self.kept.setdefault(device, {})
        if known and ts <= max(known) - RETAINED_S:
            return False
        known[ts] = (current_a, temperature_c)
        return True

    def evict(self, device: int) -> None:
        known = self.kept[device]
        self.kept[device] = {ts: row for ts, row in known.items() if ts > max(known) - RETAINED_S}

    def rows(self, device: int) -> list[tuple[float, float, float]]:
        return [(ts, *row) for ts, row in sorted(self.kept.get(device, {}).items())]

    def features(self, device: int) -> dict[float, bytes]:
        """The features' bits of every retained sample, from the whole series."""
        rows = np.array(self.rows(device)).reshape(-1, 3)
        return {ts: row.tobytes() for ts, row in zip(rows[:, 0], features(tails(*rows.T.copy())), strict=True)}


def columns(records: list[Record]) -> Samples:
    return Samples.of(
        [r[1] for r in records], [r[2] for r in records], [r[3] for r in records], device=[r[0] for r in records]
    )


def feed(windows: Windows, records: list[Record], sizes: list[int]) -> None:
    """Batches of these sizes, over and over, each cut into runs as the scorer cuts them."""
    begin, turn = 0, 0
    while begin < len(records):
        batch = columns(records[begin : begin + sizes[turn % len(sizes)]])
        begin, turn = begin + len(batch), turn + 1
        while len(batch):
            run = batch.take(slice(0, max(1, windows.in_order(batch))))
            windows.upsert(run)
            windows.evict(run.device)
            batch = batch.take(slice(len(run), None))


def held(windows: Windows, device: int) -> list[tuple[float, float, float]]:
    if windows.count(device) == 0:
        return []
    kept = windows.retained(device)
    return list(zip(kept.ts.tolist(), kept.current_a.tolist(), kept.temperature_c.tolist(), strict=True))


devices = st.integers(0, 3)
readings = st.integers(-40, 40).map(float)
# Close neighbours, equal times, and jumps beyond what is shown and what is retained.
times = st.one_of(st.integers(0, 40), st.integers(0, 4000), st.sampled_from([1500, 2219, 2220, 2221])).map(float)
arrivals = st.lists(st.tuples(devices, times, readings, readings), max_size=60)
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


def test_the_ring_wraps_around_without_growing() -> None:
    """A day at 1 Hz goes through a ring made for the retained time."""
    windows = Windows(capacity=2400)
    for begin in range(0, 86_400, 100):
        windows.upsert(columns([(0, float(t), t % 7, 20.0) for t in range(begin, begin + 100)]))
        windows.evict(np.array([0], np.int32))
    assert windows.capacity == 2400
    assert held(windows, 0) == [(float(t), t % 7, 20.0) for t in range(86_400 - 2220, 86_400)]


def test_the_ring_grows_while_it_is_wrapped_around() -> None:
    """Samples, scores and order survive the move, of every device."""
    windows = Windows(capacity=4)
    for t in range(8):
        score(windows, windows.upsert(columns([(0, 1200.0 * t, t, 20.0)])))
        windows.evict(np.array([0], np.int32))
    assert windows.capacity == 4
    score(windows, windows.upsert(columns([(1, 7.0, 7.0, 20.0)])))
    score(windows, windows.upsert(columns([(0, 8400.0 + t, 9.0, 20.0) for t in range(1, 12)])))
    assert 13 <= windows.capacity <= 17
    kept = windows.retained(0)
    assert kept.ts.tolist() == [7200.0, 8400.0, *(8400.0 + t for t in range(1, 12))]
    assert kept.current_a.tolist() == [6.0, 7.0, *[9.0] * 11]
    assert kept.reconstruction_error.tolist() == kept.ts.tolist()
    assert windows.retained(1).ts.tolist() == [7.0]
    assert windows.devices >= 2


@settings(deadline=None, max_examples=100)
@given(arrivals, st.dictionaries(st.integers(0, 60), devices, max_size=12), st.sampled_from([1, 16]))
def test_a_device_that_was_forgotten_is_a_new_one_and_nobody_else_notices(
    records: list[Record], forgotten: dict[int, int], capacity: int
) -> None:
    """Against the plain model; rows change hands in between."""
    windows, plain = Windows(capacity=capacity), Plain()
    for n, record in enumerate(records):
        if n in forgotten:
            windows.forget(forgotten[n])
            plain.kept.pop(forgotten[n], None)
        feed(windows, [record], [1])
        plain.upsert(record)
        plain.evict(record[0])
        assert [held(windows, d) for d in range(4)] == [plain.rows(d) for d in range(4)]
    for device in range(4):
        rows = windows.rows(device)
        ts, _, _ = windows.samples(rows)
        made = features(windows.tails(rows))
        assert {float(t): row.tobytes() for t, row in zip(ts, made, strict=True)} == plain.features(device)


def test_rows_are_used_again() -> None:
    """Names that come and go take no more rows than there are at one time; scores do not pass on with them."""
    windows = Windows()
    for code in range(3, 3000, 3):
        score(windows, windows.upsert(columns([(code, 1.0 * n, 2.0, 20.0) for n in range(1, 9)])))
        assert windows.newest(code) == 8.0
        if code >= 12:
            windows.forget(code - 9)
            assert windows.count(code - 9) == 0
    assert windows.devices == 4
    fresh = windows.upsert(columns([(1, 5.0, 2.0, 20.0)]))
    assert np.isnan(windows.scored(fresh)[0]).all()
    assert windows.scored(fresh)[2].tolist() == [0]
    windows.restore(2, windows.retained(2997))
    assert held(windows, 2) == held(windows, 2997)


def score(windows: Windows, rows: Touched) -> None:
    """A score that shows which sample it belongs to: its time."""
    ts, _, _ = windows.samples(rows)
    severity, stages = (ts % 5).astype(np.int8), (ts % 4).astype(np.int8)
    windows.score(rows, reconstruction_error=ts, forest_score=-ts, severity=severity, stages=stages)


def test_scores_stay_with_their_samples_when_one_is_inserted_before_them() -> None:
    """The new one has none yet; also where the shift runs over the end of the ring."""
    windows = Windows(capacity=8)
    for begin in (0.0, 5000.0):
        score(windows, windows.upsert(columns([(0, begin + t, 1.0, 20.0) for t in (0, 10, 20, 30, 40, 50)])))
        windows.evict(np.array([0], np.int32))
    windows.upsert(columns([(0, 5015.0, 1.0, 20.0)]))
    kept = windows.retained(0)
    assert kept.ts.tolist() == [5000.0, 5010.0, 5015.0, 5020.0, 5030.0, 5040.0, 5050.0]
    scored = kept.ts != 5015.0
    assert (kept.reconstruction_error[scored] == kept.ts[scored]).all()
    assert (kept.forest_score[scored] == -kept.ts[scored]).all()
    assert (kept.severity[scored] == kept.ts[scored] % 5).all()
    assert np.isnan(kept.reconstruction_error[~scored]).all()
    assert np.isnan(kept.forest_score[~scored]).all()
    assert kept.severity[~scored].tolist() == [0]
    assert (kept.stages[scored] == kept.ts[scored] % 4).all()
    assert kept.stages[~scored].tolist() == [0]


def test_a_sample_written_again_keeps_its_scores_until_it_is_scored_again() -> None:
    """So that the scorer can see whether anything changed."""
    windows = Windows()
    score(windows, windows.upsert(columns([(0, 7.0, 1.0, 20.0), (0, 8.0, 1.0, 20.0)])))
    touched = windows.upsert(columns([(0, 7.0, 5.0, 25.0)]))
    error, forest, severity, stages = windows.scored(touched)
    assert (error.tolist(), forest.tolist(), severity.tolist()) == ([7.0, 8.0], [-7.0, -8.0], [2, 3])
    assert stages.tolist() == [3, 0]
    assert held(windows, 0) == [(7.0, 5.0, 25.0), (8.0, 1.0, 20.0)]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(devices, st.integers(1, 9).map(float), readings, readings), min_size=1, max_size=30), st.data()
)
def test_what_is_retracted_was_never_written(steps: list[Record], data: st.DataObject) -> None:
    """All but the first rows of a run of any devices; the next samples take their place."""
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


def test_copies_given_out_do_not_change_with_the_window() -> None:
    """A snapshot is written while the lane goes on."""
    windows = Windows()
    windows.upsert(columns([(0, 1.0, 1.0, 20.0)]))
    kept = windows.retained(0)
    windows.upsert(columns([(0, 1.0, 9.0, 90.0)]))
    assert (kept.current_a.tolist(), kept.temperature_c.tolist()) == ([1.0], [20.0])


def test_a_device_never_seen_has_an_empty_window() -> None:
    """Codes are given out before the first sample is written."""
    windows = Windows()
    assert (windows.count(3), windows.newest(3), len(windows.rows(3))) == (0, -np.inf, 0)
    assert len(windows.upsert(Samples.empty())) == 0


def test_all_rows_of_a_device_in_order_of_time() -> None:
    """For what is scored again after a restart."""
    windows = Windows(capacity=4)
    feed(windows, [(0, 0.0, 1.0, 20.0), (0, 3000.0, 1.0, 20.0), (0, 3002.0, 2.0, 20.0), (0, 3001.0, 3.0, 20.0)], [1])
    rows = windows.rows(0)
    assert windows.samples(rows)[0].tolist() == [3000.0, 3001.0, 3002.0]
    assert rows.rescored.all()
    assert windows.samples(rows.take(slice(1, None)))[1].tolist() == [3.0, 2.0]


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
