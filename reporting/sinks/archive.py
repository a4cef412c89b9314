"""The archive: objects in the results bucket. Neither a replay nor a late writer can damage them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Revision = tuple[int, int]
"""(epoch, commit) of the writer. The higher revision is the later view of the window."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object to write, with its whole content."""

    key: str
    body: bytes
    content_type: str = "application/json"


class Archive:
    """Writes to one bucket. Every call may block for the client's time-outs and raises botocore's errors."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    def put(self, item: StoredObject) -> None:
        """Write an object whose bytes do not depend on the writer."""
        self._client.put_object(Bucket=self.bucket, Key=item.key, Body=item.body, ContentType=item.content_type)

    def put_revision(self, item: StoredObject, revision: Revision) -> bool:
        """Write an object that grows, unless a higher revision of it is there (rule 9). Returns False if one is.

        A worker that stalled and wakes up must not write its old view of a minute over that of its successor.
        """
        metadata = {"rev": json.dumps(revision)}
        etag: str | None = None
        while True:
            condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
            try:
                self._client.put_object(
                    Bucket=self.bucket,
                    Key=item.key,
                    Body=item.body,
                    ContentType=item.content_type,
                    Metadata=metadata,
                    **condition,  # type: ignore[arg-type]
                )
            except ClientError as error:
                if status(error) not in (404, 409, 412):
                    raise
            else:
                return True
            found = self._client.head_object(Bucket=self.bucket, Key=item.key)
            there = json.loads(found["Metadata"].get("rev", "[0, 0]"))
            if (int(there[0]), int(there[1])) > revision:
                return False
            etag = found["ETag"]


def status(error: ClientError) -> int:
    """The HTTP status of a refused call; 0 where there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
