"""The whole way, from real files to a bundle; the oracle is the old service itself, run here."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.detectors.parity import ParityError
from models.legacy import estimators, network
from models.legacy.choices import Given
from models.legacy.convert import convert
from models.legacy.errors import Unanswered
from scoring.bundle import Bundle, load
from scoring.detectors import Stage
from scoring.evidence import LENGTH, Past
from scoring.explanation import explain
from scoring.verdict import judge
from window.features import FeatureRules, features, tails

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
ROWS = 3000


def converted(folder: Path, out: Path, **given: Any) -> tuple[Bundle, list[str]]:
    """The bundle, and the lines that were told."""
    told: list[str] = []
    bundle = convert(folder, out, Given(**given), told.append, trust_pickle=True, rows=ROWS)
    return bundle, told


def unlike() -> np.ndarray:
    """Charges nobody has seen, healthy at first and then with steps and spikes: features in our order."""
    rng = np.random.default_rng(9)
    ts = np.arange(600.0)
    current_a = 2.5 + 0.02 * rng.normal(size=600)
    temperature_c = 25 + 0.01 * ts
    current_a[200:400] *= rng.uniform(0, 3, 200)
    temperature_c[300:] += rng.normal(size=300) * 4
    return features(tails(ts, current_a, temperature_c), FeatureRules(rate="diff"))


@pytest.mark.parametrize("keras", ["keras2", "keras3"])
@pytest.mark.parametrize("forest_input", ["raw", "scaled"])
def test_the_bundle_says_what_the_old_service_said(
    old: Any, legacy: Callable[..., Path], tmp_path: Path, keras: str, forest_input: str
) -> None:
    """Errors to five digits and every verdict of the forest, for features the old files hold in another order."""
    bundle, told = converted(legacy(keras=keras, forest_input=forest_input), tmp_path / "bundle")
    rows = unlike()
    error, apart = old.answers(rows, keras, forest_input)
    scores = bundle.graph.score(rows)
    assert np.allclose(scores.reconstruction_error, error, rtol=5e-5, atol=1e-6)
    verdicts = judge(scores, rows[:, 0], rows[:, 1], bundle.config)
    assert np.array_equal((verdicts.stages & Stage.FOREST) != 0, apart)
    assert np.array_equal((verdicts.stages & Stage.RECONSTRUCTION) != 0, error > 0.6)
    assert 20 < apart.sum() < 580
    assert any(line.startswith(f"forest input: {forest_input}") for line in told)
    assert bundle.config.forest_input == forest_input
    assert not any("warning" in line for line in told), told


def test_what_a_converted_bundle_says_of_itself(legacy: Callable[..., Path], tmp_path: Path, old: Any) -> None:
    """In its config, its explanations, its manifest and its card."""
    folder = legacy()
    bundle, _ = converted(folder, tmp_path / "bundle", severity={"high": (4.5, 55.0)})
    check_config(bundle, old)
    check_manifest(bundle, folder)
    card = (tmp_path / "bundle" / "MODEL_CARD.md").read_text()
    assert "Converted, not trained" in card
    assert "no safety device" in card
    assert f"{bundle.manifest.metrics['parity']['rows']:,}" in card
    # No folder of anybody's.
    assert str(tmp_path) not in card + (tmp_path / "bundle" / "manifest.json").read_text()
    assert load(tmp_path / "bundle").id == bundle.id


def check_config(bundle: Bundle, old: Any) -> None:
    """Differences, the plain policy, the old thresholds and limits; of rarity nothing is claimed."""
    config = bundle.config
    assert (config.features.rate, config.policy) == ("diff", "plain")
    assert config.thresholds.reconstruction_error == 0.6
    assert config.thresholds.forest_score == old.forests["raw"].offset_
    limits = config.severity
    assert (limits.medium.current_a, limits.high.current_a, limits.critical.temperature_c) == (3.0, 4.5, 60.0)
    assert (config.calibration.normal_hours, config.calibration.reconstruction_error) == (0.0, ())
    known = config.training_range
    for (low, high), name in ((known.current_a, "current"), (known.temperature_c, "temperature")):
        seen = old.rows[:, bundle.manifest.training["feature_order"].index(name)]
        assert seen.min() - 1e-3 <= low < high <= seen.max() + 1e-3
        assert high - low > 0.7 * np.ptp(seen)
    row = unlike()[350]
    nothing_before = Past(tails(*(np.ones(1),) * 3, length=LENGTH), np.ones((1, 1)))
    told = explain(row, bundle.graph.score(row[None]), nothing_before, Stage.NONE, bundle)
    assert told.rarity == "how rare this is was not measured"


def check_manifest(bundle: Bundle, folder: Path) -> None:
    """Each old file by its hash, each choice by its source, the proof by its figures."""
    training, parity = bundle.manifest.training, bundle.manifest.metrics["parity"]
    assert {one["name"]: one["sha256"] for one in training["files"]} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()
    }
    assert training["feature_order"] == json.loads((folder / "feature_names.json").read_text())
    assert training["choices"]["high limit of the current"] == "--high"
    assert training["choices"]["reconstruction threshold"] == "config.json: reconstruction_threshold"
    assert parity["rows"] > parity["boundary_rows"] + ROWS
    assert parity["boundary_rows"] > 1000
    assert parity["verdicts_differ"] == 0


def test_the_same_files_give_the_same_bundle(legacy: Callable[..., Path], tmp_path: Path) -> None:
    """Byte for byte."""
    converted(legacy(keras="keras3"), tmp_path / "one")
    converted(legacy(keras="keras3"), tmp_path / "two")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_scikit_learn_opens_no_door_before_trust(legacy: Callable[..., Path], tmp_path: Path) -> None:
    """Without the flag nothing is read beyond the files' first bytes, nothing is written, and the risk is explained."""
    folder = legacy()
    (folder / "scaler.pkl").write_bytes(b"\x80\x04 no pickle at all")
    with pytest.raises(Unanswered, match=r"a pickle is a program(.|\n)*--trust-pickle"):
        convert(folder, tmp_path / "bundle", Given(), [].append, trust_pickle=False)
    assert not (tmp_path / "bundle").exists()


