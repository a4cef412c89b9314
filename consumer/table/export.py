"""A table's export in S3, as DynamoDB writes it: a summary, a list of files, and gzipped lines of DynamoDB JSON.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import orjson

from consumer.aws import CALLS, list_objects
from consumer.errors import ConfigurationError
from consumer.findings import advised
from consumer.stream.records import Decoded, Decoder
from consumer.table.scan import Progress

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SUMMARY, FILES = "manifest-summary.json", "manifest-files.json"
LINES = 20_000
ADVICE = "the path and the role's s3 rights"


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of an export. ``md5``: in base64, None if the list has none."""

    key: str
    items: int
    md5: str | None


@dataclass(frozen=True, slots=True)
class Export:
    """A complete export of a table. ``arn``: the table's."""

    bucket: str
    folder: str
    arn: str
    files: tuple[DataFile, ...]

    @property
    def table(self) -> str:
        """The table's name."""
        return self.arn.rsplit("/", 1)[-1]

    @property
    def items(self) -> int:
        """The number of items in it."""
        return sum(each.items for each in self.files)


def find(aws: boto3.Session, url: str) -> Export:
    """The export at ``url``: its folder, its summary, or a prefix under which it is the only one.

    Looks for the files beside the summary, so a copy of an export elsewhere works too. Raises
    `ConfigurationError` that says what is wrong with it.
    """
    bucket, _, path = url.removeprefix("s3://").partition("/")
    if not url.startswith("s3://") or not bucket:
        raise ConfigurationError(f"{url} is no place in S3: write s3://bucket/prefix")
    client = aws.client("s3", config=CALLS)
    folder = _folder(client, bucket, path.removesuffix(SUMMARY).strip("/"))
    summary = _json(client, bucket, f"{folder}{SUMMARY}")
    where = f"s3://{bucket}/{folder}{SUMMARY}"
    if summary.get("outputFormat", "DYNAMODB_JSON") != "DYNAMODB_JSON":
        raise ConfigurationError(
            f"{where}: the export is in {summary['outputFormat']}: export the table with --export-format DYNAMODB_JSON"
        )
    if summary.get("exportType", "FULL_EXPORT") != "FULL_EXPORT":
        raise ConfigurationError(f"{where}: this is an incremental export, with changes only: make a full one")
    listed = _get(client, bucket, f"{folder}{FILES}").splitlines()
    try:
        files = [orjson.loads(line) for line in listed if line.strip()]
        found = tuple(
            DataFile(
                f"{folder}data/{each['dataFileS3Key'].rsplit('/', 1)[-1]}", each["itemCount"], each.get("md5Checksum")
            )
            for each in files
        )
    except (orjson.JSONDecodeError, KeyError) as error:
        raise ConfigurationError(f"s3://{bucket}/{folder}{FILES} is no list of files: {error!r}") from error
    return Export(bucket, folder, str(summary.get("tableArn", "")), found)


def read(
    aws: boto3.Session, export: Export, decoder: Decoder, *, progress: Progress = lambda *_: None
) -> Iterator[Decoded]:
    """All items of an export, many at a time, in any order. Raises `ConfigurationError` for a file that is missing or
    damaged, and for fewer items than the list promises."""
    client = aws.client("s3", config=CALLS)
    done = 0
    for each in export.files:
        if each.items == 0:
            continue
        body = _get(client, export.bucket, each.key)
        where = f"s3://{export.bucket}/{each.key}"
        if each.md5 is not None and base64.b64encode(hashlib.md5(body).digest()).decode() != each.md5:
            raise ConfigurationError(f"{where} is damaged: its MD5 is not the one in {FILES}")
        try:
            lines = gzip.decompress(body).splitlines()
            for start in range(0, len(lines), LINES):
                items = [orjson.loads(line)["Item"] for line in lines[start : start + LINES] if line.strip()]
                done += len(items)
                yield decoder.items(each.key, items)
                progress(done, export.items)
        except (OSError, EOFError, zlib.error, orjson.JSONDecodeError, KeyError) as error:
            raise ConfigurationError(f"{where} is no file of an export: {error!r}") from error
    if done != export.items:
        raise ConfigurationError(
            f"s3://{export.bucket}/{export.folder} holds {done} items, and {FILES} promises {export.items}"
        )


def _folder(client: S3Client, bucket: str, path: str) -> str:
    """The folder of the only summary under a path, with a slash at its end."""
    prefix = f"{path}/" if path else ""
    with advised(f"s3://{bucket}/{prefix}", ADVICE):
        keys = [found["Key"] for found in list_objects(client, bucket, prefix)]
    summaries = [key for key in keys if key.rsplit("/", 1)[-1] == SUMMARY]
    if not summaries:
        raise ConfigurationError(
            f"s3://{bucket}/{prefix} holds no export: there is no {SUMMARY} under it (an export takes minutes)"
        )
    if len(summaries) > 1:
        named = "\n".join(f"  s3://{bucket}/{key.removesuffix(SUMMARY)}" for key in sorted(summaries))
        raise ConfigurationError(f"s3://{bucket}/{prefix} holds {len(summaries)} exports, name one:\n{named}")
    return summaries[0].removesuffix(SUMMARY)


def _json(client: S3Client, bucket: str, key: str) -> dict[str, Any]:
    try:
        return dict(orjson.loads(_get(client, bucket, key)))
    except (orjson.JSONDecodeError, TypeError, ValueError) as error:
        raise ConfigurationError(f"s3://{bucket}/{key} is no summary of an export: {error}") from error


def _get(client: S3Client, bucket: str, key: str) -> bytes:
    with advised(f"s3://{bucket}/{key}", ADVICE):
        return client.get_object(Bucket=bucket, Key=key)["Body"].read()
