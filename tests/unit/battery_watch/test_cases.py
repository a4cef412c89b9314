"""Data in shapes that people really have, through `battery-watch replay` and the shipped bundle: samples of one ts, and
what was expected of a reading that steps."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from battery_watch.commands.replay import command

Floats = NDArray[np.float64]

T = 1_764_000_000
STEP_AT, STEP_S, BEFORE_S = 600, 60, 60
"""Seconds: when a reading steps, for how long, and what of the session its expectation is compared with."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a replay printed, and its messages."""

    printed: str
    events: tuple[dict[str, Any], ...]

    def row(self, device: str) -> dict[str, str]:
        """The figures of a device by the table's headings."""
        lines = [line.split() for line in self.printed.splitlines()]
        headings = next(words for words in lines if words[:1] == ["device"])
        return dict(zip(headings, next(words for words in lines if words[:1] == [device]), strict=False))


Replay = Callable[[str, Floats, Floats, Floats], Found]


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Replay:
    """Writes rows as a logger does (ts, current in A, temperature in °C) and replays the file."""
    for name in ("MODEL_DIR", "DEVICE_KEY_NAME", "PUBLISH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("consumer.logs.configure", lambda *_: None)

    def run(device: str, ts: Floats, current_a: Floats, temperature_c: Floats) -> Found:
        path, out = tmp_path / f"{device}.csv", tmp_path / "out"
        rows = (f"{t:.0f},{a:.3f},{c:.2f}\n" for t, a, c in zip(ts, current_a, temperature_c, strict=True))
        path.write_text("ts,current,temperature\n" + "".join(rows))
        result = CliRunner().invoke(
            command, ["--input", str(path), "--out", str(out), "--no-charts"], catch_exceptions=False
        )
        assert result.exit_code == 0, result.output
        events = (json.loads(line) for line in (out / "events.ndjson").read_text().splitlines())
        return Found(result.output, tuple(events))

    return run


def charge(rows: int, seed: int, step_s: float = 1.0) -> tuple[Floats, Floats]:
    """A healthy charge: 3 A for 60 % of its rows, then less and less; the cell warms, and cools when that begins."""
    rng, second = np.random.default_rng(seed), step_s * np.arange(float(rows))
    falling_s = np.maximum(second - 0.6 * step_s * rows, 0.0)
    current_a = 3.0 * np.exp(-falling_s / 3600.0) + rng.normal(0.0, 0.005, rows)
    warmed_c = 8.0 * (1.0 - np.exp(-second / 2400.0)) - falling_s / 1400.0
    return current_a, 22.0 + warmed_c + rng.normal(0.0, 0.03, rows)


def test_two_loggers_of_one_battery_are_quiet_and_counted(replay: Replay) -> None:
    """Each ts is there twice, with nearly the same readings."""
    current_a, temperature_c = (np.repeat(readings, 2) for readings in charge(400, 1))
    second_logger = np.arange(800.0) % 2
    found = replay(
        "near", T + np.arange(800.0) // 2, current_a + 0.02 * second_logger, temperature_c + 0.1 * second_logger
    )
    assert found.events == ()
    assert "400 of 800 rows of near fall on the ts of an earlier row" in found.printed
    row = found.row("near")
    assert [row[name] for name in ("rows", "overwritten", "samples", "anomalies")] == ["800", "400", "400", "0"]


def test_two_packs_under_one_name_are_one_notice_and_no_flood(replay: Replay) -> None:
    """Of each ts there are two samples, of two packs: half of them overwrite the other half. Every second one is unlike
    the one before it, and normal again once it is overwritten: one opening and one end of each kind in ten minutes."""
    (first_a, first_c), (second_a, second_c) = charge(1300, 4), charge(1300, 5)
    current_a, temperature_c = np.empty(2600), np.empty(2600)
    current_a[0::2], current_a[1::2] = first_a, second_a / 2.0
    temperature_c[0::2], temperature_c[1::2] = first_c, second_c - 4.0
    found = replay("packs", T + np.arange(2600.0) // 2, current_a, temperature_c)
    (notice,) = (event for event in found.events if event["type"].startswith("health."))
    assert notice["type"] == "health.overwritten"
    assert "two devices" in notice["data"]["summary"]
    told: dict[tuple[str, str], list[float]] = {}
    for event in found.events:
        if event["type"].startswith("anomaly."):
            at = datetime.fromisoformat(event["time"]).timestamp()
            told.setdefault((event["data"]["kind"], event["data"]["state"]), []).append(at)
    assert {state for _, state in told} == {"opened", "closed"}
    assert all(other - one >= 600.0 for times in told.values() for one, other in pairwise(times))
    assert sum(map(len, told.values())) <= 16
    episodes = {event["data"]["episode"] for event in found.events if event["type"].startswith("anomaly.")}
    assert f"{len(episodes)} episodes were withdrawn" in found.printed
    assert found.row("packs")["overwritten"] == "1,300"


def test_an_hour_of_local_time_that_is_there_twice_is_called_so(replay: Replay) -> None:
    """Four hours, a row every 5 s; before the last of them the clock was set back by an hour."""
    ts = T + 5.0 * np.arange(2880.0)
    ts[2160:] -= 3600.0
    found = replay("dst", ts, *charge(2880, 2, step_s=5.0))
    assert "720 of 2,880 rows of dst fall on the ts of an earlier row" in found.printed
    assert "An hour is there twice: local time" in found.printed
    row = found.row("dst")
    assert [row[name] for name in ("rows", "overwritten", "samples")] == ["2,880", "720", "2,160"]


@pytest.mark.parametrize(("a_second", "seconds"), [(2, 240), (4, 80)])
def test_several_samples_a_second_whose_times_are_cut_are_called_so(
    replay: Replay, a_second: int, seconds: int
) -> None:
    """Of each second all rows but the first fall on the ts of an earlier one."""
    rows = a_second * seconds
    found = replay("samesec", T + np.arange(float(rows)) // a_second, *charge(rows, 3, step_s=1 / a_second))
    assert f"{rows - seconds:,} of {rows:,} rows of samesec fall on the ts of an earlier row" in found.printed
    assert "Several samples a second, whose times are cut to whole seconds?" in found.printed
    row = found.row("samesec")
    assert [row[name] for name in ("rows", "samples")] == [f"{rows:,}", f"{seconds:,}"]


STEPS = {
    "+2 °C": ("temperature", 2.0),
    "+6 °C": ("temperature", 6.0),
    "+15 °C": ("temperature", 15.0),
    "-10 °C": ("temperature", -10.0),
    "0 A": ("current", -3.0),
    "+1 A": ("current", 1.0),
    "x2": ("current", 3.0),
}
"""The reading that is wrong for a minute of a charge at 3 A, and by how much."""
COLUMNS = {"current": ("current_a", "A", 0.02, 0.5), "temperature": ("temperature_c", "°C", 0.1, 1.0)}
"""Of a reading: its name in events, its unit, how far its expectation may be off, and how wide its band is at most."""


@pytest.mark.parametrize(("reading", "step"), STEPS.values(), ids=STEPS)
def test_what_was_expected_is_what_the_samples_before_lead_to(replay: Replay, reading: str, step: float) -> None:
    """The line through the last minute before the step, continued by a second: in the evidence and in the sentence."""
    key, unit, within, reach = COLUMNS[reading]
    columns = dict(zip(("current", "temperature"), charge(1200, 4), strict=True))
    healthy = columns[reading].copy()
    line = np.polyfit(np.arange(-BEFORE_S, 0), healthy[STEP_AT - BEFORE_S : STEP_AT], 1)
    leads_to = float(np.polyval(line, 0))
    columns[reading][STEP_AT : STEP_AT + STEP_S] += step
    found = replay("pack", T + np.arange(1200.0), columns["current"], columns["temperature"])

    data = next(event["data"] for event in found.events if event["type"] == "anomaly.opened")
    evidence = data["evidence"]
    read = float(columns[reading][STEP_AT])
    assert evidence["ts"] == T + STEP_AT
    assert evidence["actual"][key] == pytest.approx(read, abs=0.006)
    assert evidence["expected"][key] == pytest.approx(leads_to, abs=within)
    low, high = evidence["expected_band"][key]
    assert leads_to - reach < low < leads_to < high < leads_to + reach
    assert not low <= read <= high

    assert data["summary"].lower().startswith(reading)
    said = re.fullmatch(rf".* from (\S+) to (\S+) {unit} .*\(normal here: (\S+) to (\S+) {unit}\)\.", data["summary"])
    assert said is not None, data["summary"]
    before, after, normal_low, normal_high = map(float, said.groups())
    assert (before, after) == pytest.approx((float(healthy[STEP_AT - 1]), read), abs=0.06)
    assert (normal_low, normal_high) == pytest.approx((low, high), abs=0.06)
