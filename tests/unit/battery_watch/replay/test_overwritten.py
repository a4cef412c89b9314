"""Rows that fall on an earlier ts: how many, and what they likely come from, in the shapes that people have."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from battery_watch.options.inputs import RecordedInput
from battery_watch.replay.overwritten import overwritten
from battery_watch.replay.run import replay_recordings
from battery_watch.replay.summary import figures
from consumer.offline.replay import Replayed
from models.data.files import read
from models.data.recordings import Recording
from scoring.bundle import Bundle

T = 1_764_000_000
Row = tuple[float, float, float]


def charge(
    seconds: int, *, begin: float = T, step: float = 1.0, current_a: float = 3.0, at_c: float = 22.0
) -> list[Row]:
    """A quiet charge; the cell warms by 7 °C in half an hour."""
    rng = Random(3)
    rows = [begin + n * step for n in range(int(seconds / step))]
    return [(ts, current_a + rng.gauss(0, 0.005), at_c + (ts - begin) / 260 + rng.gauss(0, 0.04)) for ts in rows]


def two_packs(seconds: int = 600) -> list[Row]:
    """Each second a row of either pack."""
    return [row for ts, a, c in charge(seconds) for row in ((ts, a, c), (ts, a / 2, c - 4.0))]


def either_first(seconds: int = 600) -> list[Row]:
    """The same, and now one of them is the first to write, now the other."""
    rows, rng = two_packs(seconds), Random(5)
    pairs = [rows[n : n + 2] for n in range(0, len(rows), 2)]
    return [row for pair in pairs for row in (pair if rng.random() < 0.5 else pair[::-1])]


def near(seconds: int = 600) -> list[Row]:
    """Two loggers of one battery."""
    return [row for ts, a, c in charge(seconds) for row in ((ts, a, c), (ts, a + 0.02, c + 0.1))]


def dst() -> list[Row]:
    """Four hours of local time, of which the third is the second once more, later in the charge."""
    rows = charge(4 * 3600, step=5.0)
    return [(ts if ts < T + 7200 else ts - 3600, a - (ts >= T + 7200), c) for ts, a, c in rows]


def samesec(seconds: int = 600) -> list[Row]:
    """Two samples a second, whose times are cut."""
    return [(ts // 1, a, c) for ts, a, c in charge(seconds, step=0.5)]


def written(path: Path, rows: Iterable[Row]) -> list[Recording]:
    path.write_text("ts,current,temperature\n" + "".join(f"{ts},{a:.3f},{c:.2f}\n" for ts, a, c in rows))
    return read([path])


SHAPES = {
    "two_packs": (two_packs(), 600, 1200, "Do two devices"),
    "either_first": (either_first(), 600, 1200, "Do two devices"),
    "near": (near(), 600, 1200, "two loggers of one"),
    "dst": (dst(), 720, 2880, "An hour is there twice: local time without a zone?"),
    "dst, sorted": (sorted(dst(), key=lambda row: row[0]), 720, 2880, "An hour is there twice"),
    "samesec": (samesec(), 600, 1200, "times are cut to whole seconds?"),
}


@pytest.mark.parametrize(("rows", "count", "of", "why"), SHAPES.values(), ids=SHAPES)
def test_what_rows_on_an_earlier_ts_likely_come_from(
    tmp_path: Path, rows: list[Row], count: int, of: int, why: str
) -> None:
    """One sentence a device, with how many."""
    (found,) = overwritten(written(tmp_path / "bay.csv", rows))
    assert (found.device, found.repeated, found.rows) == ("bay", count, of)
    assert found.changed > 0.9 * count
    assert f"{count:,} of {of:,} rows of bay fall on the ts of an earlier row" in str(found)
    assert why in str(found)


def test_a_file_that_was_read_twice_is_called_so(tmp_path: Path) -> None:
    """The same readings: nothing is overwritten."""
    (found,) = overwritten(written(tmp_path / "bay.csv", charge(100) * 2))
    assert (found.repeated, found.changed) == (100, 0)
    assert str(found).endswith("with the same readings: was something read twice?")


def test_of_rows_with_times_of_their_own_nothing_is_said(tmp_path: Path) -> None:
    """In order or not."""
    rows = charge(300)
    assert [*overwritten(written(tmp_path / "a.csv", rows))] == []
    assert [*overwritten(written(tmp_path / "b.csv", rows[::-1]))] == []


def replayed(recordings: list[Recording], bundle: Bundle) -> list[Replayed]:
    return replay_recordings(RecordedInput(recordings, "replay"), bundle, progress=lambda *_: None)


def told(found: list[Replayed]) -> list[str]:
    return [each.state for of in found for each in of.messages if each.type == "health.overwritten"]


@pytest.mark.parametrize(
    ("rows", "count", "notices"),
    [(two_packs(100), 100, ["opened"]), (two_packs(40), 40, ["opened"]), (near(100), 100, []), (samesec(100), 100, [])],
    ids=["two_packs", "two_packs_min", "near", "samesec"],
)
def test_figures_count_what_was_read_and_what_was_overwritten(
    tmp_path: Path, plain_bundle: Bundle, rows: list[Row], count: int, notices: list[str]
) -> None:
    """Two packs are one notice; near readings and cut times are counted."""
    found = replayed(written(tmp_path / "bay.csv", rows), plain_bundle)
    (line,) = figures(found, 60.0)
    changed = sum(1 for before, after in pairwise(rows) if _same_time_other_readings(before, after))
    assert (line.rows, line.samples, line.overwritten) == (len(rows), count, changed)
    assert told(found) == notices


def _same_time_other_readings(before: Row, after: Row) -> bool:
    """As the file has them."""
    shown = [(f"{a:.3f}", f"{c:.2f}") for _, a, c in (before, after)]
    return before[0] == after[0] and shown[0] != shown[1]
