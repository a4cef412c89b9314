"""The windows of a lane, stored beside its head, so that a restart begins with full windows (rule 11).

A snapshot has its own positions, never newer than the head's. Records in between are re-read, silently.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from consumer.state.head import ShardPosition
from reporting.health.state import DeviceHealth
from window.ring import Columns
from window.rolling import Windows
from window.samples import Names

FORMAT = 1
COMPRESSION = 1
"""zlib's level. With 1,000 devices level 6 takes twice the time, 2.3 s, for 5 % less: the last commit of a stop has
2 s."""
_HEALTH = TypeAdapter(dict[str, DeviceHealth])
_NAMES = tuple(field.name for field in fields(Columns))
_DAMAGE = (ValueError, KeyError, EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What numpy and zipfile raise for a damaged archive. One flipped bit can make it "encrypted": a RuntimeError."""


class SnapshotError(Exception):
    """The object is not a snapshot that this version can read."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every device's retained samples with their scores, and its health, at ``commit`` and its ``positions``."""

    commit: int
    positions: Mapping[str, ShardPosition]
    devices: Mapping[str, Columns]
    health: Mapping[str, DeviceHealth]

    @classmethod
    def of(
        cls,
        commit: int,
        windows: Windows,
        devices: Mapping[str, int],
        positions: Mapping[str, ShardPosition],
        health: Mapping[str, DeviceHealth],
    ) -> Snapshot:
        """Copies of the windows of ``devices`` (codes by name): the lane continues while they are written."""
        return cls(
            commit,
            {shard: position.model_copy() for shard, position in positions.items()},
            {name: windows.retained(code) for name, code in devices.items() if windows.count(code)},
            dict(health),
        )

    def restore(self, windows: Windows, names: Names) -> None:
        """Put the samples back into the windows, under the codes that ``names`` gives."""
        for name, columns in self.devices.items():
            windows.restore(names.code(name), columns)

    def encode(self) -> bytes:
        """Compressed columns, one device after the other. Equal snapshots give equal bytes."""
        about = {
            "format": FORMAT,
            "commit": self.commit,
            "positions": {shard: position.model_dump() for shard, position in self.positions.items()},
            "health": _HEALTH.dump_python(dict(self.health), mode="json"),
            "devices": list(self.devices),
            "rows": [len(columns.ts) for columns in self.devices.values()],
        }
        body = io.BytesIO()
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(c, name) for c in self.devices.values()] or [np.empty(0)]) for name in _NAMES
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
                columns = {name: stored[name] for name in _NAMES}
                if about["format"] != FORMAT:
                    raise SnapshotError(f"the windows have format {about['format']}, this version reads {FORMAT}")
                ends = np.cumsum(about["rows"], dtype=np.int64)
                devices = {
                    name: Columns(**{column: values[end - rows : end] for column, values in columns.items()})
                    for name, rows, end in zip(about["devices"], about["rows"], ends, strict=True)
                }
                positions = {shard: ShardPosition.model_validate(p) for shard, p in about["positions"].items()}
                return cls(about["commit"], positions, devices, _HEALTH.validate_python(about["health"]))
        except _DAMAGE as error:
            raise SnapshotError(f"the windows cannot be read: {error}") from error


def beginning(head: Mapping[str, ShardPosition], snapshot: Snapshot | None) -> dict[str, ShardPosition]:
    """Where reading begins after a restart: at the positions of the windows, which are the head's or earlier ones.

    A shard that the windows do not have was opened later, so it begins where it was opened; without windows every shard
    does. A shard without a sequence number in the head was trimmed since: its position in the windows does not exist.
    """
    known = snapshot.positions if snapshot is not None else {}
    return {
        shard: at if at.sequence is None else known.get(shard, ShardPosition(since=at.since))
        for shard, at in head.items()
    }
