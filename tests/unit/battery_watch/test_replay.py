"""`battery-watch replay` on files: what it writes, what it says, how it ends."""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import structlog
from click.testing import CliRunner, Result
from repository import ROOT

from battery_watch.commands.replay import command
from battery_watch.replay import output
from battery_watch.replay.output import COLUMNS, DRAWN, chart
from battery_watch.replay.summary import figures
from consumer.offline.replay import Judged, Replayed
from reporting.charts.data import ChartData
from scoring.bundle import Bundle
from scoring.faults import FaultKind
from scoring.rules import Rule

T = 1_784_989_500


@pytest.fixture
def charge(tmp_path: Path) -> Path:
    """Ten minutes of a quiet charge with two faults: a temperature of 61.5 °C at second 300, none at 400."""
    rows = ["ts,current,temperature"]
    for second in range(600):
        ripple = (second * 7919 % 13 - 6) / 200
        temperature = {300: "61.5", 400: ""}.get(second, f"{25 + second / 400 + ripple:.2f}")
        rows.append(f"{T + second},{2.5 + ripple / 8:.4f},{temperature}")
    path = tmp_path / "charge.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Runs the command in an empty folder, with a log as it was before."""
    for name in ("MODEL_DIR", "DEVICE_KEY_NAME", "RESULTS_BUCKET_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "consumer.logs.configure", lambda *_: structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    )
    monkeypatch.setattr("reporting.charts.figure.render", lambda data: f"{data.device} {len(data)}".encode())
    monkeypatch.setattr(output, "render", lambda data: f"{data.device} {len(data)}".encode())

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(command, [str(argument) for argument in arguments])

    return invoke


def test_a_replay_writes_scores_events_and_charts(run: Callable[..., Result], charge: Path, tmp_path: Path) -> None:
    """A row a sample, a line a message, a picture a device; and says in figures what it found."""
    result = run("--input", charge, "--out", "out", "--publish", "both")
    assert result.exit_code == 0, result.output
    out = tmp_path / "out"
    assert sorted(p.name for p in out.iterdir()) == ["charts", "events.ndjson", "quarantine.ndjson", "scores.parquet"]
    table = pq.read_table(out / "scores.parquet")
    assert table.column_names == list(COLUMNS)
    rows = table.to_pylist()
    assert len(rows) == 599
    found = next(row for row in rows if row["ts"] == T + 300)
    assert (found["device"], found["temperature"], found["anomaly"], found["severity"]) == (
        "charge",
        61.5,
        True,
        "critical",
    )
    assert {"reconstruction", "change", "range"} <= {*found["stages"].split("+")}
    quiet = rows[0]
    assert (quiet["anomaly"], quiet["stages"], quiet["severity"], quiet["episode"]) == (False, "", "none", None)
    events = [json.loads(line) for line in (out / "events.ndjson").read_text().splitlines()]
    anomalies = [event for event in events if event["type"] == "anomaly.sample"]
    assert [event["data"]["ts"] for event in anomalies] == [row["ts"] for row in rows if row["anomaly"]]
    assert {event["data"]["episode"] for event in anomalies} == {row["episode"] for row in rows if row["anomaly"]}
    others = [event["type"] for event in events if event not in anomalies]
    assert others == ["anomaly.opened", "anomaly.closed", "health.quarantine"]
    (aside,) = [json.loads(line) for line in (out / "quarantine.ndjson").read_text().splitlines()]
    assert aside["reason"] == "temperature is missing"
    assert aside["record"]["ts"] == str(T + 400)
    assert [p.name for p in (out / "charts").iterdir()] == ["charge.png"]
    line = next(line for line in result.output.splitlines() if line.strip().startswith("charge")).split()
    assert (line[1], line[2], line[4], line[6]) == ("599", "1", str(len(anomalies)), "1")


def test_without_pyarrow_scores_are_csv_of_the_same_rows(
    run: Callable[..., Result], charge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it is said how to have Parquet."""
    assert run("--input", charge, "--out", "whole").exit_code == 0
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    result = run("--input", charge, "--out", "out", "--no-charts")
    assert result.exit_code == 0
    assert ".[parquet]" in result.output
    with (tmp_path / "out" / "scores.csv").open(newline="") as stream:
        rows = [*csv.DictReader(stream)]
    monkeypatch.undo()
    for row, expected in zip(rows, pq.read_table(tmp_path / "whole" / "scores.parquet").to_pylist(), strict=True):
        assert float(row["ts"]) == expected["ts"]
        assert float(row["reconstruction_error"]) == expected["reconstruction_error"]
        assert (row["anomaly"] == "true") == expected["anomaly"]
        assert (row["stages"], row["severity"], row["episode"] or None) == (
            expected["stages"],
            expected["severity"],
            expected["episode"],
        )


def test_a_replay_takes_the_place_of_an_earlier_one(run: Callable[..., Result], charge: Path, tmp_path: Path) -> None:
    """Nothing of that one stays, and nothing else is touched."""
    out = tmp_path / "out"
    (out / "charts").mkdir(parents=True)
    for name in ("charts/old.png", "scores.csv", "events.ndjson", "mine.txt"):
        (out / name).write_text("old")
    assert run("--input", charge, "--out", out, "--no-charts").exit_code == 0
    assert sorted(p.name for p in out.iterdir()) == ["events.ndjson", "mine.txt", "quarantine.ndjson", "scores.parquet"]
    assert (out / "mine.txt").read_text() == "old"
    assert (out / "events.ndjson").read_text() != "old"


def test_ctrl_c_leaves_no_half_files(
    run: Callable[..., Result], charge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither while it is written nor of a folder that was not there; what was there stays."""

    def interrupted(_: ChartData) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(output, "render", interrupted)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "events.ndjson").write_text("old")
    for name in ("new", "old"):
        result = run("--input", charge, "--out", name)
        assert result.exit_code == 130
        assert "nothing was written" in result.output
    assert not (tmp_path / "new").exists()
    assert [p.name for p in (tmp_path / "old").iterdir()] == ["events.ndjson"]
    assert (tmp_path / "old" / "events.ndjson").read_text() == "old"


def test_a_folder_that_cannot_be_written(run: Callable[..., Result], charge: Path, tmp_path: Path) -> None:
    """Exit code 1: the input was fine."""
    (tmp_path / "file").write_text("")
    result = run("--input", charge, "--out", "file/out")
    assert result.exit_code == 1
    assert "cannot be written" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Say what to read"),
        (["--input", "a.csv", "--table", "t"], "Say what to read"),
        (["--input", "a.csv", "--since", "24h"], "--since and --until go with --table"),
        (["--table", "t", "--since", "yesterday"], "is no time"),
        (["--table", "t", "--since", "1h", "--until", "2h"], "--until must be later"),
        (["--table", "t", "--device", "d"], "--device goes with --input"),
        (["--input", "a.csv"], "no .csv or .parquet file has this name"),
        (["--input", "charge.csv", "--bundle", "nowhere"], "nowhere"),
    ],
)
def test_what_must_be_put_right_is_said(
    run: Callable[..., Result], charge: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    """Exit code 2, one message, no trace, nothing written."""
    result = run(*arguments, "--out", "out")
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_several_files_are_several_devices(run: Callable[..., Result], charge: Path, tmp_path: Path) -> None:
    """Named one after the other as a shell does; one's windows know nothing of the other's; or all of one device."""
    other = tmp_path / "other.csv"
    other.write_text(charge.read_text())
    assert run("--input", charge, other, "--out", "out").exit_code == 0
    rows = pq.read_table(tmp_path / "out" / "scores.parquet").to_pylist()
    halves = [
        [{**row, "device": "", "episode": ""} for row in rows if row["device"] == name] for name in ("charge", "other")
    ]
    assert halves[0] == halves[1]
    assert len({row["episode"] for row in rows if row["ts"] == T + 300}) == 2
    assert run("--input", charge, "--input", other, "--device", "pack", "--out", "one").exit_code == 0
    assert {row["device"] for row in pq.read_table(tmp_path / "one" / "scores.parquet").to_pylist()} == {"pack"}


def test_names_of_charts_are_names_of_files(run: Callable[..., Result], tmp_path: Path) -> None:
    """Whatever a device is called."""
    path = tmp_path / "x.csv"
    path.write_text("ts,current,temperature,device\n1,2.5,25,../a/b\n2,2.5,25,ä\n")
    assert run("--input", path, "--out", "out").exit_code == 0
    assert sorted(p.name for p in (tmp_path / "out" / "charts").iterdir()) == ["%C3%A4.png", "..%2Fa%2Fb.png"]


def test_a_long_recording_is_thinned_out_for_its_chart(default_bundle: Bundle) -> None:
    """Its anomalies are all there."""
    n = 3 * DRAWN
    severity = np.zeros(n, np.int8)
    severity[[1, n - 2]] = 3
    drawn = chart(judged(np.arange(float(n)), severity), 0, default_bundle)
    assert len(drawn) <= DRAWN + 2
    assert int((drawn.severity == 3).sum()) == 2
    assert "one in 3" in drawn.note
    assert drawn.counted == n


def judged(ts: np.ndarray, severity: np.ndarray, episodes: dict[int, str] | None = None) -> Judged:
    """Of one device."""
    n = len(ts)
    values = np.ones(n)
    episode = np.array([(episodes or {}).get(row, "") for row in range(n)], object)
    whole = (values,) * 6
    none = np.empty(n, object)
    none[:] = [()] * n
    return Judged(("d",), np.zeros(n, np.int32), ts, *whole, np.zeros(n, np.uint8), severity, episode, none, none)


def test_figures_of_a_device() -> None:
    """Sessions by gaps; an anomaly is in alarm until the next sample of its session."""
    ts = np.array([0.0, 10.0, 20.0, 200.0, 201.0, 203.0])
    severity = np.array([0, 1, 2, 0, 1, 1], np.int8)
    found = Replayed(judged(ts, severity, {1: "a", 2: "a", 4: "b", 5: "b"}), (), {"d": {"quarantined": 4}}, ())
    (line,) = figures([found], 60.0)
    assert (line.samples, line.sessions, line.anomalies, line.episodes, line.quarantined) == (6, 2, 4, 2, 4)
    assert math.isclose(line.hours * 3600, 23.0)
    assert line.alarm_s == 12.0


def test_rows_that_fall_on_an_earlier_ts_are_said(run: Callable[..., Result], tmp_path: Path) -> None:
    """In two columns of their own, and one sentence with the likely reason; the messages have one notice."""
    rows = [f"{T + n},{a},{c}" for n in range(40) for a, c in ((2.5 + n % 7 / 1000, 25.0), (1.25, 21.0))]
    path = tmp_path / "bay.csv"
    path.write_text("ts,current,temperature\n" + "\n".join(rows) + "\n")
    result = run("--input", path, "--out", "out", "--no-charts")
    assert result.exit_code == 0, result.output
    heading = next(line for line in result.output.splitlines() if line.strip().startswith("device")).split()
    assert heading[1:4] == ["rows", "overwritten", "samples"]
    line = next(line for line in result.output.splitlines() if line.strip().startswith("bay")).split()
    assert line[1:4] == ["80", "40", "40"]  # as many samples as times
    assert "40 of 80 rows of bay fall on the ts of an earlier row, all with other readings" in result.output
    assert "Do two devices, or two loggers of one, write under this name?" in result.output
    assert "1 health.overwritten" in result.output


def test_a_real_charge_with_a_glitch_of_its_logger(
    run: Callable[..., Result], recorded_data: Path, tmp_path: Path
) -> None:
    """One sample of 3.4e38 A is set aside and told; the charge is scored without it."""
    path = recorded_data / "arts30q_1hz" / "dataset_1_cell_a_c0017.parquet"
    assert run("--input", path, "--out", "out").exit_code == 0
    recorded = pq.read_table(path).to_pylist()
    rows = pq.read_table(tmp_path / "out" / "scores.parquet").to_pylist()
    assert [row["ts"] for row in rows] == [row["ts"] for row in recorded if row["current"] < 1e5]
    events = [json.loads(line) for line in (tmp_path / "out" / "events.ndjson").read_text().splitlines()]
    assert [event["type"] for event in events][:1] == ["health.quarantine"]


SCRIPT = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in "tensorflow keras sklearn pandas pyarrow onnx h5py pybamm scipy".split():
            raise ImportError(f"{name} is not installed here")
sys.meta_path.insert(0, Refuse())
from battery_watch.cli import main
main()
"""


def test_it_needs_nothing_but_what_the_worker_needs(charge: Path, tmp_path: Path) -> None:
    """Neither TensorFlow nor pandas nor pyarrow; and what goes to stdout is the summary alone."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLCONFIGDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "replay", "--input", str(charge), "--out", str(tmp_path / "out")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "charts" / "charge.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "out" / "scores.csv").exists()
    assert "scoring" in done.stderr
    assert done.stdout.splitlines()[-1].startswith("Messages: ")
    assert "reason=" not in done.stdout  # the worker's log


