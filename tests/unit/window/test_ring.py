"""The storage of the windows: rows grow, wrap around and are used again, and scores stay with their samples."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from window_rig import Plain, Record, arrivals, columns, devices, feed, held, score

from window.features import features
from window.rolling import Windows
from window.samples import Samples


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
    """So that the scorer can tell whether anything changed."""
    windows = Windows()
    score(windows, windows.upsert(columns([(0, 7.0, 1.0, 20.0), (0, 8.0, 1.0, 20.0)])))
    touched = windows.upsert(columns([(0, 7.0, 5.0, 25.0)]))
    error, forest, severity, stages = windows.scored(touched)
    assert (error.tolist(), forest.tolist(), severity.tolist()) == ([7.0, 8.0], [-7.0, -8.0], [2, 3])
    assert stages.tolist() == [3, 0]
    assert held(windows, 0) == [(7.0, 5.0, 25.0), (8.0, 1.0, 20.0)]


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
