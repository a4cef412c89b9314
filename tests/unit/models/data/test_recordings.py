"""Recordings fall into series, and series into sessions."""

from __future__ import annotations

import numpy as np

from models.data.recordings import Recording, Unusable, series
from window.samples import Kind, Samples


def recording(*starts: float, name: str = "charge.csv", count: int = 10) -> Recording:
    """``count`` samples a second from each start."""
    ts = np.concatenate([start + np.arange(float(count)) for start in starts])
    return Recording.of(name, Samples.of(ts, np.full(len(ts), 2.0), np.full(len(ts), 25.0)), ["d"], {})


def test_a_gap_ends_a_session() -> None:
    """One longer than a minute; one of a minute does not. Short ones are left out."""
    (found,) = series([recording(0.0, 69.0, 139.0)])
    assert [(s.ts[0], s.ts[-1]) for s in found.healthy()] == [(0.0, 78.0), (139.0, 148.0)]
    assert [(s.ts[0], s.ts[-1]) for s in found.healthy(least=11)] == [(0.0, 78.0)]


def test_a_file_ends_a_session() -> None:
    """However soon the next one begins."""
    assert [len(one.healthy()) for one in series([recording(0.0), recording(10.0, name="next.csv")])] == [1, 1]


def test_devices_have_series_of_their_own() -> None:
    """Their samples, and what is known to be wrong, lie between one another."""
    samples = Samples.of(np.arange(20.0), np.full(20, 2.0), np.full(20, 25.0), device=np.arange(20) % 2)
    found = series([Recording.of("all", samples, ["a", "b"], {}, np.arange(20) == 3)])
    assert [(one.name, one.samples.ts.tolist()) for one in found] == [
        ("a", list(np.arange(0.0, 20.0, 2))),
        ("b", list(np.arange(1.0, 20.0, 2))),
    ]
    assert [np.flatnonzero(one.fault).tolist() for one in found] == [[], [1]]


def test_each_time_stands_once() -> None:
    """The last counts, as in the table; a row that is no sample takes no sample's place, and stands for itself where
    there is none."""
    ts = [0.0, 1.0, 1.0, 2.0, 2.0, 3.0]
    kind = [Kind.SAMPLE, Kind.SAMPLE, Kind.SAMPLE, Kind.SAMPLE, Kind.MALFORMED, Kind.MALFORMED]
    samples = Samples.of(ts, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [25.0] * 6, created=ts, kind=kind)
    (found,) = series([Recording.of("f", samples, ["d"], {row: Unusable("why", {}) for row in (4, 5)})])
    assert found.samples.ts.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert found.samples.current_a[:3].tolist() == [1.0, 3.0, 4.0]
    assert np.isnan(found.samples.current_a[3])
    assert found.plausible().tolist() == [True, True, True, False]


def test_broken_and_labelled_samples_are_in_no_session() -> None:
    """Malformed ones, and a logger's 3.4e38 A: they would be all that a scaler knows."""
    ts = [0.0, 1.0, 2.0, 3.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    current_a = [1.0, 3.4e38, 2.0, 3.0, 4.0, 5.0, 6.0, np.nan, 7.0]
    kind = [Kind.SAMPLE] * 7 + [Kind.MALFORMED, Kind.SAMPLE]
    samples = Samples.of(ts, current_a, [25.0] * 9, kind=kind)
    fault = np.arange(9) == 8
    (found,) = series([Recording.of("f", samples, ["d"], {7: Unusable("current is missing", {})}, fault)])
    (session,) = found.healthy()
    assert session.current_a.tolist() == [1.0, 2.0, 4.0, 5.0, 6.0]


def test_what_lies_before_a_moment() -> None:
    """For the windows; rows that are no samples keep their reasons."""
    samples = Samples.of([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [25.0] * 3, kind=[Kind.SAMPLE, Kind.SAMPLE, Kind.MALFORMED])
    whole = Recording.of("f", samples, ["d"], {2: Unusable("why", {})}, np.array([True, False, True]))
    before, rest = whole.before(2.0)
    assert before.ts.tolist() == [1.0]
    assert rest.samples.created.tolist() == [2.0, 3.0]
    assert (list(rest.unusable), rest.fault.tolist()) == ([1], [False, True])
