"""Samples as columns, and the tables of names."""

import threading

import numpy as np
import pytest

from window.samples import Kind, Names, Samples, concat


def test_columns_have_the_types_that_travel_the_whole_way() -> None:
    """From sequences of any kind; scalars spread, and ``created`` is ``ts`` unless given."""
    samples = Samples.of([1, 2], [3, 4], [25, 26], device=7, kind=Kind.LATE)
    assert [c.dtype for c in (samples.ts, samples.current_a, samples.temperature_c, samples.created)] == [
        np.float64
    ] * 4
    assert (samples.device.dtype, samples.shard.dtype, samples.kind.dtype) == (np.int32, np.int32, np.int8)
    assert samples.created.tolist() == [1.0, 2.0]
    assert samples.device.tolist() == [7, 7]
    assert samples.kind.tolist() == [Kind.LATE, Kind.LATE]


def test_columns_of_unequal_length_are_refused() -> None:
    """A row that lacks a reading would shift all after it."""
    with pytest.raises(ValueError, match="unequal length"):
        Samples.of([1.0, 2.0], [3.0], [25.0, 25.0])


@pytest.mark.parametrize("rows", [slice(1, 3), [1, 2], np.array([False, True, True])])
def test_rows_are_taken_by_slice_index_or_mask(rows: slice | list[int] | np.ndarray) -> None:
    """All columns alike."""
    taken = Samples.of([1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0], device=[0, 1, 2]).take(rows)
    assert (taken.ts.tolist(), taken.current_a.tolist(), taken.device.tolist()) == ([2.0, 3.0], [5.0, 6.0], [1, 2])


def test_concat_keeps_order_and_types() -> None:
    """Also of nothing, and of empty parts."""
    assert len(concat([])) == 0
    joined = concat([Samples.of([2.0], [0.0], [0.0]), Samples.empty(), Samples.of([1.0], [0.0], [0.0], device=3)])
    assert joined.ts.tolist() == [2.0, 1.0]
    assert joined.device.tolist() == [0, 3]
    assert joined.device.dtype == np.int32


def test_every_kind_is_either_scored_or_set_aside_or_left_alone() -> None:
    """Never two of them."""
    assert {k for k in Kind if k.scored} == {Kind.SAMPLE, Kind.BACKFILL}
    assert {k for k in Kind if k.quarantined} == {Kind.MALFORMED, Kind.IMPLAUSIBLE, Kind.FUTURE, Kind.FOREIGN}


def test_threads_that_ask_at_once_get_one_code_a_name() -> None:
    """Readers of several shards meet a new device together."""
    names, start, seen = Names(), threading.Barrier(8), []

    def ask() -> None:
        start.wait()
        seen.append([names.code(f"device-{k}") for k in range(200)])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(codes == seen[0] for codes in seen)
    assert sorted(seen[0]) == list(range(200))
    assert [names[code] for code in seen[0]] == [f"device-{k}" for k in range(200)]
    assert len(names) == 200
