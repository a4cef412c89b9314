"""Recordings fall into sessions; what is too little to train on is said."""

from __future__ import annotations

import numpy as np
import pytest

from models.recordings import LEAST_SAMPLES, LEAST_SESSIONS, Recording, RecordingError, Unusable, sessions, to_train_on
from window.samples import Kind, Samples


def recording(*starts: float, name: str = "charge.csv", count: int = 10) -> Recording:
    """``count`` samples a second from each start."""
    ts = np.concatenate([start + np.arange(float(count)) for start in starts])
    return Recording.of(name, Samples.of(ts, np.full(len(ts), 2.0), np.full(len(ts), 25.0)), ["d"], {})


def test_a_gap_ends_a_session() -> None:
    """One longer than a minute; one of a minute does not."""
    found = sessions([recording(0.0, 69.0, 139.0)])
    assert [(one.samples.ts[0], one.samples.ts[-1]) for one in found] == [(0.0, 78.0), (139.0, 148.0)]
    assert {(one.recording, one.device) for one in found} == {("charge.csv", "d")}


def test_a_file_ends_a_session() -> None:
    """However soon the next one begins."""
    assert len(sessions([recording(0.0), recording(10.0, name="next.csv")])) == 2


def test_devices_have_sessions_of_their_own() -> None:
    """Their samples lie between one another."""
    samples = Samples.of(np.arange(20.0), np.full(20, 2.0), np.full(20, 25.0), device=np.arange(20) % 2)
    found = sessions([Recording.of("all", samples, ["a", "b"], {})])
    assert [(one.device, one.samples.ts.tolist()) for one in found] == [
        ("a", list(np.arange(0.0, 20.0, 2))),
        ("b", list(np.arange(1.0, 20.0, 2))),
    ]


def test_broken_samples_are_in_no_session() -> None:
    """Malformed ones, and a logger's 3.4e38 A: they would be all that a scaler knows. Of two with one time the later
    counts."""
    ts = [0.0, 1.0, 2.0, 3.0, 3.0, 4.0, 5.0, 6.0]
    current_a = [1.0, 3.4e38, 2.0, 3.0, 4.0, 5.0, 6.0, np.nan]
    kind = [Kind.SAMPLE] * 7 + [Kind.MALFORMED]
    samples = Samples.of(ts, current_a, [25.0] * 8, kind=kind)
    (found,) = sessions([Recording.of("f", samples, ["d"], {7: Unusable("current is missing", {})})])
    assert found.samples.current_a.tolist() == [1.0, 2.0, 4.0, 5.0, 6.0]


def test_what_lies_before_a_moment() -> None:
    """For the windows; rows that are no samples keep their reasons."""
    samples = Samples.of([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [25.0] * 3, kind=[Kind.SAMPLE, Kind.SAMPLE, Kind.MALFORMED])
    whole = Recording.of("f", samples, ["d"], {2: Unusable("why", {})}, {"label": np.array([7, 8, 9])})
    before, rest = whole.before(2.0)
    assert before.ts.tolist() == [1.0]
    assert rest.samples.created.tolist() == [2.0, 3.0]
    assert (list(rest.unusable), rest.more["label"].tolist()) == ([1], [8, 9])


def test_too_little_to_train_on_says_how_much_is_needed() -> None:
    """How many sessions there are, how many are long enough, and how many are missing."""
    charges = [recording(0.0, name=f"{n}.csv", count=LEAST_SAMPLES) for n in range(LEAST_SESSIONS - 1)]
    with pytest.raises(RecordingError) as raised:
        to_train_on([*charges, recording(0.0, name="short.csv")])
    said = str(raised.value)
    assert f"{LEAST_SESSIONS - 1} of the {LEAST_SESSIONS} sessions" in said
    assert f"{LEAST_SESSIONS} such sessions are needed" in said
    assert "Record 1 more" in said
    assert (
        len(to_train_on([*charges, recording(0.0, 9000.0, name="two.csv", count=LEAST_SAMPLES)])) == LEAST_SESSIONS + 1
    )
