"""Recorded charges from CSV and Parquet files: which files are meant, and which of them are one recording."""

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
    """The CSV and Parquet files named by ``inputs``, each once; a folder stands for all that are in it, and a pattern
    (``*``, ``?``, ``[...]``, ``**``) for all that fit. Raises `RecordingError`."""
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

    Without that column a file is a recording of its own, of a device named like the file. Files with it, and all of
    them if ``device`` names one, are one recording: the same devices on one time line. ``labels``: look at the column
    ``label`` too, where there is one: other than 0 (or nothing) is a known fault. Raises `RecordingError`.
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
    """What a file's device is called: its name without the suffix, with as many folders before it as tell it apart."""
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
