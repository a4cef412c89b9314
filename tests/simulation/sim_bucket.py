"""A bucket in memory behind the S3 client's own methods, so that the real archive and state store run over it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError
from sim_faults import S3, Faults

_REFUSALS = {"s3 409": (409, "ConditionalRequestConflict"), "s3 412 though written": (412, "PreconditionFailed")}


@dataclass(frozen=True, slots=True)
class Stored:
    """One object."""

    body: bytes
    etag: str
    metadata: Mapping[str, str]


def refused(status: int, code: str, operation: str = "PutObject") -> ClientError:
    """The error botocore raises for an HTTP status."""
    answer: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)


@dataclass(slots=True)
class Bucket:
    """The objects. ``writes``: every key written, in order; they outlive every host. ``note`` is told of each write.
    ``exists``: whether the bucket itself is there."""

    objects: dict[str, Stored] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    note: Callable[[str, bytes], None] | None = None
    exists: bool = True

    def under(self, *prefixes: str) -> dict[str, bytes]:
        """Key and body of everything under the prefixes."""
        return {key: stored.body for key, stored in self.objects.items() if key.startswith(prefixes)}


class BucketClient:
    """The part of boto3's S3 client that the worker uses: one host's way to the bucket, with its faults.

    ETags are the content's hash, as S3's are: equal bytes written by another worker have an equal ETag.
    """

    def __init__(self, bucket: Bucket, faults: Faults) -> None:
        self._bucket = bucket
        self._faults = faults

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        ContentType: str,  # noqa: N803
        Metadata: Mapping[str, str] | None = None,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
        IfNoneMatch: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        """PutObject, conditional where asked for. An `IfMatch` on a key that is not there is a 404."""

        def write() -> dict[str, Any]:
            self._bucket_there("PutObject")
            there = self._bucket.objects.get(Key)
            if IfNoneMatch is not None and there is not None:
                raise refused(412, "PreconditionFailed")
            if IfMatch is not None:
                if there is None:
                    raise refused(404, "NoSuchKey")
                if there.etag != IfMatch:
                    raise refused(412, "PreconditionFailed")
            body = bytes(Body)
            stored = Stored(body, f'"{hashlib.md5(body).hexdigest()}"', dict(Metadata or {}))
            self._bucket.objects[Key] = stored
            self._bucket.writes.append(Key)
            if self._bucket.note is not None:
                self._bucket.note(Key, body)
            return {"ETag": stored.etag}

        return self._faults.call(S3, write, _error)

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        """GetObject."""

        def read() -> dict[str, Any]:
            there = self._there(Key, "GetObject", "NoSuchKey")
            return {"Body": io.BytesIO(there.body), "ETag": there.etag, "Metadata": dict(there.metadata)}

        return self._faults.call(S3, read, _error)

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        """HeadObject."""

        def read() -> dict[str, Any]:
            there = self._there(Key, "HeadObject", "404")
            return {"ETag": there.etag, "Metadata": dict(there.metadata), "ContentLength": len(there.body)}

        return self._faults.call(S3, read, _error)

    def delete_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        """DeleteObject: what is not there is deleted just as well."""

        def delete() -> dict[str, Any]:
            self._bucket_there("DeleteObject")
            self._bucket.objects.pop(Key, None)
            return {}

        return self._faults.call(S3, delete, _error)

    def get_paginator(self, operation: str) -> BucketClient:
        """Of `list_objects_v2`, the only one asked for."""
        assert operation == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803
        """ListObjectsV2, in pages of two."""

        def read() -> list[dict[str, Any]]:
            self._bucket_there("ListObjectsV2")
            keys = sorted(key for key in self._bucket.objects if key.startswith(Prefix))
            return [{"Contents": [{"Key": key} for key in keys[n : n + 2]]} for n in range(0, max(1, len(keys)), 2)]

        return self._faults.call(S3, read, _error)

    def _bucket_there(self, operation: str) -> None:
        if not self._bucket.exists:
            raise refused(404, "NoSuchBucket", operation)

    def _there(self, key: str, operation: str, code: str) -> Stored:
        self._bucket_there(operation)
        there = self._bucket.objects.get(key)
        if there is None:
            raise refused(404, code, operation)
        return there


def _error(fault: str) -> Exception:
    if "time-out" in fault:
        return ReadTimeoutError(endpoint_url="https://s3.eu-central-1.amazonaws.com")
    return refused(*_REFUSALS.get(fault, (503, "SlowDown")))
