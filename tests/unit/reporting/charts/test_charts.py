from __future__ import annotations

import io
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image

from reporting.charts.axis import broken, limits, log_limits, tick_label, time_limits, time_ticks
from reporting.charts.data import CURRENT, TEMPERATURE, ChartData, blame
from reporting.charts.figure import render
from reporting.charts.heading import verdict
from reporting.charts.process import ChartDropped, ChartFailed, ChartProcess, ChartTimeout
from scoring.detectors import Stage
from scoring.faults import FaultKind

EPOCH_S = 1_700_000_000.0


def chart(n: int, **columns: object) -> ChartData:
    rng = np.random.default_rng(n)
    data = ChartData(
        device="device4",
        ts=EPOCH_S + np.arange(n, dtype=np.float64),
        current_a=2.5 + 0.004 * rng.standard_normal(n),
        temperature_c=26.0 + 0.03 * rng.standard_normal(n),
        reconstructed_current_a=np.full(n, 2.5),
        reconstructed_temperature_c=np.full(n, 26.0),
        reconstruction_error=np.exp(rng.normal(-3.0, 0.5, n)),
        forest_score=rng.normal(-0.45, 0.01, n),
        severity=np.zeros(n, np.int8),
        stages=np.zeros(n, np.int8),
        blamed=np.zeros(n, np.int8),
        error_limit=0.9,
        forest_limit=-0.6,
        model="bw-000000000000",
    )
    return replace(data, **columns)  # type: ignore[arg-type]


def decoded(png: bytes) -> Image.Image:
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        return image


@pytest.mark.parametrize("n", [0, 1, 2, 10, 1900])
def test_any_number_of_samples_gives_a_whole_picture_of_the_same_size(n: int) -> None:
    """From nothing to a retained window; under 400 kB, so that a phone opens it."""
    png = render(chart(n))
    assert decoded(png).size == (1320, 1045)
    assert len(png) < 400_000


def test_every_severity_value_and_name_can_be_drawn() -> None:
    """NaN, infinities, the largest floats, unknown severities, unsorted and missing times, marks, odd names."""
    n = 300
    rng = np.random.default_rng(1)
    wild = rng.choice([np.nan, np.inf, -np.inf, 3.4e38, -1.7e308, 0.0, 1000.0, 2.5], (6, n))
    ts = EPOCH_S + rng.permutation(n) * 40.0
    ts[7] = np.nan
    data = chart(
        n,
        device="rack-7/" + "x" * 100 + "/$cell_$3^\n電池",
        ts=ts,
        current_a=wild[0],
        temperature_c=wild[1],
        reconstructed_current_a=wild[2],
        reconstructed_temperature_c=wild[3],
        reconstruction_error=wild[4],
        forest_score=wild[5],
        severity=rng.integers(-1, 7, n).astype(np.int8),
        marks=((EPOCH_S + 100.0, "killed $x"), (EPOCH_S + 11_900.0, "restarted"), (0.0, "elsewhere")),
    )
    decoded(render(data))


def test_without_scores_two_panels_are_left_with_names_a_blind_interval_and_a_note() -> None:
    """Intervals that reach beyond the samples, lie elsewhere or have odd names are drawn as far as they can be."""
    plain = chart(90, scores=False)
    told = replace(
        plain,
        spans=(
            (EPOCH_S + 10.0, EPOCH_S + 20.0, "cooling failure"),
            (EPOCH_S + 80.0, EPOCH_S + 500.0, "drop-$out$"),
            (0.0, 1.0, "elsewhere"),
        ),
        blind=((EPOCH_S + 15.0, EPOCH_S + 30.0),),
        note="ledger: 90 written, $0 lost",
    )
    pictures = [render(plain), render(told)]
    assert [decoded(png).size for png in pictures] == [(1320, 825)] * 2
    assert pictures[0] != pictures[1]
    assert decoded(render(replace(told, scores=True))).size == (1320, 1045)


@pytest.mark.parametrize("value", [np.nan, np.inf, 3.4e38, 0.0])
def test_a_column_of_one_impossible_value_can_be_drawn(value: float) -> None:
    """A logger that is broken from its first sample on; the thresholds may be odd as well."""
    column = np.full(20, value)
    data = chart(
        20, current_a=column, temperature_c=column, reconstruction_error=column, forest_score=column,
        error_limit=value, forest_limit=value, severity=np.full(20, 4, np.int8),
    )  # fmt: skip
    decoded(render(data))


@pytest.mark.parametrize("first", [0.0, -5.0, 1e12, 1e18])
def test_times_beyond_every_calendar_can_be_drawn(first: float) -> None:
    """Milliseconds taken for seconds still give a chart."""
    decoded(render(chart(10, ts=first + np.arange(10) * 1000.0)))


def test_equal_data_give_equal_bytes_and_more_anomalies_another_picture() -> None:
    """The same window drawn again is the same object in the bucket."""
    assert render(chart(50)) == render(chart(50))
    assert render(chart(50)) != render(chart(50, severity=np.full(50, 3, np.int8)))


