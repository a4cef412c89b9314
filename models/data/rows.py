"""The rows of one CSV or Parquet file as they stand in it. Parquet needs pyarrow; CSV needs nothing."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.recordings import Recording, RecordingError, Unusable
from window.samples import Floats, Kind, Samples

COLUMNS = ("ts", "current", "temperature")
LABEL = "label"
CHUNK = 50_000
PARQUET = "Parquet needs pyarrow, which is not installed: .venv/bin/pip install -e '.[parquet]'"


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a file as they stand in it. ``device``: names, None if there is no such column."""

    name: str
    ts: Floats
    current_a: Floats
    temperature_c: Floats
    device: NDArray[np.object_] | None
    fault: NDArray[np.bool_]
    unusable: dict[int, Unusable]
    notes: tuple[str, ...] = ()

    def under(self, name: str) -> Rows:
        """The same rows with a device in each: ``name`` where there is none."""
        if self.device is None:
            device = np.full(len(self.ts), name, object)
        else:
            device = np.array([each if each else name for each in self.device], object)
        return replace(self, device=device)

    def recording(self) -> Recording:
        assert self.device is not None
        names = sorted(dict.fromkeys(self.device))
        code = {name: place for place, name in enumerate(names)}
        unusable = self._faults()
        kind = np.full(len(self.ts), Kind.SAMPLE, np.int8)
        kind[list(unusable)] = Kind.MALFORMED
        device = np.fromiter(map(code.__getitem__, self.device), np.int32, len(self.ts))
        created = np.where(np.isfinite(self.ts) & (self.ts >= 0), self.ts, np.nan)
        samples = Samples.of(self.ts, self.current_a, self.temperature_c, created=created, device=device, kind=kind)
        return Recording.of(self.name, samples, names, unusable, self.fault, self.notes)

    def _faults(self) -> dict[int, Unusable]:
        """Rows that are no samples, including those found while the file was parsed."""
        found = dict(self.unusable)
        columns = dict(zip(COLUMNS, (self.ts, self.current_a, self.temperature_c), strict=True))
        bad = ~(np.isfinite(self.ts) & np.isfinite(self.current_a) & np.isfinite(self.temperature_c)) | (self.ts < 0)
        for row in np.flatnonzero(bad):
            if int(row) in found:
                continue
            values = {name: float(column[row]) for name, column in columns.items()}
            wrong = [name for name, value in values.items() if not np.isfinite(value)]
            reason = f"{wrong[0]} is not a finite number" if wrong else "ts lies before 1970"
            found[int(row)] = Unusable(reason, {name: repr(value) for name, value in values.items()})
        return found


def joined(parts: Sequence[Rows]) -> Rows:
    starts = np.cumsum([0, *(len(part.ts) for part in parts)])
    return Rows(
        parts[0].name if len(parts) == 1 else f"{parts[0].name} and {len(parts) - 1} more",
        np.concatenate([part.ts for part in parts]),
        np.concatenate([part.current_a for part in parts]),
        np.concatenate([part.temperature_c for part in parts]),
        np.concatenate([part.device for part in parts if part.device is not None]),
        np.concatenate([part.fault for part in parts]),
        {
            int(start) + row: each
            for start, part in zip(starts, parts, strict=False)
            for row, each in part.unusable.items()
        },
        tuple(note for part in parts for note in part.notes),
    )


def read_rows(path: Path, device_key: str, labels: bool) -> Rows:
    try:
        rows = (_parquet if path.suffix.lower() == ".parquet" else _csv)(path, device_key, labels)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(f"{path}: cannot be read: {error}") from error
    if len(rows.ts) == 0:
        raise RecordingError(f"{path}: there are no samples in it")
    timed = rows.ts[np.isfinite(rows.ts)]
    alone = rows.device is None or len(set(rows.device)) < 2
    if alone and (np.diff(timed) < 0).any():
        note = f"{path.name}: its rows are not in order of time; they were put in order"
        return replace(rows, notes=(note,))
    return rows


def _columns(path: Path, there: Sequence[str], device_key: str, labels: bool) -> list[str]:
    """The columns to read, required ones first. Raises `RecordingError`."""
    missing = [name for name in COLUMNS if name not in there]
    if missing:
        raise RecordingError(
            f"{path}: column {', '.join(map(repr, missing))} is missing; there are: {', '.join(there) or 'none'}"
        )
    return [*COLUMNS, *(name for name in (device_key, *([LABEL] if labels else [])) if name in there)]


