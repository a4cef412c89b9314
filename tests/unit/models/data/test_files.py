"""Recorded charges from CSV and Parquet files."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.data import rows
from models.data.files import files, read
from models.data.recordings import RecordingError
from window.samples import Kind

Make = Callable[..., Path]


@pytest.fixture
def csv(tmp_path: Path) -> Make:
    """Writes a CSV file of lines, its header the three columns unless given."""

    def make(*lines: str, name: str = "charge.csv", header: str = "ts,current,temperature") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
        return path

    return make


@pytest.fixture
def parquet(tmp_path: Path) -> Make:
    """Writes a Parquet file of columns."""

    def make(name: str = "charge.parquet", **columns: object) -> Path:
        path = tmp_path / name
        pq.write_table(pa.table(columns), path)
        return path

    return make


def test_a_file_is_a_recording_of_a_device_named_like_it(csv: Make) -> None:
    """Further columns are left alone, whatever is in them."""
    (found,) = read([csv("10,2.5,25.0,hello", "11.5,-2.25,1e1,", header="ts,current,temperature,remark")])
    assert (found.name, found.devices) == ("charge.csv", ("charge",))
    assert found.samples.ts.tolist() == [10.0, 11.5]
    assert found.samples.current_a.tolist() == [2.5, -2.25]
    assert found.samples.temperature_c.tolist() == [25.0, 10.0]
    assert found.samples.created.tolist() == [10.0, 11.5]
    assert (found.unusable, found.notes) == ({}, ())


def test_parquet_gives_what_csv_gives(csv: Make, parquet: Make) -> None:
    """To the bit, for columns of any number type, and for a time that is a timestamp."""
    rows = [(10.25, 2.5, 25), (11.25, 3.5, 26)]
    (text,) = read([csv(*(f"{t},{a},{c}" for t, a, c in rows))])
    ts, current, temperature = zip(*rows, strict=True)
    for times in (list(ts), pa.array([int(t * 1e3) for t in ts], pa.timestamp("ms", "UTC"))):
        (stored,) = read(
            [
                parquet(
                    ts=times, current=pa.array(current, pa.float32()), temperature=list(temperature), label=["a", "b"]
                )
            ]
        )
        for column in ("ts", "current_a", "temperature_c", "created"):
            assert getattr(stored.samples, column).tolist() == getattr(text.samples, column).tolist()


@pytest.mark.parametrize(
    ("header", "line"), [("temperature;ts;current", "25;10;2.5"), ("\ufeff ts , current,temperature", "10, 2.5,25")]
)
def test_columns_in_any_order_and_with_any_usual_separator(csv: Make, header: str, line: str) -> None:
    """As spreadsheets write them."""
    (found,) = read([csv(line, "", header=header)])
    assert (found.samples.ts[0], found.samples.current_a[0], found.samples.temperature_c[0]) == (10.0, 2.5, 25.0)


def test_a_device_column_makes_one_recording_of_all(csv: Make) -> None:
    """In one order of time; devices by name where that ties; a row without one is the file's."""
    header = "ts,current,temperature,device"
    first = csv("10,1,25,b", "12,2,25,a", "13,9,25,", header=header)
    second = csv("11,3,25,a", "12,4,25,b", "12,5,25,A", name="more.csv", header=header)
    (found,) = read([first, second])
    rows = zip(found.samples.ts, (found.devices[code] for code in found.samples.device), strict=True)
    assert [*rows] == [(10, "b"), (11, "a"), (12, "A"), (12, "a"), (12, "b"), (13, "charge")]
    assert found.notes == ()


def test_a_device_can_be_named_for_all_files(csv: Make) -> None:
    """Daily files of one battery are one recording."""
    (found,) = read([csv("20,1,25"), csv("10,2,25", name="before.csv")], device="pack")
    assert found.devices == ("pack",)
    assert found.samples.ts.tolist() == [10.0, 20.0]