def test_a_marker_stands_on_the_signal_that_is_to_blame() -> None:
    """Each reading, and each score whose model alarmed, gives another picture."""
    worst = np.full(50, 4, np.int8)
    of = [{"blamed": CURRENT}, {"blamed": TEMPERATURE}, {"stages": Stage.RECONSTRUCTION}, {"stages": Stage.FOREST}, {}]
    pictures = {
        render(chart(50, severity=worst, **{name: np.full(50, int(bits), np.int8) for name, bits in each.items()}))
        for each in of
    }
    assert len(pictures) == 5


def test_kinds_say_which_reading_is_to_blame() -> None:
    """Both where none is."""
    both = (FaultKind.DROP_OUT, FaultKind.COOLING)
    kinds = [(), (FaultKind.DROP_OUT,), (FaultKind.HEATING,), (FaultKind.UNUSUAL_PATTERN,), both]
    assert blame(kinds).tolist() == [0, CURRENT, TEMPERATURE, CURRENT | TEMPERATURE, CURRENT | TEMPERATURE]


def test_all_samples_are_counted_where_not_all_are_drawn() -> None:
    """By the heading."""
    assert verdict(chart(50)) == "50 samples, none anomalous"
    assert verdict(chart(50, counted=86_400)) == "86,400 samples, none anomalous"


def test_columns_of_unequal_length_are_refused_by_name() -> None:
    """A fault of the caller is found where it is made, not in the child."""
    with pytest.raises(ValueError, match="forest_score has 3 rows, ts has 5"):
        chart(5, forest_score=np.zeros(3))


