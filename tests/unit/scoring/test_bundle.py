"""Loading a bundle: every kind of damage is one clear BundleError."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from repository import SHIPPED_BUNDLE

from scoring.bundle import FILES, BundleError, identity, load


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the default bundle that a test may break."""
    return Path(shutil.copytree(SHIPPED_BUNDLE, tmp_path / "bundle"))


def rewrite(folder: Path, name: str, content: bytes) -> None:
    """Change a file and vouch for the change, as a careless tool would."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"][name] = hashlib.sha256(content).hexdigest()
    manifest["id"] = identity(manifest["sha256"])
    (folder / "manifest.json").write_text(json.dumps(manifest))


def edit(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    """Change a JSON file and vouch for it; ``change`` edits in place or returns the new content."""
    content = json.loads((folder / name).read_text())
    changed = change(content)
    rewrite(folder, name, json.dumps(content if changed is None else changed).encode())


def test_the_default_bundle_loads_from_its_folder_and_from_the_one_above() -> None:
    """MODEL_DIR may name either."""
    direct, above = load(SHIPPED_BUNDLE), load(SHIPPED_BUNDLE.parent)
    assert direct.id == above.id
    assert above.files == direct.files
    assert direct.id.startswith("bw-")
    assert len(direct.id) == 15


def test_the_default_bundle_is_small_and_tells_no_time_and_no_place() -> None:
    """It is in version control: under 2 MB, and the same training gives the same bytes."""
    assert sum(f.stat().st_size for f in SHIPPED_BUNDLE.iterdir()) < 2_000_000
    manifest = (SHIPPED_BUNDLE / "manifest.json").read_text()
    assert not re.search(r'"/|[A-Z]:\\|\d{4}-\d\d-\d\d|\d\d:\d\d', manifest)


def test_the_scaler_standardises() -> None:
    """By hand on one row."""
    scaler = load(SHIPPED_BUNDLE).scaler
    stored = json.loads((SHIPPED_BUNDLE / "scaler.json").read_text())
    row = np.arange(14.0)
    by_hand = [(x - m) / s for x, m, s in zip(row, stored["mean"], stored["scale"], strict=True)]
    assert scaler.standardise(row).tolist() == by_hand


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_a_missing_file(bundle: Path, name: str) -> None:
    """Named, with what to do."""
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=r"(?s)(is missing|holds neither).*battery-watch train"):
        load(bundle)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit(bundle: Path, name: str) -> None:
    """Any changed byte of any file is noticed."""
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name} is not the file that was made"):
        load(bundle)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"format": 1}'])
def test_a_broken_manifest(bundle: Path, content: bytes) -> None:
    """Not JSON, not text, not a manifest."""
    (bundle / "manifest.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"manifest\.json is not a manifest"):
        load(bundle)


def test_a_bundle_of_another_format(bundle: Path) -> None:
    """From the future."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps(manifest | {"format": 2}))
    with pytest.raises(BundleError, match="its format is 2, this version reads 1"):
        load(bundle)


def test_a_manifest_that_forgets_a_file(bundle: Path) -> None:
    """What is not vouched for is not loaded."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    del manifest["sha256"]["scaler.json"]
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"look at: scaler\.json"):
        load(bundle)


def test_an_id_of_another_bundle(bundle: Path) -> None:
    """The id is the hash of the contents."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps(manifest | {"id": "bw-000000000000"}))
    with pytest.raises(BundleError, match="id that does not belong"):
        load(bundle)