def test_a_folder_stands_for_its_files(csv: Make, parquet: Make, tmp_path: Path) -> None:
    """Those below it too; files of one name in two folders are two devices."""
    csv("1,1,25", name="one/charge.csv")
    csv("1,2,25", name="two/charge.csv")
    (tmp_path / "notes.txt").write_text("nothing")
    parquet(ts=[1.0], current=[3.0], temperature=[25.0], name="three.parquet")
    found = read([tmp_path, tmp_path / "one" / "charge.csv"])
    assert sorted(each.devices[0] for each in found) == ["one/charge", "three", "two/charge"]


def test_a_folder_holds_the_same_name_twice_with_other_suffixes(csv: Make, parquet: Make, tmp_path: Path) -> None:
    """They are told apart all the same."""
    csv("1,1,25")
    parquet(ts=[1.0], current=[3.0], temperature=[25.0])
    assert len({each.devices for each in read([tmp_path])}) == 2


def test_rows_out_of_order_are_put_in_order_and_it_is_said(csv: Make) -> None:
    """Of one device; several devices behind one another are a usual thing."""
    (found,) = read([csv("12,3,25", "10,1,25", "11,2,25")])
    assert found.samples.current_a.tolist() == [1.0, 2.0, 3.0]
    assert found.notes == ("charge.csv: its rows are not in order of time; they were put in order",)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("11,,25", "current is missing"),
        ("11", "current is missing"),
        ("11,2.5,cold", "temperature is not a number: 'cold'"),
        ("11,nan,25", "current is not a finite number"),
        ("11,2.5,-inf", "temperature is not a finite number"),
        ("never,2.5,25", "ts is not a number: 'never'"),
        ("-11,2.5,25", "ts lies before 1970"),
    ],
)
def test_a_row_that_is_no_sample_is_kept_with_its_reason(csv: Make, line: str, reason: str) -> None:
    """In its place, without values; the others are samples."""
    (found,) = read([csv("10,1,25", line, "12,3,25")])
    assert found.samples.kind.tolist() == [Kind.SAMPLE, Kind.MALFORMED, Kind.SAMPLE]
    assert [each.reason for each in found.unusable.values()] == [reason]
    assert list(found.unusable) == [1]
    assert math.isnan(found.samples.current_a[1])
    assert found.samples.created[1] in (10.0, 11.0)


def test_a_null_is_no_sample(parquet: Make) -> None:
    """Parquet has a word for nothing."""
    (found,) = read([parquet(ts=[1.0, 2.0], current=[1.0, None], temperature=[25.0, 25.0])])
    assert [each.reason for each in found.unusable.values()] == ["current is not a finite number"]


