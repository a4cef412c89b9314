"""What earlier versions wrote, as it lies in `tests/fixtures`: plain bytes and plain JSON, read without the product."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repository import ROOT

V0_1_0 = ROOT / "tests" / "fixtures" / "0.1.0"


@dataclass(frozen=True, slots=True)
class Case:
    """A bucket as a worker left it, and the stream that it was reading."""

    folder: Path

    @property
    def objects(self) -> dict[str, bytes]:
        """All objects by key."""
        bucket = self.folder / "bucket"
        return {str(file.relative_to(bucket)): file.read_bytes() for file in bucket.rglob("*") if file.is_file()}

    @property
    def metadata(self) -> dict[str, dict[str, str]]:
        """The metadata of those objects that have some."""
        return self._json("metadata.json")

    @property
    def heads(self) -> dict[str, dict[str, Any]]:
        """By key: the head as the worker that wrote the object held it in memory."""
        return self._json("heads.json")

    @property
    def stream(self) -> dict[str, Any]:
        """The stream: its shards, its records, and when the worker left (``left``, epoch seconds)."""
        return self._json("stream.json")

    def _json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_bytes())


CASES = {folder.name: Case(folder) for folder in sorted(V0_1_0.iterdir()) if folder.is_dir()}
"""By name, those of version 0.1.0."""


def messages() -> list[dict[str, Any]]:
    """What version 0.1.0 published: ``default`` is the body; besides it the subject, the texts and the attributes."""
    return [json.loads(line) for line in (V0_1_0 / "messages.ndjson").read_text().splitlines()]


def schemas() -> dict[str, Any]:
    """The JSON Schema of every type in the contract of version 0.1.0."""
    found: dict[str, Any] = json.loads((V0_1_0 / "schemas.json").read_bytes())
    return found