def test_a_line_breaks_at_gaps_longer_than_a_minute() -> None:
    """Sixty seconds are drawn through, sixty-one are not."""
    ts, values = broken(np.array([0.0, 60.0, 121.0, 122.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    assert np.isnan(ts).tolist() == [False, False, True, False, False]
    assert np.isnan(values).tolist() == [False, False, True, False, False]


def test_a_fault_is_shown_whole_and_an_absurd_value_is_not() -> None:
    """7 A of 2.5 A belong on the axis; 1000 A would turn everything else into a line."""
    values = np.full(1500, 2.5)
    values[100:112] = 7.0
    values[500] = 1000.0
    values[501] = np.inf
    shown = limits(values, reach=8.0)
    assert shown.high > 7.0
    assert shown.high < 12.0
    assert shown.outside(values).sum() == 2


def test_a_quiet_signal_is_not_blown_up_to_its_noise() -> None:
    """Four milliamperes of noise must not look like a storm."""
    shown = limits(2.5 + 0.004 * np.random.default_rng(0).standard_normal(1500), reach=8.0)
    assert shown.high - shown.low > 0.2


def test_a_lasting_change_is_shown_whole_however_large() -> None:
    """A tenth of the window at 100 degrees is no glitch."""
    values = np.concatenate([np.full(900, 26.0), np.full(100, 100.0)])
    assert limits(values, reach=30.0).high > 100.0


def test_the_error_axis_always_shows_its_threshold() -> None:
    """Where all errors are tiny, absent or absurd as well."""
    for values in (np.array([]), np.array([1e-9]), np.array([1e77]), np.array([np.nan, 0.0]), np.array([0.1])):
        shown = log_limits(values, 0.9)
        assert 0.0 < shown.low < 0.9 < shown.high < 1e7


@pytest.mark.parametrize("length_s", [0.0, 9.0, 60.0, 300.0, 1500.0, 1920.0, 86400.0, 864000.0])
def test_time_ticks_are_few_round_and_inside(length_s: float) -> None:
    """For every interval from one sample to days."""
    ts = np.array([EPOCH_S, EPOCH_S + length_s]) if length_s else np.array([EPOCH_S])
    shown = time_limits(ts)
    ticks = time_ticks(shown)
    assert 2 <= len(ticks) <= 9
    assert all(shown.low <= tick <= shown.high for tick in ticks)
    assert len({tick_label(tick, shown.high - shown.low) for tick in ticks}) == len(ticks)


def test_the_verdict_counts_and_names_the_worst() -> None:
    """One sentence above the chart."""
    assert verdict(chart(0)) == "no samples"
    assert verdict(chart(1)) == "1 sample, none anomalous"
    severity = np.array([0, 1, 3, 0], np.int8)
    assert verdict(chart(4, severity=severity)) == "2 of 4 samples anomalous, worst high"


def test_chart_data_travels_to_another_process() -> None:
    """Pickled and back, nothing is lost."""
    data = chart(5, marks=((1.0, "x"),))
    again = pickle.loads(pickle.dumps(data))
    assert again.marks == data.marks
    np.testing.assert_array_equal(again.ts, data.ts)


@pytest.fixture
def process() -> Iterator[ChartProcess]:
    process = ChartProcess()
    yield process
    process.close()


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 5.0
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def test_the_child_draws_what_the_parent_would(process: ChartProcess) -> None:
    """One child for all charts, started by the first; it survives a Ctrl-C, dies with `close`."""
    assert process.pid is None
    first = process.submit(partial(chart, 30)).result(60)
    pid = process.pid
    assert pid is not None
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGTERM)
    assert process.submit(partial(chart, 30)).result(60) == first == render(chart(30))
    assert process.pid == pid
    process.close()
    assert gone(pid)
    with pytest.raises(ChartDropped):
        process.submit(partial(chart, 1)).result(5)


def test_a_child_that_died_is_replaced(process: ChartProcess) -> None:
    """Killed while idle: the next chart does not notice."""
    process.submit(partial(chart, 1)).result(60)
    before = process.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    decoded(process.submit(partial(chart, 1)).result(60))
    assert process.pid != before


def test_a_stuck_child_is_ended_after_the_time_out_and_the_next_chart_is_drawn() -> None:
    """Even where the child does not read what it is sent."""
    process = ChartProcess(timeout_s=5.0)
    try:
        process.submit(partial(chart, 1)).result(60)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        process._timeout_s = 0.3
        with pytest.raises(ChartTimeout, match=r"0\.3 s"):
            process.submit(partial(chart, 50_000)).result(60)
        process._timeout_s = 30.0
        decoded(process.submit(partial(chart, 1)).result(60))
    finally:
        process.close()


def test_what_a_drawing_raises_is_the_answer_and_the_child_lives_on(process: ChartProcess) -> None:
    """A chart that cannot be drawn costs that chart."""
    bad = chart(3, ts=np.array(["a", "b", "c"]))
    with pytest.raises(ChartFailed, match="TypeError"):
        process.submit(lambda: bad).result(60)
    pid = process.pid
    decoded(process.submit(partial(chart, 1)).result(60))
    assert process.pid == pid


def test_what_fails_before_the_drawing_is_the_answer_and_the_thread_lives_on(process: ChartProcess) -> None:
    """The window is scored again on the thread of the charts: an error there costs that chart."""

    def unscorable() -> ChartData:
        raise ValueError("no such model")

    with pytest.raises(ChartFailed, match="ValueError: no such model"):
        process.submit(unscorable).result(60)
    decoded(process.submit(partial(chart, 1)).result(60))


def test_a_full_queue_drops_its_oldest_periodic_chart() -> None:
    """The chart of an episode is never dropped for a periodic one; dropped charts are counted and logged."""
    process = ChartProcess(waiting=3)
    process.submit(partial(chart, 1)).result(60)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)
    try:
        stuck = process.submit(partial(chart, 1))
        while process._jobs:
            time.sleep(0.001)
        opening = process.submit(partial(chart, 1), periodic=False)
        oldest, middle, newest = (process.submit(partial(chart, 1)) for _ in range(3))
        with pytest.raises(ChartDropped, match="newer"):
            oldest.result(5)
        assert process.dropped == 1
        os.kill(process.pid, signal.SIGCONT)
        for future in (stuck, opening, middle, newest):
            decoded(future.result(60))
    finally:
        process.close()


def test_closing_ends_a_drawing_and_tells_who_waits() -> None:
    """No future stays open, no child is left, even where it hangs."""
    process = ChartProcess()
    process.submit(partial(chart, 1)).result(60)
    pid = process.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    futures = [process.submit(partial(chart, 1)) for _ in range(3)]
    process.close()
    for future in futures:
        with pytest.raises(ChartDropped):
            future.result(5)
    assert gone(pid)


PARENT = """
import sys
import numpy as np
from reporting.charts.data import ChartData
from reporting.charts.process import ChartProcess

def main():
    none = np.zeros(0)
    codes = none.astype(np.int8)
    data = ChartData("d", none, none, none, none, none, none, none, codes, codes, codes, 1.0, 0.0, "m")
    process = ChartProcess()
    png = process.submit(lambda: data).result(60)
    print(process.pid, len(png), "matplotlib" in sys.modules, flush=True)
    sys.stdin.readline()
    process.close()

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("killed", [False, True])
def test_the_parent_never_imports_the_drawing_library_and_the_child_dies_with_it(
    tmp_path: object, killed: bool
) -> None:
    """The scoring process stays small; a parent killed by SIGKILL leaves no child behind."""
    script = os.path.join(str(tmp_path), "parent.py")
    with open(script, "w", encoding="utf-8") as file:
        file.write(PARENT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))}
    with subprocess.Popen(
        [sys.executable, "-W", "error", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as parent:
        assert parent.stdout is not None
        pid, size, imported = parent.stdout.readline().split()
        assert int(size) > 10_000
        assert imported == "False"
        if killed:
            parent.kill()
        else:
            parent.communicate("\n", timeout=30)
            assert parent.returncode == 0
    assert gone(int(pid))
