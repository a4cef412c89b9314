"""Bundles beside the state: a successor can score with the bundle of its predecessor (rule 17)."""

from __future__ import annotations

import hashlib
import io
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from consumer.errors import ConfigurationError, Retry
from reporting.archive import status
from scoring.bundle import FILES, MANIFEST, Bundle, BundleError, load

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MOST_BYTES = 64_000_000
"""Of one file of a bundle, unpacked: more is no bundle."""
_DAMAGE = (ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, BundleError)


class BundleStore:
    """Keeps bundles as one object each. Calls may block for the client's time-outs."""

    def __init__(self, client: S3Client, bucket: str, namespace: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"state/{namespace}/bundles"

    def keep(self, bundle: Bundle) -> None:
        """Store a bundle, unless it is there. Raises `Retry`, and `ConfigurationError` where its files are no longer
        those that were loaded."""
        key = self._key(bundle.id)
        try:
            body = self.packed(bundle)
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"the bundle in {bundle.path} was {bundle.id} when the worker started, and has changed since "
                f"({error}). Start it again"
            ) from error
        try:
            self._client.put_object(
                Bucket=self._bucket, Key=key, Body=body, ContentType="application/zip", IfNoneMatch="*"
            )
        except ClientError as error:
            if status(error) != 412:
                raise Retry(f"writing s3://{self._bucket}/{key}: {error}") from error
        except BotoCoreError as error:
            raise Retry(f"writing s3://{self._bucket}/{key}: {error}") from error

    def load(self, bundle_id: str) -> Bundle:
        """A bundle that was stored, verified like any other. Raises `Retry`, and `ConfigurationError` where it is
        missing or damaged. Its ``path`` is gone by then: what is needed of it is in memory."""
        key = self._key(bundle_id)
        where = f"s3://{self._bucket}/{key}"
        again = f"start once with MODEL_DIR set to bundle {bundle_id}, which stores it again"
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except ClientError as error:
            if status(error) != 404:
                raise Retry(f"reading {where}: {error}") from error
            raise ConfigurationError(
                f"samples from before the change of the bundle are scored by {bundle_id}, and {where} is missing. "
                f"Restore it, or {again}"
            ) from error
        except BotoCoreError as error:
            raise Retry(f"reading {where}: {error}") from error
        try:
            bundle = self.unpacked(body, bundle_id)
            if bundle.id != bundle_id:
                raise ValueError(f"it holds {bundle.id}")
        except _DAMAGE as error:
            raise ConfigurationError(
                f"samples from before the change of the bundle are scored by {bundle_id}, and {where} is damaged "
                f"({error}). Restore an earlier version of it; or delete it and {again}"
            ) from error
        except OSError as error:
            raise ConfigurationError(f"{where} cannot be unpacked, a writable TMPDIR is needed: {error}") from error
        return bundle

    def _key(self, bundle_id: str) -> str:
        return f"{self._prefix}/{bundle_id}.zip"

    @staticmethod
    def packed(bundle: Bundle) -> bytes:
        """The files of a bundle, equal bytes for equal files. Raises OSError or ValueError for others than it was
        loaded from: a stand-by may have waited for days."""
        files = {MANIFEST: bundle.manifest.model_dump_json(indent=1).encode()}
        for name in FILES:
            files[name] = (bundle.path / name).read_bytes()
            if hashlib.sha256(files[name]).hexdigest() != bundle.manifest.sha256[name]:
                raise ValueError(f"{name} is another")
        body = io.BytesIO()
        with zipfile.ZipFile(body, "w") as packed:
            for name, content in files.items():
                packed.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        return body.getvalue()

    @staticmethod
    def unpacked(body: bytes, bundle_id: str) -> Bundle:
        """The bundle of `packed`. Only its files are taken out, by their names: whatever else the archive names lies
        nowhere."""
        with (
            tempfile.TemporaryDirectory(prefix="battery-watch-") as folder,
            zipfile.ZipFile(io.BytesIO(body)) as packed,
        ):
            for name in (MANIFEST, *FILES):
                if packed.getinfo(name).file_size > MOST_BYTES:
                    raise ValueError(f"{name} is too large")
                (Path(folder) / name).write_bytes(packed.read(name))
            return load(folder)
