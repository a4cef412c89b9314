"""An account in memory: the stream's answers are bytes, bucket and topic are dictionaries, links are really signed."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.exceptions import ClientError

from benchmarks.tape import Tape

Stored = tuple[bytes, str, dict[str, str]]
"""An object: body, ETag, metadata."""
BUCKET, TOPIC_ARN = "results", "arn:aws:sns:us-east-1:123456789012:events"


class Account:
    """What a worker takes for a `boto3.Session`. ``aws``: a real one, for the parser, the signer, the credentials.

    Bucket and topic cost next to nothing: what is measured is the worker.
    """

    def __init__(self, aws: boto3.Session, tape: Tape) -> None:
        self._aws = aws
        self._tape = tape
        self.bucket = Bucket(aws.client("s3"))
        self.topic = Topic()

    def client(self, service: str, *, config: Any = None) -> Any:
        """See `boto3.Session`."""
        if service == "s3":
            return self.bucket
        if service == "sns":
            return self.topic
        client = self._aws.client(service, config=config)  # type: ignore[call-overload]
        if service == "dynamodbstreams":
            self._tape.attach(client)
        return client

    def get_credentials(self) -> Any:
        """See `boto3.Session`."""
        return self._aws.get_credentials()


class Bucket:
    """The part of an S3 client that the worker uses: conditional writes with their ETags, and signing."""

    def __init__(self, signer: Any) -> None:
        self.objects: dict[str, Stored] = {}
        self.generate_presigned_url = signer.generate_presigned_url

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **more: Any) -> dict[str, str]:  # noqa: N803
        """PutObject."""
        there = self.objects.get(Key)
        if "IfMatch" in more and (there is None or there[1] != more["IfMatch"]):
            raise _refused("PutObject", 412 if there else 404)
        if "IfNoneMatch" in more and there is not None:
            raise _refused("PutObject", 412)
        etag = f'"{hashlib.md5(Body, usedforsecurity=False).hexdigest()}"'
        self.objects[Key] = (Body, etag, more.get("Metadata", {}))
        return {"ETag": etag}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        """GetObject."""
        body, etag, metadata = self._there(Key, "GetObject")
        return {"Body": io.BytesIO(body), "ETag": etag, "Metadata": metadata}

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        """HeadObject."""
        _, etag, metadata = self._there(Key, "HeadObject")
        return {"ETag": etag, "Metadata": metadata}

    def get_paginator(self, operation: str) -> Bucket:
        """Of ListObjectsV2, the only one asked for."""
        return self

    def paginate(self, *, Bucket: str, Prefix: str, StartAfter: str = "") -> Iterator[dict[str, Any]]:  # noqa: N803
        """ListObjectsV2, all on one page."""
        keys = sorted(key for key in self.objects if key.startswith(Prefix) and key > StartAfter)
        yield {"Contents": [{"Key": key, "ETag": self.objects[key][1]} for key in keys]}

    def _there(self, key: str, operation: str) -> Stored:
        if key not in self.objects:
            raise _refused(operation, 404)
        return self.objects[key]


class Topic:
    """The part of an SNS client that the worker uses."""

    def __init__(self) -> None:
        self.messages = 0

    def publish_batch(self, *, TopicArn: str, PublishBatchRequestEntries: list[Any]) -> dict[str, Any]:  # noqa: N803
        """PublishBatch: takes everything."""
        self.messages += len(PublishBatchRequestEntries)
        return {"Successful": [{"Id": entry["Id"]} for entry in PublishBatchRequestEntries], "Failed": []}


def _refused(operation: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": str(status)}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)