def test_a_wrong_conversion_is_not_written(
    legacy: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof has teeth: trees left in the old order, or an autoencoder left in it, and there is no bundle."""
    with monkeypatch.context() as patched:
        patched.setattr(estimators, "reordered", lambda forest, names: forest)
        with pytest.raises(ParityError, match="not the trained models"):
            converted(legacy(), tmp_path / "bundle", current_range_a=(0, 5), temperature_range_c=(0, 50))
    right = network.converted
    monkeypatch.setattr(network, "converted", lambda weights, order: right(weights, list(range(14))))
    with pytest.raises(ParityError, match="not the trained models"):
        converted(legacy(), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


CONFIG_BELOW = {
    "threshold": 1e-9,
    **{f"severity_{level}_current": limit for level, limit in (("medium", 1), ("high", 2), ("critical", 3))},
    **{f"temp_{level}": limit for level, limit in (("medium", 41), ("high", 42), ("critical", 43))},
}


def test_what_looks_wrong_is_said_and_stays_in_the_card(legacy: Callable[..., Path], tmp_path: Path, old: Any) -> None:
    """A forest that is told to be what it does not look like, a threshold below everything, and a feature that never
    changed, so that any change of it is enormous."""
    scaler = copy.deepcopy(old.scaler)
    scaler.var_[3], scaler.scale_[3] = 0.0, 1.0
    folder = legacy(forest_input="scaled", config=CONFIG_BELOW, scaler=scaler)
    bundle, told = converted(folder, tmp_path / "bundle", forest_input="raw")
    card = " ".join((tmp_path / "bundle" / "MODEL_CARD.md").read_text().split())
    for part in (
        "current never changed in the old training data",
        "--forest-input says raw, but the forest looks grown on scaled",
        "The autoencoder calls 100%",
    ):
        assert any(line.startswith(f"warning: {part}") for line in told), told
        assert part in card
    assert bundle.manifest.training["choices"]["forest input"] == "--forest-input"


def test_an_unclear_forest_is_refused(legacy: Callable[..., Path], tmp_path: Path, old: Any) -> None:
    """Grown on values between 0 and 1 it fits neither reading: the message says what to look at, and both answers."""
    from sklearn.ensemble import IsolationForest

    low, high = old.rows.min(axis=0), old.rows.max(axis=0)
    forest = IsolationForest(n_estimators=20, random_state=1).fit((old.rows - low) / (high - low))
    with pytest.raises(Unanswered, match=r"--forest-input raw.*--forest-input scaled"):
        converted(legacy(forest=forest), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
