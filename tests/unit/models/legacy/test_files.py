"""The five files are measured and recognised before anything reads them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from models.legacy import files
from models.legacy.errors import LegacyError, Unanswered

CONTENTS = {
    "autoencoder_best.h5": b"\x89HDF\r\n\x1a\n...",
    "scaler.pkl": b"\x80\x04.",
    "isolation_forest.pkl": b"\x78\x9c...",
    "feature_names.json": b"[]",
    "config.json": b"{}",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose files begin as they should."""
    for name, content in CONTENTS.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_all_are_found(folder: Path) -> None:
    """With their content."""
    assert {file.name: file.content for file in files.find(folder).all} == CONTENTS


def test_which_autoencoder(folder: Path) -> None:
    """What was trained goes before what was converted, unless one is named."""
    (folder / "autoencoder_converted.h5").write_bytes(CONTENTS["autoencoder_best.h5"] + b"2")
    found = files.find(folder)
    assert (found.autoencoder.name, found.unused) == ("autoencoder_best.h5", "autoencoder_converted.h5")
    found = files.find(folder, "autoencoder_converted.h5")
    assert (found.autoencoder.name, found.unused) == ("autoencoder_converted.h5", None)
    (folder / "autoencoder_best.h5").unlink()
    assert files.find(folder).autoencoder.name == "autoencoder_converted.h5"


def test_missing_files_are_named_all_at_once(folder: Path) -> None:
    """With what is there, for it may have another name."""
    (folder / "autoencoder_best.h5").rename(folder / "model.h5")
    (folder / "config.json").unlink()
    with pytest.raises(Unanswered) as caught:
        files.find(folder)
    said = str(caught.value)
    assert "lacks autoencoder_best.h5 or autoencoder_converted.h5, config.json" in said
    assert "isolation_forest.pkl, model.h5, scaler.pkl" in said
    assert "--autoencoder" in said
    with pytest.raises(Unanswered, match=r"lacks other\.h5"):
        files.find(folder, "other.h5")
    with pytest.raises(Unanswered, match="is not a folder"):
        files.find(folder / "config.json")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("scaler.pkl", b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        ("scaler.pkl", b"", "scaler.pkl is empty; a pickle is expected"),
        ("scaler.pkl", b"\x89HDF\r\n\x1a\n", "scaler.pkl is an HDF5 file"),
        ("isolation_forest.pkl", b"<html>", "is a web page"),
        ("isolation_forest.pkl", b"cos\nsystem\n", "begins like no such file"),
        ("autoencoder_best.h5", b"PK\x03\x04", r"a zip archive \(a `\.keras` file, perhaps\); a Keras \.h5 file"),
        ("config.json", b"", "config.json is empty; JSON is expected"),
    ],
)
def test_another_kind_of_file_is_told_apart(folder: Path, name: str, content: bytes, said: str) -> None:
    """By its first bytes, in the user's words."""
    (folder / name).write_bytes(content)
    with pytest.raises(LegacyError, match=said):
        files.find(folder)


@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_of_another_size_is_not_read(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sparse gigabyte never enters memory."""
    os.truncate(folder / name, 1 << 30)
    real = Path.read_bytes
    monkeypatch.setattr(
        Path, "read_bytes", lambda path: pytest.fail("it was read") if path.name == name else real(path)
    )
    with pytest.raises(LegacyError, match=rf"{name} has 1,073,741,824 bytes.*not read"):
        files.find(folder)