def _csv(path: Path, device_key: str, labels: bool) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        head = stream.readline()
        if not head.strip():
            raise RecordingError(f"{path}: is empty")
        delimiter = max(",;\t", key=head.count)
        there = [name.strip() for name in next(csv.reader([head], delimiter=delimiter))]
        names = _columns(path, there, device_key, labels)
        places = [there.index(name) for name in names]
        parts: list[list[NDArray[Any]]] = []
        unusable: dict[int, Unusable] = {}
        first = 0
        for chunk in _chunks(csv.reader(stream, delimiter=delimiter), places):
            columns: list[NDArray[Any]] = []
            for name, texts in zip(names, zip(*chunk, strict=True), strict=True):
                if name in COLUMNS:
                    numbers, faults = _numbers(name, texts)
                    columns.append(numbers)
                    for row, reason in faults.items():
                        raw = dict(zip(names, chunk[row], strict=True))
                        unusable.setdefault(first + row, Unusable(reason, raw))
                else:
                    columns.append(np.array(texts, object))
            parts.append(columns)
            first += len(chunk)
    whole = [np.concatenate(column) for column in zip(*parts, strict=True)] or [np.empty(0) for _ in names]
    by_name = dict(zip(names, whole, strict=True))
    return _rows(path, by_name, device_key, unusable)


def _chunks(rows: Iterator[list[str]], places: Sequence[int]) -> Iterator[list[tuple[str, ...]]]:
    """The chosen columns of the rows, many rows at a time. A short row gets empty texts."""
    pick, most = itemgetter(*places), max(places)
    while lines := list(islice(rows, CHUNK)):
        try:
            yield [pick(line) for line in lines]
        except IndexError:
            whole = [line + [""] * (most + 1 - len(line)) for line in lines if line]
            if whole:
                yield [pick(line) for line in whole]


def _numbers(name: str, texts: Sequence[str]) -> tuple[Floats, dict[int, str]]:
    """The texts as numbers, NaN for those that are none, and the reason by row."""
    try:
        return np.array(texts).astype(np.float64), {}
    except ValueError:
        numbers, faults = np.full(len(texts), np.nan), {}
        for row, text in enumerate(texts):
            try:
                numbers[row] = float(text)
            except ValueError:
                faults[row] = f"{name} is not a number: {text[:40]!r}" if text.strip() else f"{name} is missing"
        return numbers, faults


def _parquet(path: Path, device_key: str, labels: bool) -> Rows:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise RecordingError(f"{path}: {PARQUET}") from None
    try:
        with pq.ParquetFile(path) as stored:
            names = _columns(path, stored.schema_arrow.names, device_key, labels)
            table = stored.read(columns=names)
    except pa.ArrowException as error:
        raise RecordingError(f"{path}: cannot be read: {error}") from error
    by_name: dict[str, NDArray[Any]] = {}
    for name in names:
        column = table.column(name)
        if name in (device_key, LABEL):
            by_name[name] = np.array(column.to_pylist(), object)
            continue
        if name == "ts" and pa.types.is_timestamp(column.type):
            micros = column.cast(pa.timestamp("us", tz=column.type.tz)).cast(pa.int64())
            by_name[name] = micros.cast(pa.float64(), safe=False).to_numpy() / 1e6
        elif pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
            by_name[name] = column.cast(pa.float64(), safe=False).to_numpy()
        else:
            raise RecordingError(f"{path}: column {name!r} is of type {column.type}, not a number")
    return _rows(path, by_name, device_key, {})


def _rows(path: Path, by_name: Mapping[str, NDArray[Any]], device_key: str, unusable: dict[int, Unusable]) -> Rows:
    device = by_name.get(device_key)
    if device is not None:
        device = np.array([None if each is None else str(each).strip() for each in device], object)
    ts, current_a, temperature_c = (by_name[name].astype(np.float64) for name in COLUMNS)
    fault = _faulty(path, by_name[LABEL]) if LABEL in by_name else np.zeros(len(ts), bool)
    return Rows(path.name, ts, current_a, temperature_c, device, fault, unusable)


def _faulty(path: Path, labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Which labels are neither 0 nor empty, (n,)."""
    # There are few different labels: parse each once.
    meant: dict[Any, bool] = {}
    for each in dict.fromkeys(labels):
        try:
            number = 0.0 if each is None or not str(each).strip() else float(each)
        except ValueError:
            raise RecordingError(
                f"{path}: column {LABEL!r} says {str(each)[:40]!r}, which is no number. Write 0 where all is well and "
                "another number where something is known to be wrong, or rename the column"
            ) from None
        meant[each] = number != 0.0 and number == number  # NaN counts as empty
    return np.fromiter((meant[each] for each in labels), bool, len(labels))