@pytest.mark.parametrize("parquet", [True, False])
def test_every_stage_has_its_word(
    parquet: bool, default_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those of policy `evidence` too, alone and together with others."""
    monkeypatch.setattr(output, "has_parquet", lambda: parquet)
    rows = np.arange(16)
    numbers = {name: rows.astype(float) for name in Judged.__slots__}
    codes = {"device": np.zeros(16, np.int32), "stages": rows.astype(np.uint8), "severity": np.ones(16, np.int8)}
    texts = {name: np.empty(16, object) for name in ("kinds", "rules")}
    texts["kinds"][:] = [(FaultKind.OVER_CURRENT, FaultKind.HEATING)] * 16
    texts["rules"][:] = [(Rule("change", 61.5, 3.8, "current"), Rule("forest", -0.75, -0.5))] * 16
    judged = Judged(**{**numbers, **codes, **texts, "devices": ("d",), "episode": np.full(16, "e", object)})
    replayed = Replayed(judged, (), {}, ())
    output.write([replayed], default_bundle, tmp_path, charts=False, progress=lambda *_: None)
    if parquet:
        rows_read = pq.read_table(tmp_path / "scores.parquet").to_pylist()
    else:
        rows_read = [*csv.DictReader((tmp_path / "scores.csv").read_text().splitlines())]
    found = [row["stages"] for row in rows_read]
    assert {row["kinds"] for row in rows_read} == {"over_current+heating"}
    assert {row["rules"] for row in rows_read} == {"change current 61.5 > 3.8; forest -0.75 < -0.5"}
    assert (found[0], found[4], found[8]) == ("", "change", "stuck")
    assert found[15] == "reconstruction+forest+change+stuck"
