"""Recorded charges become material: what is held out, what is left out, what is too little."""

from __future__ import annotations

import numpy as np
import pytest

from models.data.material import LEAST_SAMPLES, LEAST_UNITS
from models.data.measured import material
from models.data.recordings import Recording, RecordingError
from window.samples import Samples


def recording(name: str, *starts: float, count: int = LEAST_SAMPLES, current_a: float = 2.0) -> Recording:
    """``count`` samples a second from each start."""
    ts = np.concatenate([start + np.arange(float(count)) for start in starts])
    return Recording.of(name, Samples.of(ts, np.full(len(ts), current_a), np.full(len(ts), 25.0)), [name], {})


def test_files_are_held_out_whole() -> None:
    """Never one session to learn from and another, of the same file, to lay thresholds by."""
    files = [recording(f"{k}.csv", 0.0, 9000.0, current_a=float(k)) for k in range(9)]
    found = material(files, 5)
    train, validation = ({float(s.current_a[0]) for s in part} for part in (found.train, found.validation))
    assert train.isdisjoint(validation)
    assert (len(found.train), len(found.validation)) == (12, 6)
    assert "9 recordings" in found.training["summary"]
    assert "30% of the recordings" in found.training["summary"]


def test_of_fewer_files_sessions_are_held_out() -> None:
    """One long file, or a table: each of its sessions stands for itself."""
    starts = [1000.0 * k for k in range(10)]
    found = material([recording("all.csv", *starts)], 5)
    assert (len(found.train), len(found.validation)) == (7, 3)
    assert sorted(float(s.ts[0]) for s in (*found.train, *found.validation)) == starts
    assert "30% of the sessions" in found.training["summary"]


def test_too_little_says_how_much_is_needed() -> None:
    """How many sessions there are, how many are long enough, and how many are missing."""
    charges = [recording(f"{k}.csv", 0.0) for k in range(LEAST_UNITS - 1)]
    with pytest.raises(RecordingError) as raised:
        material([*charges, recording("short.csv", 0.0, count=10)], 1)
    said = str(raised.value)
    assert f"{LEAST_UNITS - 1} of the {LEAST_UNITS} sessions" in said
    assert f"{LEAST_UNITS} such sessions are needed" in said
    assert "Record 1 more" in said
    assert len(material([*charges, recording("two.csv", 0.0, 9000.0)], 1).train) == 7


def test_another_seed_holds_out_others() -> None:
    """The same seed the same ones."""
    files = [recording(f"{k}.csv", 1000.0 * k) for k in range(20)]
    one, same, other = ([float(s.ts[0]) for s in material(files, seed).validation] for seed in (1, 1, 2))
    assert one == same != other
