"""`battery-watch train` and `evaluate` as a user meets them: what they ask for, pass on, and refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from battery_watch.commands import evaluate
from battery_watch.commands.train import command
from models.simulation import cell
from models.training import train as pipeline


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def flat(result: Result) -> str:
    return " ".join(result.output.replace("│", " ").split())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, small: Any) -> list[dict[str, Any]]:
    """What the pipeline was asked for; it gives the small bundle without any work."""
    calls: list[dict[str, Any]] = []

    def train(material: Any, out: Path, seed: int, recipe: Any, progress: Any, *, limits: Any) -> Any:
        calls.append({"material": material, "out": out, "seed": seed, "recipe": recipe, "limits": limits})
        return small.bundle

    monkeypatch.setattr(pipeline, "train", train)
    return calls


def made_up(count: int, seed: int) -> Any:
    """Charges without a simulation: steady for twenty minutes, then off."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(0.0, 1300.0, 5.0)
    for _ in range(count):
        conditions = cell.draw(rng)
        current_a = np.where(time_s < 1200, conditions.c_rate * cell.CAPACITY_AH, 0.0)
        yield cell.Charge(conditions, time_s, current_a, np.full(len(time_s), conditions.ambient_c), 900.0, 1200.0)


def test_simulated_and_recorded_charges_go_the_same_way(
    asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, small: Any, tmp_path: Path
) -> None:
    """With seed, budget and limits; the simulation gets the seed too."""
    seeds: list[int] = []
    monkeypatch.setattr(cell, "charges", lambda count, seed: seeds.append(seed) or made_up(count, seed))
    options = ["--seed", "5", "--budget", "0.2", "--epochs", "12", "--high", "6", "55"]
    for source in (["--simulated", "--sessions", "8"], ["--input", str(small.charges)]):
        result = run(*source, "--out", tmp_path / "new", *options)
        assert result.exit_code == 0, result.output
    simulated, recorded = asked
    assert seeds == [5]
    for call in asked:
        assert (call["seed"], call["recipe"].budget, call["out"]) == (5, 0.2, tmp_path / "new")
        assert (call["recipe"].epochs, call["recipe"].settle_epochs) == (10, 2)
        assert call["limits"] == {"high": (6.0, 55.0)}
    assert simulated["material"].training["source"] == "simulation"
    assert len(simulated["material"].fault_injected) == 2
    assert recorded["material"].training["source"] == "recordings"


def test_devices_of_one_file_are_kept_apart(asked: list[dict[str, Any]], tmp_path: Path) -> None:
    """Samples of two batteries that were charged at the same time are sessions of two."""
    lines = ["ts,current,temperature,device"]
    for start in range(4):
        for second in range(150):
            lines += [f"{start * 1000 + second},{2 + k},25,{name}" for k, name in enumerate("ab")]
    (tmp_path / "two.csv").write_text("\n".join(lines))
    assert run("--input", tmp_path / "two.csv", "--out", tmp_path / "new").exit_code == 0
    sessions = [*asked[0]["material"].train, *asked[0]["material"].validation]
    assert sorted(float(np.ptp(s.current_a)) for s in sessions) == [0.0] * 8
    assert asked[0]["material"].training["devices"] == 2


def test_it_does_not_overwrite(tmp_path: Path) -> None:
    """What is in the folder stays, and the message says how to replace it."""
    kept = tmp_path / "kept.txt"
    kept.write_text("mine")
    result = run("--simulated", "--out", tmp_path)
    assert result.exit_code == 2
    assert "--force" in result.output
    assert kept.read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--simulated"),
        (["--simulated", "--input", "a.csv"], "Say what to train on"),
        (["--simulated", "--device", "d"], "--device do not go with --simulated"),
        (["--input", "a.csv", "--sessions", "9"], "--sessions goes with --simulated"),
        (["--simulated", "--high", "0", "50"], "the current must be above 0 A"),
        (["--simulated", "--high", "6", "900"], "the temperature one in °C"),
        (["--simulated", "--high", "nan", "50"], "the current must be above 0 A"),
        (["--simulated", "--medium", "5", "50", "--high", "4", "60"], "--high 4 60 must lie above --medium 5 50"),
        (["--simulated", "--medium", "5", "50", "--critical", "6", "50"], "must lie above --medium 5 50"),
        (["--simulated", "--medium", "5"], "Invalid value for '--medium'"),
        (["--simulated", "--budget", "0"], "--budget"),
        (["--input", "none.csv"], "no .csv or .parquet file has this name"),
    ],
)
def test_what_must_be_put_right_is_said(tmp_path: Path, arguments: list[str], said: str) -> None:
    """Exit code 2 before any work, and nothing written."""
    result = run(*arguments, "--out", tmp_path / "new")
    assert result.exit_code == 2
    assert said in flat(result)
    assert not (tmp_path / "new").exists()


def test_too_little_is_said_with_how_much_is_needed(small: Any, tmp_path: Path) -> None:
    """And where the data lies is not a trace."""
    result = run("--input", small.charges / "charge_1.csv", "--out", tmp_path / "new")
    assert result.exit_code == 2
    assert "Record 7 more charges" in flat(result)
    assert "Traceback" not in result.output


def test_limits_that_contradict_the_data(small: Any, tmp_path: Path) -> None:
    """Exit code 1, with both limits, and whose they are."""
    result = run("--input", small.charges, "--out", tmp_path / "new", "--medium", "50", "80")
    assert result.exit_code == 1
    assert "medium (50 A, 80 °C) is not below high (" in flat(result)
    assert "from the data (give it too)" in flat(result)
    assert not (tmp_path / "new").exists()


def test_the_help_has_examples() -> None:
    """A user reads this first; also where the pictures lie."""
    result = run("--help")
    assert result.exit_code == 0
    for words in ("battery-watch train --simulated --out", "--medium 5 45 --high 6 55", "OUT-scores.png"):
        assert words in flat(result)


def test_evaluate_tells_draws_and_refuses(small: Any, tmp_path: Path) -> None:
    """A table on the screen and as a file, a picture; a folder that holds nothing is said."""
    args = ["--bundle", str(small.folder), "--input", str(small.charges / "charge_[12].csv"), "--inject"]
    args += ["--per-grade", "1", "--peers", str(small.charges), "--out", str(tmp_path / "report")]
    told = CliRunner().invoke(evaluate.command, args)
    assert told.exit_code == 0, told.output
    for words in ("false episodes per charge-hour", "| over current |", "plain rule", "rolling z-score", "no model"):
        assert words in told.output
    assert (tmp_path / "report" / "evaluation.md").read_text() == told.output
    assert (tmp_path / "report" / "evaluation.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "empty").mkdir()
    refused = CliRunner().invoke(evaluate.command, [*args[:2], "--input", str(tmp_path / "empty")])
    assert (refused.exit_code, "neither a .csv nor a .parquet file" in refused.output) == (2, True)


def test_peers_without_a_session_are_said(small: Any, tmp_path: Path) -> None:
    """Rather than a table without them."""
    short = tmp_path / "short.csv"
    short.write_text("ts,current,temperature\n1,2,25\n")
    args = ["--bundle", str(small.folder), "--input", str(small.charges / "charge_1.csv"), "--peers", str(short)]
    refused = CliRunner().invoke(evaluate.command, args)
    assert (refused.exit_code, "--peers: no session of 400 good samples" in refused.output) == (2, True)
