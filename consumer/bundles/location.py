"""The place that `MODEL_DIR` names: a folder, or a prefix in S3."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from consumer.aws import CALLS, read_object
from consumer.bundles.store import MOST_BYTES
from consumer.errors import retryable
from scoring.bundle import Bundle, Read, in_folder, load_from, named

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

S3 = "s3://"


class BundleSource:
    """A place that is a bundle or holds several (`scoring.bundle.load_from`). Calls may block for a client's time-outs.
    They raise `BundleError` for a fault of the bundle, and `Retry` if the place cannot be read."""

    def __init__(self, read: Read, where: str) -> None:
        self._read = read
        self.where = where
        """The place, for messages to people."""

    @classmethod
    def at(cls, where: str, aws: Callable[[], boto3.Session], calls: Config = CALLS) -> BundleSource:
        """The place that a setting names. ``aws`` gives a session, and is called only for S3; ``calls`` configures its
        client."""
        if not where.startswith(S3):
            return cls(in_folder(Path(where)), where)
        bucket, _, prefix = where.removeprefix(S3).partition("/")
        return cls(_in_bucket(aws().client("s3", config=calls), bucket, prefix.strip("/")), where.rstrip("/"))

    def named(self) -> str:
        """The id in the manifest of the bundle there. Reads little and verifies nothing."""
        return named(self._read, self.where)

    def load(self) -> Bundle:
        """Load and verify the bundle."""
        return load_from(self._read, self.where)


def _in_bucket(client: S3Client, bucket: str, prefix: str) -> Read:
    def read(name: str) -> bytes | None:
        key = f"{prefix}/{name}".lstrip("/")
        with retryable(f"reading s3://{bucket}/{key}"):
            found = read_object(client, bucket, key, MOST_BYTES + 1)
        if found is None:
            return None
        if len(found[0]) > MOST_BYTES:
            raise OSError(0, "it is too large")
        return found[0]

    return read