def test_a_corrected_card_is_the_same_model_and_a_changed_threshold_is_not(bundle: Path) -> None:
    """The id follows what decides a verdict."""
    before = load(bundle).id
    rewrite(bundle, "MODEL_CARD.md", b"corrected")
    assert load(bundle).id == before
    edit(bundle, "config.json", lambda c: c["thresholds"].update(reconstruction_error=1.25))
    assert load(bundle).id != before


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda c: c.update(surprise=1), "surprise"),
        (lambda c: c.pop("thresholds"), "thresholds"),
        (lambda c: c.update(format=2), "format"),
        (lambda c: c.update(policy="other"), "policy"),
        (lambda c: c.update(window={"shown_s": 600.0}), "window.*600 s cannot be chosen"),
        (lambda c: c["features"].update(rolling=7), r"features\.rolling"),
        (lambda c: c["features"].update(rate="hourly"), r"features\.rate"),
        (lambda c: c["thresholds"].update(forest_score="low"), r"thresholds\.forest_score"),
        (lambda c: c["severity"]["high"].update(current_a=0.1), "severity"),
        (lambda c: c["plausible"].update(current_a=[2, 1]), "plausible"),
        (lambda c: c["calibration"].update(reconstruction_error=[[2.0, 1], [1.0, 2]]), "calibration"),
    ],
)
def test_a_config_that_does_not_fit(bundle: Path, change: Callable[[Any], Any], named: str) -> None:
    """The message names the setting."""
    edit(bundle, "config.json", lambda c: (change(c), c)[1])
    with pytest.raises(BundleError, match=rf"config\.json is not valid .*{named}"):
        load(bundle)


def test_features_in_another_order(bundle: Path) -> None:
    """The graph would score garbage."""
    edit(bundle, "feature_names.json", lambda names: names[::-1])
    with pytest.raises(BundleError, match=r"feature_names\.json does not name the 14 features"):
        load(bundle)


@pytest.mark.parametrize(
    "content",
    [
        b"nonsense",
        b"[1, 2]",
        b'{"mean": [1, 2], "scale": [1, 2]}',
        json.dumps({"mean": [0.0] * 14, "scale": [0.0] * 14}).encode(),
        json.dumps({"mean": ["x"] * 14, "scale": [1.0] * 14}).encode(),
        json.dumps({"mean": [None] * 14, "scale": [1.0] * 14}).encode(),
    ],
)
def test_a_scaler_that_does_not_fit(bundle: Path, content: bytes) -> None:
    """Not JSON, wrong length, zero scale, words for numbers."""
    rewrite(bundle, "scaler.json", content)
    with pytest.raises(BundleError, match=r"scaler\.json"):
        load(bundle)


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x08\x0a" * 50])
def test_a_graph_that_does_not_open(bundle: Path, content: bytes) -> None:
    """ONNX Runtime's many errors are one here."""
    rewrite(bundle, "model.onnx", content)
    with pytest.raises(BundleError, match=r"model\.onnx cannot be opened"):
        load(bundle)


@pytest.mark.parametrize(
    ("column", "model"), [("reconstruction_error", "trained autoencoder"), ("forest_score", "trained forest")]
)
def test_a_graph_that_does_not_score_as_the_models_did(bundle: Path, column: str, model: str) -> None:
    """One golden row off in the sixth digit is enough."""

    def change(golden: Any) -> None:
        golden[column][3] *= 1.0 + 1e-3

    edit(bundle, "golden.json", change)
    with pytest.raises(BundleError, match=f"does not score as the {model}"):
        load(bundle)


@pytest.mark.parametrize(
    "change",
    [
        lambda g: g.update(features=[]),
        lambda g: g.update(features=[row[:13] for row in g["features"]]),
        lambda g: g.update(forest_score=g["forest_score"][1:]),
        lambda g: g.pop("reconstruction_error"),
    ],
)
def test_golden_rows_that_prove_nothing(bundle: Path, change: Callable[[Any], Any]) -> None:
    """No rows, narrow rows, columns that do not belong together."""
    edit(bundle, "golden.json", lambda g: (change(g), g)[1])
    with pytest.raises(BundleError, match=r"golden\.json"):
        load(bundle)


def test_nothing_there(tmp_path: Path) -> None:
    """An empty folder, no folder, a file."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "absent", tmp_path / "file"):
        with pytest.raises(BundleError, match="MODEL_DIR"):
            load(path)
