"""The store of head and windows: two S3 objects for each lane, the head with a fence (rule 12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from consumer.aws import list_objects
from consumer.errors import ConfigurationError, Fenced, Retry, retryable
from consumer.state.formats import NewerFormat
from consumer.state.head import Head
from reporting.sinks.archive import Archive, Revision, StoredObject, status

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class StateStore(Protocol):
    """Keeps the head and the windows of one lane. The head has a fence: a write fails if another worker has written
    since this one last read or wrote it."""

    def read(self) -> Head | None:
        """The head, or None before the first commit. Raises `Retry`."""

    def write(self, head: Head) -> None:
        """Replace the head that was last read or written. Raises `Fenced`, or `Retry` (call again)."""

    def read_windows(self) -> bytes | None:
        """The windows last written, or None. Raises `Retry`."""

    def write_windows(self, body: bytes, revision: Revision) -> None:
        """Write the windows, unless a later owner's are stored. Raises botocore's errors (call again)."""


MOST_FAULTS = 3
"""So many faults of a head are named."""
AT_WORK_S = 60.0
"""Lanes whose last heartbeats are no further apart were running together. An older lane ended long before."""


class S3StateStore:
    """Head and windows as two S3 objects under ``prefix``; the head's ETag is the fence. ``client`` must not retry: if
    the first attempt was written after all, its retry would fail as if another worker had written."""

    def __init__(self, client: S3Client, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self.prefix = prefix
        self._key = f"{prefix}/head"
        self._windows = f"{prefix}/windows"
        self._etag: str | None = None

    def read(self) -> Head | None:
        """See `StateStore`."""
        found = self._get(self._key)
        self._etag = found[1] if found else None
        try:
            return Head.decode(found[0]) if found else None
        except NewerFormat as error:
            raise ConfigurationError(f"the state in s3://{self._bucket}/{self._key} cannot be read: {error}") from error
        except ValueError as error:
            raise ConfigurationError(
                f"the state in s3://{self._bucket}/{self._key} cannot be read ({_faults(error)}). Restore "
                "an earlier version of the object; without it the next start is a first start"
            ) from error

    def read_windows(self) -> bytes | None:
        """See `StateStore`."""
        found = self._get(self._windows)
        return found[0] if found else None

    def write_windows(self, body: bytes, revision: Revision) -> None:
        """See `StateStore`."""
        item = StoredObject(self._windows, body, "application/octet-stream")
        Archive(self._client, self._bucket).put_revision(item, revision)

    def _get(self, key: str) -> tuple[bytes, str] | None:
        try:
            found = self._client.get_object(Bucket=self._bucket, Key=key)
            return found["Body"].read(), found["ETag"]
        except ClientError as error:
            if status(error) == 404:
                return None
            raise Retry(f"reading s3://{self._bucket}/{key}: {error}") from error
        except BotoCoreError as error:
            raise Retry(f"reading s3://{self._bucket}/{key}: {error}") from error

    def write(self, head: Head) -> None:
        """See `StateStore`. After a time-out or a refusal it reads the head, which shows who wrote last."""
        condition = {"IfMatch": self._etag} if self._etag else {"IfNoneMatch": "*"}
        try:
            answer = self._client.put_object(
                Bucket=self._bucket,
                Key=self._key,
                Body=head.encode(),
                ContentType="application/json",
                **condition,  # type: ignore[arg-type]
            )
        except (ClientError, BotoCoreError) as error:
            before = self._etag
            there = self.read()
            if there is not None and (there.owner, there.epoch, there.commit) == (head.owner, head.epoch, head.commit):
                return
            if self._etag == before:
                raise Retry(f"writing s3://{self._bucket}/{self._key}: {error}") from error
            owner = there.owner if there else "nobody"
            # Back to the old ETag: with the one just read, the next write would replace the other owner's head.
            self._etag = before
            raise Fenced(
                f"lane {head.lane} is owned by {owner}: s3://{self._bucket}/{self._key} has changed"
            ) from error
        self._etag = answer["ETag"]


class Stores:
    """The state of all lanes in one bucket. ``client`` lists and reads, ``once`` writes heads and never retries."""

    def __init__(self, client: S3Client, once: S3Client, bucket: str) -> None:
        self._client = client
        self._once = once
        self._bucket = bucket

    def store(self, prefix: str, lane: str) -> S3StateStore:
        """The state of one lane."""
        return S3StateStore(self._once, self._bucket, f"{prefix}/{lane}")

    def lanes(self, prefix: str) -> list[str]:
        """The names of the lanes that have a head. Raises `Retry`."""
        return sorted(key.split("/")[-2] for key in self._heads(f"{prefix}/"))

    def previous_stream(self, prefix: str, lane: str) -> tuple[Head, S3StateStore] | None:
        """The lane's state under the previous stream of the table; None if there was none. Raises `Retry`."""
        table, label = prefix.rsplit("/", 1)
        found = []
        for key in self._heads(f"{table}/"):
            if key.split("/")[-2] == lane and key.split("/")[-3] != label:
                store = S3StateStore(self._once, self._bucket, key.removesuffix("/head"))
                head = store.read()
                if head is not None:
                    found.append((head, store))
        return max(found, key=lambda one: one[0].heartbeat, default=None)

    def previous_watermark(self, prefix: str, lane: str) -> float | None:
        """The lowest watermark of the lanes that ran to the end under the previous stream of the table; None if nothing
        was processed. Raises `Retry`."""
        before = self.previous_stream(prefix, lane)
        if before is None:
            return None
        prefix = before[1].prefix.rsplit("/", 1)[0]
        heads = [head for name in self.lanes(prefix) if (head := self.store(prefix, name).read()) is not None]
        last = max((head.heartbeat for head in heads), default=0.0)
        at_work = [head for head in heads if last - head.heartbeat <= AT_WORK_S]
        return min((head.watermark for head in at_work if head.watermark is not None), default=None)

    def _heads(self, prefix: str) -> list[str]:
        with retryable(f"listing s3://{self._bucket}/{prefix}"):
            keys = [found["Key"] for found in list_objects(self._client, self._bucket, prefix)]
        return [key for key in keys if key.endswith("/head")]


def _faults(error: ValueError) -> str:
    """What is wrong with a head: the first faults with the names of their fields. Values are left out."""
    if not isinstance(error, ValidationError):
        return str(error)
    named = [f"{'.'.join(map(str, fault['loc'])) or 'head'}: {fault['msg']}" for fault in error.errors()]
    return "; ".join(named[:MOST_FAULTS]) + (f"; and {len(named) - MOST_FAULTS} more" if named[MOST_FAULTS:] else "")


def stream_prefix(namespace: str, table: str, stream_label: str) -> str:
    """The place of the state of a stream's lanes (rule 14). Environments, tables and streams never share one."""
    return f"state/{namespace}/{table}/{stream_label}"
