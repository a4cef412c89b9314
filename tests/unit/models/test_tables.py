"""Recordings from files: what is read, and what is refused in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.tables import TableError, files, read
from scoring.config import Range

WITHIN = Range(current_a=(-1e5, 1e5), temperature_c=(-100.0, 500.0))
CSV = """ts,current,temperature,label
12,3.0,25.2,0
10,1.0,25.0,0
11,2.0,25.1,1
11,2.5,25.1,0
13,,25.1,0
14,3.4e38,25.1,1
,3.0,25.0,0
90,3.0,25.3,0
91,3.1,25.3,1
92,3.1,25.3,0
"""


def test_a_recording_is_in_order_of_time_and_each_time_stands_once(tmp_path: Path) -> None:
    """The last of a time counts; what has no time is left out; broken readings stay, to be set aside."""
    (tmp_path / "a.csv").write_text(CSV)
    found = read(tmp_path / "a.csv")
    assert found.name == "a"
    assert found.samples.ts.tolist() == [10.0, 11.0, 12.0, 13.0, 14.0, 90.0, 91.0, 92.0]
    assert found.samples.current_a[:3].tolist() == [1.0, 2.5, 3.0]
    assert found.fault.tolist() == [False, False, False, False, True, False, True, False]
    assert found.plausible(WITHIN).tolist() == [True, True, True, False, False, True, True, True]


def test_healthy_sessions_hold_no_broken_and_no_labelled_sample(tmp_path: Path) -> None:
    """A gap ends a session, and short ones are left out."""
    (tmp_path / "a.csv").write_text(CSV)
    sessions = read(tmp_path / "a.csv").healthy(WITHIN, gap_s=60.0, least=2)
    assert [s.ts.tolist() for s in sessions] == [[10.0, 11.0, 12.0], [90.0, 92.0]]
    assert len(read(tmp_path / "a.csv").healthy(WITHIN, gap_s=60.0, least=3)) == 1


def test_csv_and_parquet_say_the_same(tmp_path: Path) -> None:
    """Without a label nothing is a fault."""
    import pandas as pd

    table = pd.DataFrame({"ts": [1.0, 2.5], "current": [3.0, 3.1], "temperature": [25.0, 25.1]})
    table.to_csv(tmp_path / "a.csv")
    table.to_parquet(tmp_path / "b.parquet")
    one, other = read(tmp_path / "a.csv"), read(tmp_path / "b.parquet")
    for name in ("ts", "current_a", "temperature_c"):
        assert np.array_equal(getattr(one.samples, name), getattr(other.samples, name))
    assert not one.fault.any()


def test_files_folders_and_patterns(tmp_path: Path) -> None:
    """Each file once, in order of name within what names it."""
    for name in ("b.csv", "a.parquet", "notes.txt", "deep/c.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [p.name for p in files([tmp_path / "*.csv", tmp_path])]
    assert names == ["b.csv", "a.parquet", "c.csv"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", "x", "neither CSV nor Parquet"),
        ("a.csv", "ts,current\n1,2\n", "no column temperature"),
        ("a.csv", "", "cannot be read"),
        ("a.parquet", "no parquet", "cannot be read"),
        ("a.csv", "ts,current,temperature\n1,much,2\n", "not numbers"),
    ],
)
def test_what_cannot_be_used_is_said_in_words(tmp_path: Path, name: str, content: str, words: str) -> None:
    """Which file, and why."""
    (tmp_path / name).write_text(content)
    with pytest.raises(TableError, match=words):
        read(tmp_path / name)


def test_what_is_not_there_is_said_in_words(tmp_path: Path) -> None:
    """A path that matches nothing, and a folder without recordings."""
    with pytest.raises(TableError, match="no file"):
        files([tmp_path / "none.csv"])
    with pytest.raises(TableError, match="holds no CSV"):
        files([tmp_path])
