"""Reads the ledger from the bucket, for people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumer.aws import list_objects
from consumer.errors import AWS_ERRORS, ConfigurationError
from consumer.state.classes import ACCOUNTED, CLASSES

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX = "battery-ledger/"


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """The counts of a device on a UTC day in one lane, by class."""

    day: str
    lane: str
    device: str
    counts: dict[str, int]

    @property
    def imbalance(self) -> int:
        """Records that are in no class (positive) or in more than one (negative)."""
        return self.counts["read"] - sum(self.counts[name] for name in ACCOUNTED)


def read_ledger(client: S3Client, bucket: str, day: str | None = None) -> list[LedgerRow]:
    """The whole ledger or one day of it, oldest first. Raises `ConfigurationError` if it cannot be read."""
    rows = []
    try:
        for key in [found["Key"] for found in list_objects(client, bucket, f"{PREFIX}{day or ''}")]:
            stored = json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read())
            for device, counts in sorted(stored["devices"].items()):
                whole = {name: int(counts.get(name, 0)) for name in CLASSES}
                rows.append(LedgerRow(stored["day"], stored["lane"], device, whole))
    except AWS_ERRORS as error:
        raise ConfigurationError(f"the ledger in bucket {bucket!r} cannot be read: {error}") from error
    return sorted(rows, key=lambda row: (row.day, row.device, row.lane))
