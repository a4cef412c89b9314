"""The windows of a lane, stored beside its head, so that a restart begins with full windows (rule 11).

A snapshot has its own positions, never newer than the head's. Records in between are re-read, silently.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from consumer.state.head import ShardPosition
from reporting.health.state import DeviceHealth
from window.reorder import Delays
from window.ring import Columns
from window.rolling import Windows
from window.samples import Names

FORMAT = 2
"""Format 1, of 0.1.0, has no delays, and no records behind a position."""
COMPRESSION = 1
"""zlib's level. With 1,000 devices level 6 takes twice the time, 2.3 s, for 5 % less: the last commit of a stop has
2 s."""
_HEALTH = TypeAdapter(dict[str, DeviceHealth])
_NAMES = tuple(column.name for column in fields(Columns))
_DAMAGE = (ValueError, KeyError, EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What numpy and zipfile raise for a damaged archive. One flipped bit can make it "encrypted": a RuntimeError."""


class SnapshotError(Exception):
    """The object is not a snapshot that this version can read. ``newer``: a later version has written it."""

    def __init__(self, message: str, *, newer: bool = False) -> None:
        super().__init__(message)
        self.newer = newer


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every device's retained samples with their scores, its health, and how late its samples come (``delays``), at
    ``commit`` and its ``positions``. ``context``: what the table had at a first start of devices that are in no lane's
    windows yet."""

    commit: int
    positions: Mapping[str, ShardPosition]
    devices: Mapping[str, Columns]
    health: Mapping[str, DeviceHealth]
    delays: Delays = field(default_factory=dict)
    context: Mapping[str, Columns] = field(default_factory=dict)

    @staticmethod
    def windows_of(windows: Windows, devices: Mapping[str, int]) -> dict[str, Columns]:
        """Copies of the windows of ``devices`` (codes by name): the lane continues while they are written."""
        return {name: windows.retained(code) for name, code in devices.items() if windows.count(code)}

    def restore(self, windows: Windows, names: Names) -> None:
        """Put the samples back into the windows, under the codes that ``names`` gives."""
        for name, columns in self.devices.items():
            windows.restore(names.code(name), columns)

    def encode(self) -> bytes:
        """Compressed columns, one device after the other. Equal snapshots give equal bytes."""
        whole = {**self.devices, **self.context}
        about = {
            "format": FORMAT,
            "commit": self.commit,
            "positions": {shard: position.model_dump() for shard, position in self.positions.items()},
            "health": _HEALTH.dump_python(dict(self.health), mode="json"),
            "delays": dict(self.delays),
            "devices": list(whole),
            "rows": [len(columns.ts) for columns in whole.values()],
            **({"context": list(self.context)} if self.context else {}),
        }
        body = io.BytesIO()
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(c, name) for c in whole.values()] or [np.empty(0)]) for name in _NAMES
        }
        columns["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
        with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION) as file:
            for name, column in columns.items():
                # As `numpy.savez_compressed` writes it, whose level cannot be chosen.
                with file.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, column, allow_pickle=False)
        return body.getvalue()

    @classmethod
    def decode(cls, body: bytes) -> Snapshot:
        """The snapshot of `encode`. Raises `SnapshotError`."""
        try:
            with np.load(io.BytesIO(body), allow_pickle=False) as stored:
                about = json.loads(stored["about"].tobytes())
                if about["format"] > FORMAT:
                    raise SnapshotError(
                        f"the windows have format {about['format']}, this version reads formats up to {FORMAT}",
                        newer=True,
                    )
                columns = {name: stored[name] for name in _NAMES}
                ends = np.cumsum(about["rows"], dtype=np.int64)
                devices = {
                    name: Columns(**{column: values[end - rows : end] for column, values in columns.items()})
                    for name, rows, end in zip(about["devices"], about["rows"], ends, strict=True)
                }
                positions = {shard: ShardPosition.model_validate(p) for shard, p in about["positions"].items()}
                health = _HEALTH.validate_python(about["health"])
                context = {name: devices.pop(name) for name in about.get("context", ())}
                return cls(about["commit"], positions, devices, health, about.get("delays", {}), context)
        except _DAMAGE as error:
            raise SnapshotError(f"the windows cannot be read: {error}") from error


def beginning(head: Mapping[str, ShardPosition], snapshot: Snapshot | None) -> dict[str, ShardPosition]:
    """Where reading begins after a restart: at the positions of the windows, which are the head's or earlier ones.

    A shard that the windows do not have was opened later, so it begins where it was opened; without windows every shard
    does. A shard that was trimmed since the windows were stored has no sequence number in the head: its position in the
    windows does not exist any more.
    """
    known = snapshot.positions if snapshot is not None else {}
    return {shard: _beginning(at, known.get(shard)) for shard, at in head.items()}


def _beginning(head: ShardPosition, windows: ShardPosition | None) -> ShardPosition:
    if head.sequence is not None:
        return ShardPosition(since=head.since) if windows is None else windows
    if windows is not None and windows.sequence is None and windows.stamp == head.stamp:
        return windows
    return head.model_copy(update={"after": ""})  # the windows have none of the records behind it
