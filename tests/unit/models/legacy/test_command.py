"""`battery-watch convert` as a user meets it: what it prints, and its exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from battery_watch.cli import cli
from scoring.bundle import load

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["convert", *map(str, arguments)])


def test_the_help_names_files_examples_and_exit_codes() -> None:
    """And the command is listed."""
    said = run("--help").output
    for part in (
        "isolation_forest.pkl",
        "battery-watch convert old/ --out bundle --trust-pickle",
        "Exit codes",
        "--high",
    ):
        assert part in said
    assert "convert " in CliRunner().invoke(cli, ["--help"]).output


def test_a_folder_becomes_a_bundle(legacy: Callable[..., Path], tmp_path: Path) -> None:
    """Each finding is a line; the last lines name the bundle and its card. With the full count of rows."""
    result = run(legacy(), "--out", tmp_path / "bundle", "--trust-pickle", "--current-range", "0.5", "6")
    assert result.exit_code == 0, result.output
    bundle = load(tmp_path / "bundle")
    assert bundle.manifest.metrics["parity"]["rows"] > 100_000
    assert bundle.config.training_range.current_a == (0.5, 6.0)
    for part in (
        "14 features in another order, rearranged",
        "reconstruction threshold: config.json: reconstruction_threshold",
        "all 32 weights there and trained",
        "40 trees, anomalous below",
        "forest input: raw",
        "no verdict differs",
        f"{bundle.id} in ",
        "MODEL_CARD.md",
    ):
        assert part in result.output


def test_without_trust_it_explains_and_stops(legacy: Callable[..., Path], tmp_path: Path) -> None:
    """Exit code 2, and nothing written."""
    result = run(legacy(), "--out", tmp_path / "bundle")
    assert result.exit_code == 2
    assert "a pickle is a program" in result.output
    assert "--trust-pickle" in result.output
    assert not (tmp_path / "bundle").exists()


def test_a_missing_key_is_asked_for(legacy: Callable[..., Path], tmp_path: Path) -> None:
    """Exit code 2, with the option."""
    result = run(legacy(config={"recon": 1}), "--out", tmp_path / "bundle", "--trust-pickle")
    assert result.exit_code == 2
    assert "--reconstruction-threshold ERROR" in result.output
    assert "It holds: recon = 1" in result.output
    assert not (tmp_path / "bundle").exists()


def test_a_file_that_lost_its_weights(legacy: Callable[..., Path], tmp_path: Path, old: Any, changed: Any) -> None:
    """Exit code 1, and the weights by name."""

    def lose(opened: Any) -> None:
        opened["model_weights"]["dense_1"].attrs["weight_names"] = []

    result = run(legacy(h5=changed(old.h5["keras3"], lose)), "--out", tmp_path / "bundle", "--trust-pickle")
    assert result.exit_code == 1
    assert "No bundle was written. autoencoder_best.h5 has lost weights: dense_1/kernel, dense_1/bias." in result.output


def test_a_forest_of_too_many_trees(legacy: Callable[..., Path], tmp_path: Path, old: Any) -> None:
    """Said before anything is compared."""
    from sklearn.ensemble import IsolationForest

    many = IsolationForest(n_estimators=257, max_samples=8, random_state=1).fit(old.rows)
    result = run(legacy(forest=many), "--out", tmp_path / "bundle", "--trust-pickle", "--forest-input", "raw")
    assert result.exit_code == 1
    assert "the forest has 257 trees" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--current-range", "3", "1"], "--current-range: 3 is not below 1"),
        (["--forest-input", "both"], "'raw', 'scaled'"),
        (["--high", "3"], "'--high' requires 2 arguments"),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, arguments: list[str], said: str) -> None:
    """Exit code 2 before any file is looked at."""
    result = run(tmp_path / "no", "--out", tmp_path / "bundle", "--trust-pickle", *arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_nothing_is_overwritten(legacy: Callable[..., Path], tmp_path: Path) -> None:
    """Neither what is in the folder nor, with --force, the old files themselves."""
    folder = legacy()
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "mine").write_text("mine")
    result = run(folder, "--out", tmp_path / "bundle", "--trust-pickle")
    assert (result.exit_code, "--force" in result.output) == (2, True)
    result = run(folder, "--out", folder, "--trust-pickle", "--force")
    assert (result.exit_code, "LEGACY_DIR itself" in result.output) == (2, True)
    assert json.loads((folder / "config.json").read_text())