def test_long_files_are_read_in_parts(csv: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """And faults keep their places."""
    monkeypatch.setattr(rows, "CHUNK", 7)
    lines = [f"{n},{'x' if n == 23 else n},25" for n in range(30)]
    (found,) = read([csv(*lines)])
    assert found.samples.ts[np.isfinite(found.samples.ts)].tolist() == [float(n) for n in range(30) if n != 23]
    assert {row: each.raw["ts"] for row, each in found.unusable.items()} == {23: "23"}


HEADER = "ts,current,temperature,label"


def test_labels_follow_the_rows_into_their_order(csv: Make, parquet: Make) -> None:
    """Other than 0 is a known fault; nothing is none, and without the column nothing is known."""
    (text,) = read([csv("12,3,25,1", "11,3,25,", "10,1,25,0.0", "13,1,25, -1", header=HEADER)], labels=True)
    assert text.fault.tolist() == [False, False, True, True]
    columns = {"ts": [12.0, 11.0, 10.0], "current": [3.0, 2.0, 1.0], "temperature": [25.0] * 3}
    for label in ([1, None, 0], [1.0, math.nan, 0.0], [True, None, False]):
        (stored,) = read([parquet(**columns, label=label)], labels=True)
        assert stored.fault.tolist() == [False, False, True]
    for labels in (True, False):
        (plain,) = read([parquet(**columns)], labels=labels)
        assert not plain.fault.any()


def test_labels_that_are_words(csv: Make) -> None:
    """Refused where labels matter, with what to write; left alone where they do not."""
    path = csv("10,1,25,0", "11,1,25,bad", header=HEADER)
    with pytest.raises(RecordingError, match=r"charge\.csv: column 'label' says 'bad', which is no number. Write 0"):
        read([path], labels=True)
    assert len(read([path])) == 1


def test_a_label_goes_with_its_device(csv: Make) -> None:
    """Of files with a device column, in one order of time."""
    header = "ts,current,temperature,device,label"
    first = csv("10,1,25,b,1", "12,2,25,a,0", header=header)
    second = csv("11,3,25,a,1", name="more.csv", header=header)
    third = csv("13,3,25,a", name="unlabelled.csv", header=header.removesuffix(",label"))
    (found,) = read([first, second, third], labels=True)
    assert found.fault.tolist() == [True, True, False, False]


def test_a_pattern_stands_for_the_files_that_fit(csv: Make, tmp_path: Path) -> None:
    """Each file once, in order of name within what names it; folders on the way may be patterns too."""
    for name in ("b.csv", "a.csv", "deep/c.csv", "deep/below/d.csv"):
        csv("1,1,25", name=name)
    (tmp_path / "a.txt").write_text("no table")

    def named(*inputs: str) -> list[str]:
        return [path.name for path in files([tmp_path / each for each in inputs])]

    assert named("[b-z].csv", "*") == ["b.csv", "a.csv"]
    assert named("d*/c.csv") == ["c.csv"]
    assert named("**/*.csv") == ["a.csv", "b.csv", "d.csv", "c.csv"]
    with pytest.raises(RecordingError, match=r"no .csv or .parquet file fits this pattern"):
        named("x*.csv")


def test_progress_is_told(csv: Make) -> None:
    """A file at a time."""
    said: list[tuple[str, int, int]] = []
    read([csv("1,1,25"), csv("1,1,25", name="b.csv")], progress=lambda *step: said.append(step))
    assert said == [("charge.csv", 1, 2), ("b.csv", 2, 2)]


@pytest.mark.parametrize(
    ("lines", "header", "said"),
    [
        (["1,2"], "ts,current", "column 'temperature' is missing; there are: ts, current"),
        (["1,2,3"], "time,amps,temperature", "column 'ts', 'current' is missing; there are: time, amps, temperature"),
        ([], "ts,current,temperature", "there are no samples in it"),
        (["1784989500000,2.5,25"], "ts,current,temperature", "looks like milliseconds. Write epoch seconds"),
        (
            ["2026-07-25,2.5,25"],
            "ts,current,temperature",
            "none of its 1 rows is a sample: ts is not a number: '2026-07-25'",
        ),
        (["1;2,5;25"], "ts;current;temperature", "none of its 1 rows is a sample: current is not a number: '2,5'"),
    ],
)
def test_what_cannot_have_been_meant_is_said(csv: Make, lines: list[str], header: str, said: str) -> None:
    """What is wrong, in which file, and what is there."""
    with pytest.raises(RecordingError, match=r"charge\.csv") as raised:
        read([csv(*lines, header=header)])
    assert said in str(raised.value)


def test_files_that_cannot_be_read(tmp_path: Path, parquet: Make) -> None:
    """Missing, empty, of another kind, damaged, or with words for numbers."""
    (tmp_path / "empty.csv").touch()
    (tmp_path / "binary.csv").write_bytes(b"ts,current,temperature\n\xff\xfe\x00")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "table.xlsx").touch()
    (tmp_path / "folder").mkdir()
    words = parquet(name="words.parquet", ts=[1.0], current=["2.5"], temperature=[25.0])
    for path, said in (
        (tmp_path / "none.csv", "no .csv or .parquet file has this name"),
        (tmp_path / "empty.csv", "is empty"),
        (tmp_path / "binary.csv", "cannot be read"),
        (tmp_path / "broken.parquet", "cannot be read"),
        (tmp_path / "table.xlsx", "is neither .csv nor .parquet"),
        (tmp_path / "folder", "neither a .csv nor a .parquet file in this folder"),
        (words, "column 'current' is of type string, not a number"),
    ):
        with pytest.raises(RecordingError, match=path.name) as raised:
            read([path])
        assert said in str(raised.value)


def test_parquet_without_pyarrow(parquet: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names what to install; CSV is read without it."""
    path = parquet(ts=[1.0], current=[1.0], temperature=[25.0])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RecordingError, match=r"'\.\[parquet\]'"):
        read([path])
