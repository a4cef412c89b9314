"""Reads recorded charges from CSV and Parquet files: which files are meant, and which of them form one recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from glob import glob, has_magic
from pathlib import Path

from models.data.material import StepProgress
from models.data.recordings import Recording, RecordingError
from models.data.rows import Rows, joined, read_rows

SUFFIXES = (".csv", ".parquet")


def files(inputs: Iterable[Path]) -> list[Path]:
    """The CSV and Parquet files that ``inputs`` name, each once. A folder stands for all files in it, a pattern (``*``,
    ``?``, ``[...]``, ``**``) for all that match. Raises `RecordingError`."""
    found: dict[Path, None] = {}
    for path in inputs:
        if path.is_dir():
            within = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            if not within:
                raise RecordingError(f"{path}: there is neither a .csv nor a .parquet file in this folder")
            found |= dict.fromkeys(within)
        elif not path.exists():
            fit = sorted(Path(p) for p in glob(str(path), recursive=True)) if has_magic(str(path)) else []
            within = [p for p in fit if p.suffix.lower() in SUFFIXES and p.is_file()]
            if not within:
                what = "fits this pattern" if has_magic(str(path)) else "has this name"
                raise RecordingError(f"{path}: no .csv or .parquet file {what}")
            found |= dict.fromkeys(within)
        elif path.suffix.lower() not in SUFFIXES:
            raise RecordingError(f"{path}: is neither .csv nor .parquet")
        else:
            found[path] = None
    return list(found)


def read(
    inputs: Iterable[Path],
    *,
    device: str | None = None,
    device_key: str = "device",
    labels: bool = False,
    progress: StepProgress = lambda *_: None,
) -> list[Recording]:
    """Read CSV and Parquet files with columns ``ts`` (epoch seconds), ``current`` (A), ``temperature`` (°C) and
    perhaps ``device_key``, which names the device.

    A file without that column is a recording of its own, of a device named like the file. Files with that column form
    one recording, with all devices on one time line; so do all files if ``device`` names one. ``labels``: also read the
    column ``label`` if there is one; a label that is neither 0 nor empty marks a known fault. Raises `RecordingError`.
    """
    paths = files(inputs)
    named = _names(paths)
    apart: list[Recording] = []
    together: list[Rows] = []
    for count, path in enumerate(paths, start=1):
        rows = read_rows(path, device_key, labels)
        if device is not None or rows.device is not None:
            together.append(rows.under(device or named[path]))
        else:
            apart.append(rows.under(named[path]).recording())
        progress(path.name, count, len(paths))
    return [*([joined(together).recording()] if together else []), *apart]


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """The device name for each file: its name without suffix, with as many folders before it as make it unique."""
    named: dict[Path, str] = {}
    depth, waiting = 1, list(paths)
    while waiting:
        called = {path: "/".join(path.with_suffix("").parts[-depth:]) for path in waiting}
        times = Counter(called.values())
        called |= {path: str(path) for path in waiting if depth >= len(path.parts)}
        done = [path for path in waiting if times[called[path]] <= 1]
        named.update((path, called[path]) for path in done)
        waiting = [path for path in waiting if path not in named]
        depth += 1
    return named
