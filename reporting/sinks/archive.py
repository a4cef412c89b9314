"""The archive: objects in the results bucket. Neither a replay nor a late writer can damage them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import orjson
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

Revision = tuple[int, int]
"""(epoch, commit) of the writer. The higher revision is the later view of the window."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object to write, with its whole content. ``whole_from``: the writer has all lines from that ``ts`` on (epoch
    seconds); of earlier ones it may lack some, and then those of another owner stay."""

    key: str
    body: bytes
    content_type: str = "application/json"
    whole_from: float = -inf


class Archive:
    """Writes to one bucket. Every call may block for the client's time-outs and raises botocore's errors."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    def put(self, item: StoredObject) -> None:
        """Write an object whose bytes do not depend on the writer."""
        self._client.put_object(Bucket=self.bucket, Key=item.key, Body=item.body, ContentType=item.content_type)

    def put_revision(self, item: StoredObject, revision: Revision) -> Revision:
        """Write an object that grows, unless a higher revision of it is there (rule 9). Returns the revision that is
        there afterwards: any but ``revision`` means that nothing was written.

        A worker that stalled and wakes up must not write its old view of a minute over that of its successor.
        """
        metadata = {"rev": json.dumps(revision)}
        body = item.body
        etag: str | None = None
        while True:
            condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
            try:
                self._client.put_object(
                    Bucket=self.bucket,
                    Key=item.key,
                    Body=body,
                    ContentType=item.content_type,
                    Metadata=metadata,
                    **condition,  # type: ignore[arg-type]
                )
            except ClientError as error:
                if status(error) not in (404, 409, 412):
                    raise
            else:
                return revision
            found = self._client.head_object(Bucket=self.bucket, Key=item.key)
            there = stored_revision(found["Metadata"])
            if there > revision:
                return there
            etag = found["ETag"]
            if there[0] != revision[0] and item.whole_from > -inf:
                stored = self._client.get_object(Bucket=self.bucket, Key=item.key)
                body, etag = _united(stored["Body"].read(), item), stored["ETag"]


def stored_revision(metadata: Mapping[str, str]) -> Revision:
    """The revision in an object's metadata; (0, 0) for an object without one."""
    epoch, commit = json.loads(metadata.get("rev", "[0, 0]"))
    return int(epoch), int(commit)


def _united(there: bytes, item: StoredObject) -> bytes:
    """The lines of both, one for each ``ts``. Before ``item.whole_from`` those that are there count: whoever wrote them
    had the samples that they depend on."""
    lines = {float(orjson.loads(line)["ts"]): line for line in item.body.splitlines(keepends=True)}
    stored = {float(orjson.loads(line)["ts"]): line for line in there.splitlines(keepends=True)}
    lines |= {ts: line for ts, line in stored.items() if ts < item.whole_from}
    return b"".join(lines[ts] for ts in sorted(lines))


def status(error: ClientError) -> int:
    """The HTTP status of a refused call; 0 where there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
