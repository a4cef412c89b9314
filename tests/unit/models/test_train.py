"""From nothing to a bundle, small: the oracles are Keras and scikit-learn themselves."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from battery_watch.commands.train import command
from models.forest import Forest
from models.simulate import CAPACITY_AH
from models.train import Recipe, train_simulated
from scoring.bundle import load


def test_a_bundle_is_made_and_loads(small: Any) -> None:
    """All steps are told, and what was written is what was returned."""
    assert small.steps == [
        "simulating charges",
        "training the autoencoder",
        "growing the forest",
        "proving parity",
    ]
    assert load(small.folder).id == small.bundle.id
    assert small.bundle.manifest.metrics["parity"]["verdicts_differ"] == 0
    assert small.bundle.config.calibration.residual is not None
    assert "no safety device" in (small.folder / "MODEL_CARD.md").read_text()
    assert small.bundle.id in (small.folder / "MODEL_CARD.md").read_text()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_keras_file_of_the_bundle_is_the_graph(small: Any) -> None:
    """Reloaded by Keras itself, it reconstructs as the graph does."""
    import keras

    model = keras.models.load_model(small.folder / "autoencoder.keras", compile=False)
    rng = np.random.default_rng(1)
    scaler = small.bundle.scaler
    rows = scaler.mean + scaler.scale * rng.normal(size=(500, 14)) * 3
    expected = model.predict(scaler.standardise(rows).astype(np.float32), verbose=0)
    found = scaler.standardise(small.bundle.graph.score(rows).reconstruction)
    assert np.abs(found - expected).max() < 1e-4


def test_the_same_seed_gives_the_same_bundle(
    small: Any, make_small: Callable[[Path, int], Any], tmp_path: Path
) -> None:
    """Every byte of every file, in spite of the time Keras notes in its own."""
    again = make_small(tmp_path / "again", 3)
    digests = [
        {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.iterdir()}
        for folder in (small.folder, again.folder)
    ]
    assert digests[0] == digests[1]
    assert again.bundle.id == small.bundle.id


def test_the_forest_file_rebuilds_every_tree(small: Any) -> None:
    """Twenty trees of the design's size come back."""
    forest = Forest.from_bytes((small.folder / "isolation_forest.npz").read_bytes())
    assert forest.trees == 20
    assert (forest.max_samples, len(forest.starts)) == (256, 21)


def test_the_training_range_is_that_of_the_cell(small: Any) -> None:
    """Up to 1.2 C of a 5 Ah cell, with some noise."""
    low, high = small.bundle.config.training_range.current_a
    assert low == 0.0
    assert 0.15 * CAPACITY_AH < high < 1.2 * CAPACITY_AH + 0.5


def test_too_few_sessions(tmp_path: Path) -> None:
    """Said before any work is done."""
    with pytest.raises(ValueError, match="8 at least"):
        train_simulated(tmp_path, 1, Recipe(sessions=3), lambda *_: None)


def test_the_command_does_not_overwrite(tmp_path: Path) -> None:
    """What is in the folder stays, and the message says how to replace it."""
    kept = tmp_path / "kept.txt"
    kept.write_text("mine")
    result = CliRunner().invoke(command, ["--simulated", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "--force" in result.output
    assert kept.read_text() == "mine"


def test_the_command_wants_to_know_what_to_train_on(tmp_path: Path) -> None:
    """Without a source there is nothing to do."""
    result = CliRunner().invoke(command, ["--out", str(tmp_path / "new")])
    assert result.exit_code == 2
    assert "--simulated" in result.output
    assert not (tmp_path / "new").exists()


def test_the_help_has_an_example() -> None:
    """A user reads this first."""
    result = CliRunner().invoke(command, ["--help"])
    assert result.exit_code == 0
    assert "battery-watch train --simulated --out" in result.output
