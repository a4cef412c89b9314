"""Copies of bundles beside the state, so that a successor can score with the bundle of its predecessor (rule 17)."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from consumer.aws import read_object
from consumer.errors import ConfigurationError, retryable
from reporting.sinks.archive import status
from scoring.bundle import FILES, MANIFEST, Bundle, BundleError, load_from

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MOST_BYTES = 64_000_000
"""Most bytes of one file of a bundle, unpacked. A larger file is no part of a bundle."""
_DAMAGE = (ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, BundleError)


class BundleStore:
    """Keeps each bundle as one object. Calls may block for the client's time-outs."""

    def __init__(self, client: S3Client, bucket: str, namespace: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"state/{namespace}/bundles"
        self._kept: set[str] = set()

    def keep(self, bundle: Bundle) -> None:
        """Store a bundle unless it is there already. Raises `Retry`."""
        if bundle.id in self._kept:
            return
        key = self._key(bundle.id)
        with retryable(f"writing s3://{self._bucket}/{key}"):
            try:
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=self.packed(bundle),
                    ContentType="application/zip",
                    IfNoneMatch="*",
                )
            except ClientError as error:
                if status(error) != 412:
                    raise
        self._kept.add(bundle.id)

    def load(self, bundle_id: str) -> Bundle:
        """Load a stored bundle and verify it. Raises `Retry`, or `ConfigurationError` if it is missing or damaged."""
        key = self._key(bundle_id)
        where = f"s3://{self._bucket}/{key}"
        again = f"start once with MODEL_DIR set to bundle {bundle_id}, which stores it again"
        with retryable(f"reading {where}"):
            found = read_object(self._client, self._bucket, key)
        if found is None:
            raise ConfigurationError(
                f"samples from before the change of the bundle are scored by {bundle_id}, and {where} is missing. "
                f"Restore it, or {again}"
            )
        try:
            bundle = self.unpacked(found[0], where)
            if bundle.id != bundle_id:
                raise ValueError(f"it holds {bundle.id}")
        except _DAMAGE as error:
            raise ConfigurationError(
                f"samples from before the change of the bundle are scored by {bundle_id}, and {where} is damaged "
                f"({error}). Restore an earlier version of it; or delete it and {again}"
            ) from error
        return bundle

    def _key(self, bundle_id: str) -> str:
        return f"{self._prefix}/{bundle_id}.zip"

    @staticmethod
    def packed(bundle: Bundle) -> bytes:
        """The files of a bundle as a zip archive. Equal files give equal bytes."""
        body = io.BytesIO()
        with zipfile.ZipFile(body, "w") as packed:
            manifest = bundle.manifest.model_dump_json(indent=1).encode()
            for name, content in {MANIFEST: manifest, **bundle.files}.items():
                packed.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        return body.getvalue()

    @staticmethod
    def unpacked(body: bytes, where: str) -> Bundle:
        """The bundle in an archive made by `packed`. Takes out only the files of a bundle, by name, and writes no
        file."""
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            for name in (MANIFEST, *FILES):
                if packed.getinfo(name).file_size > MOST_BYTES:
                    raise ValueError(f"{name} is too large")
            files = {name: packed.read(name) for name in (MANIFEST, *FILES)}
        return load_from(files.get, where)
