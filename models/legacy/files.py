"""Finds the five files of the old service, and checks size and kind before anything parses them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from models.legacy.errors import LegacyError, Unanswered

AUTOENCODERS = ("autoencoder_best.h5", "autoencoder_converted.h5")
"""The first one that exists is used: the converted file is further away from the training."""
SCALER, FOREST, NAMES, CONFIG = "scaler.pkl", "isolation_forest.pkl", "feature_names.json", "config.json"

_HDF5 = b"\x89HDF\r\n\x1a\n"
_MOST_SCALER, _MOST_FOREST, _MOST_NETWORK, _MOST_JSON = 1 << 20, 256 << 20, 64 << 20, 1 << 20
_STARTS = {
    b"version https://git-lfs": "is a Git LFS pointer, not the file: fetch it with `git lfs pull`",
    _HDF5: "is an HDF5 file",
    b"PK\x03\x04": "is a zip archive (a `.keras` file, perhaps)",
    b"<": "is a web page or XML",
}
# Protocols 2 to 5, or what joblib compresses with.
_PICKLES = (b"\x80", b"\x78", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x5d\x00")


@dataclass(frozen=True, slots=True)
class File:
    """A file's name and content. Read once, so what was checked is what is used, whatever happens to the folder."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        """Of the content, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Files:
    """The old service's model files. ``unused``: the name of a second autoencoder in the folder."""

    autoencoder: File
    scaler: File
    forest: File
    feature_names: File
    config: File
    unused: str | None = None

    @property
    def all(self) -> tuple[File, ...]:
        """Every file that goes into the bundle."""
        return (self.autoencoder, self.scaler, self.forest, self.feature_names, self.config)


def find(folder: Path, autoencoder: str | None = None) -> Files:
    """The files in ``folder``. ``autoencoder`` names one of several. Unpickles and decodes nothing.

    Raises `Unanswered` for missing files, and `LegacyError` for a file of another kind or size.
    """
    if not folder.is_dir():
        raise Unanswered(f"{folder} is not a folder. Give the folder with the old service's model files.")
    present = [name for name in ((autoencoder,) if autoencoder else AUTOENCODERS) if (folder / name).is_file()]
    missing = [name for name in (SCALER, FOREST, NAMES, CONFIG) if not (folder / name).is_file()]
    if not present:
        missing.insert(0, autoencoder or " or ".join(AUTOENCODERS))
    if missing:
        there = sorted(entry.name for entry in folder.iterdir())[:30]
        raise Unanswered(
            f"{folder} lacks {', '.join(missing)}. It holds: {', '.join(there) or 'nothing'}. "
            "Copy or rename what is missing; another .h5 file is named with --autoencoder."
        )
    return Files(
        autoencoder=_read(folder, present[0], _MOST_NETWORK, (_HDF5,), "a Keras .h5 file"),
        scaler=_read(folder, SCALER, _MOST_SCALER, _PICKLES, "a pickle"),
        forest=_read(folder, FOREST, _MOST_FOREST, _PICKLES, "a pickle"),
        feature_names=_read(folder, NAMES, _MOST_JSON, (), "JSON"),
        config=_read(folder, CONFIG, _MOST_JSON, (), "JSON"),
        unused=present[1] if len(present) > 1 else None,
    )


def _read(folder: Path, name: str, most: int, starts: tuple[bytes, ...], kind: str) -> File:
    size = (folder / name).stat().st_size
    if size > most:
        raise LegacyError(
            f"{name} has {size:,} bytes; such a file of the old service has a few megabytes at most "
            f"(the limit is {most:,}), so this is another one. It was not read."
        )
    content = (folder / name).read_bytes()
    if not content or (starts and not content.startswith(starts)):
        known = (what for start, what in _STARTS.items() if content.startswith(start))
        what = next(known, "begins like no such file" if content else "is empty")
        raise LegacyError(f"{name} {what}; {kind} is expected. Copy the file again from the old service.")
    return File(name, content)
