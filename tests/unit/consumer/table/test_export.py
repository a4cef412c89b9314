"""An export of a table, as DynamoDB writes it into a bucket."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from consumer.errors import ConfigurationError
from consumer.stream.records import Decoder
from consumer.table.export import find, read
from window.samples import Names

T = 1_784_989_500
FOLDER = "backup/AWSDynamoDB/01784989500000-1a2b3c4d"
ARN = "arn:aws:dynamodb:eu-central-1:123456789012:table/device4"
Write = Callable[..., None]


@pytest.fixture
def aws(s3: Any) -> Any:
    return SimpleNamespace(client=lambda *_, **__: s3)


@pytest.fixture
def decoder() -> Decoder:
    return Decoder(table="device4", device_key="device", devices=Names(), shards=Names())


@pytest.fixture
def write(s3: Any) -> Write:
    """Writes an export of samples from ``T`` on, so many a file; ``summary`` and ``listed`` change what it says."""

    def put(key: str, body: bytes) -> None:
        s3.put_object(Bucket="b", Key=key, Body=body, ContentType="x")

    def make(*counts: int, folder: str = FOLDER, summary: dict[str, Any] | None = None, **listed: Any) -> None:
        files, ts = [], T
        for number, count in enumerate(counts):
            lines = [
                {"Item": {"ts": {"N": str(ts + n)}, "current": {"N": "2.5"}, "temperature": {"N": "25"}}}
                for n in range(count)
            ]
            ts += count
            body = gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode())
            put(f"{folder}/data/{number}.json.gz", body)
            md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
            key = f"{FOLDER}/data/{number}.json.gz"
            files.append({"itemCount": count, "md5Checksum": md5, "etag": "x", "dataFileS3Key": key, **listed})
        put(f"{folder}/manifest-files.json", "".join(json.dumps(file) + "\n" for file in files).encode())
        about = {"version": "2020-06-30", "tableArn": ARN, "itemCount": sum(counts), "outputFormat": "DYNAMODB_JSON"}
        put(f"{folder}/manifest-summary.json", json.dumps(about | (summary or {})).encode())

    return make


@pytest.mark.parametrize(
    "url", ["s3://b", "s3://b/backup", "s3://b/backup/", f"s3://b/{FOLDER}/", f"s3://b/{FOLDER}/manifest-summary.json"]
)
def test_an_export_is_found_and_read(aws: Any, decoder: Decoder, write: Write, url: str) -> None:
    """By its folder, its summary, or whatever lies above; an empty file of an empty partition is passed by."""
    write(3, 0, 2)
    steps: list[tuple[int, int]] = []
    found = find(aws, url)
    assert (found.table, found.arn, found.items, len(found.files)) == ("device4", ARN, 5, 3)
    pages = [*read(aws, found, decoder, progress=lambda *step: steps.append(step))]
    assert [ts for page in pages for ts in page.samples.ts.tolist()] == [T + n for n in range(5)]
    assert steps == [(3, 5), (5, 5)]


def test_an_export_that_was_copied_is_found(aws: Any, decoder: Decoder, write: Write) -> None:
    """Its list still names the old place."""
    write(2, folder="elsewhere/copy")
    found = find(aws, "s3://b/elsewhere")
    assert sum(len(page.samples) for page in read(aws, found, decoder)) == 2


@pytest.mark.parametrize(
    ("summary", "said"),
    [
        ({"outputFormat": "ION"}, "is in ION: export the table with --export-format DYNAMODB_JSON"),
        ({"exportType": "INCREMENTAL_EXPORT"}, "incremental export"),
    ],
)
def test_an_export_of_another_kind(aws: Any, write: Write, summary: dict[str, Any], said: str) -> None:
    """What to ask of DynamoDB instead."""
    write(1, summary=summary)
    with pytest.raises(ConfigurationError, match=said):
        find(aws, "s3://b")


def test_no_export_or_too_many(aws: Any, write: Write, s3: Any) -> None:
    """One that is still being written has no summary yet; of several one must be named."""
    s3.put_object(Bucket="b", Key=f"{FOLDER}/_started", Body=b"", ContentType="x")
    with pytest.raises(ConfigurationError, match="holds no export"):
        find(aws, "s3://b/backup")
    with pytest.raises(ConfigurationError, match="write s3://bucket/prefix"):
        find(aws, "backup")
    write(1)
    write(1, folder="backup/AWSDynamoDB/other")
    with pytest.raises(
        ConfigurationError, match="holds 2 exports, name one:\n  s3://b/backup/AWSDynamoDB/01784989500000"
    ):
        find(aws, "s3://b/backup")
    assert find(aws, "s3://b/backup/AWSDynamoDB/other").items == 1


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ({"md5Checksum": "AAAA"}, "is damaged"),
        ({"itemCount": 7}, "holds 2 items, and manifest-files.json promises 7"),
        ({"dataFileS3Key": "nowhere.gz"}, "data/nowhere.gz: does not exist"),
    ],
)
def test_files_that_are_not_as_listed(
    aws: Any, decoder: Decoder, write: Write, listed: dict[str, Any], said: str
) -> None:
    """Nothing is learnt from half an export."""
    write(2, **listed)
    with pytest.raises(ConfigurationError, match=said):
        list(read(aws, find(aws, "s3://b"), decoder))


@pytest.mark.parametrize(
    "body",
    [b"no gzip", gzip.compress(b"no json\n"), gzip.compress(b'{"NewImage": {}}\n')],
    ids=["no gzip", "no JSON", "no item"],
)
def test_a_file_of_something_else(aws: Any, decoder: Decoder, write: Write, s3: Any, body: bytes) -> None:
    """Without a checksum in the list, too."""
    write(1, md5Checksum=None)
    s3.put_object(Bucket="b", Key=f"{FOLDER}/data/0.json.gz", Body=body, ContentType="x")
    with pytest.raises(ConfigurationError, match="is no file of an export"):
        list(read(aws, find(aws, "s3://b"), decoder))
