"""The store of head and windows: two S3 objects for each lane, the head with a fence (rule 12)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

import structlog
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from consumer.aws import list_objects
from consumer.errors import ConfigurationError, Fenced, Retry, retryable
from consumer.state.formats import NewerFormat
from consumer.state.head import Counts, Head
from consumer.state.ledger import stored_counts
from reporting.keys import ledger_key
from reporting.sinks.archive import Archive, Revision, StoredObject, status, stored_revision

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

    def write_windows(self, body: bytes, revision: Revision) -> Revision:
        """Write the windows, unless a higher revision of them is stored. Returns the one that is there afterwards.
        Raises botocore's errors (call again)."""

    def windows_revision(self) -> Revision | None:
        """The revision of the stored windows; None where there are none. Raises `Retry`."""


log = structlog.get_logger(__name__)
TABLE_LANE = "table"
"""The lane whose owner owns all lanes of the table."""
MOST_FAULTS = 3
"""So many faults of a head are named."""


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
        self._beat = 0

    @property
    def etag(self) -> str | None:
        """Of the head as it was last read or written; None where there was none. Known also of one that cannot be
        decoded."""
        return self._etag

    def read(self) -> Head | None:
        """See `StateStore`."""
        found = self._get(self._key)
        self._etag = found[1] if found else None
        try:
            head = Head.decode(found[0]) if found else None
        except NewerFormat as error:
            raise ConfigurationError(f"the state in s3://{self._bucket}/{self._key} cannot be read: {error}") from error
        except ValueError as error:
            raise ConfigurationError(
                f"the state in s3://{self._bucket}/{self._key} cannot be read ({_faults(error)}). Restore "
                "an earlier version of the object, or delete it: then the next start goes on from the windows"
            ) from error
        self._beat = max(self._beat, head.beat if head is not None else 0)
        return head

    def read_windows(self) -> bytes | None:
        """See `StateStore`."""
        found = self._get(self._windows)
        return found[0] if found else None

    def write_windows(self, body: bytes, revision: Revision) -> Revision:
        """See `StateStore`."""
        item = StoredObject(self._windows, body, "application/octet-stream")
        return Archive(self._client, self._bucket).put_revision(item, revision)

    def windows_revision(self) -> Revision | None:
        """See `StateStore`."""
        try:
            found = self._client.head_object(Bucket=self._bucket, Key=self._windows)
            return stored_revision(found["Metadata"])
        except ClientError as error:
            if status(error) == 404:
                return None
            raise Retry(f"reading s3://{self._bucket}/{self._windows}: {error}") from error
        except BotoCoreError as error:
            raise Retry(f"reading s3://{self._bucket}/{self._windows}: {error}") from error

    def remove_windows(self) -> None:
        """Delete the windows. Raises `Retry`."""
        self._delete(self._windows)

    def remove(self) -> None:
        """Delete the lane's state, the windows first: alone they would be what is left of a lost head. Raises
        `Retry`."""
        self.remove_windows()
        self._delete(self._key)
        self._etag = None

    def _delete(self, key: str) -> None:
        with retryable(f"deleting s3://{self._bucket}/{key}"):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def _get(self, key: str) -> tuple[bytes, str] | None:
        try:
            found = self._client.get_object(Bucket=self._bucket, Key=key)
            return found["Body"].read(), found["ETag"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "NoSuchBucket":
                raise Retry(f"the bucket {self._bucket} does not exist. Make it again, with the same name") from error
            if status(error) == 404:
                return None
            raise Retry(f"reading s3://{self._bucket}/{key}: {error}") from error
        except BotoCoreError as error:
            raise Retry(f"reading s3://{self._bucket}/{key}: {error}") from error

    def write(self, head: Head) -> None:
        """See `StateStore`. After a time-out or a refusal it reads the head, which shows who wrote last. Each write has
        its own ``beat``."""
        self._beat += 1
        head = head.model_copy(update={"beat": self._beat})
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
            if there is None:
                raise self._vanished(head, before) from error
            # Back to the old ETag: with the one just read, the next write would replace the other owner's head.
            self._etag = before
            raise Fenced(
                f"lane {head.lane} is owned by {there.owner}: s3://{self._bucket}/{self._key} has changed"
            ) from error
        self._etag = answer["ETag"]

    def _vanished(self, head: Head, before: str | None) -> Exception:
        """The head was there and was deleted. Whoever owns the lane has all of it, so it is written again: a successor
        must not begin from nothing. An owner that stood still meanwhile must not: the windows show whether there was
        another since."""
        windows = self.windows_revision()
        if windows is not None and windows[0] > head.epoch:
            self._etag = before
            return Fenced(
                f"lane {head.lane} had another owner since: the windows beside s3://{self._bucket}/{self._key}"
            )
        log.error("the head of a lane was deleted: it is written again", lane=head.lane, key=self._key)
        return Retry(f"s3://{self._bucket}/{self._key} was deleted; it is written again")


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
        """The names of the lanes that have a head, or windows: then the head was lost. Raises `Retry`."""
        return sorted({key.split("/")[-2] for key in self._keys(f"{prefix}/") if key.endswith(("/head", "/windows"))})

    def highest_epoch(self, prefix: str) -> int:
        """The highest epoch under any stream of the table, in heads and in the revisions of windows; 0 if there is
        none. A counter that began again would order what it does not know. Raises `Retry`."""
        highest = 0
        for place in {key.rsplit("/", 1)[0] for key in self._keys(f"{prefix.rsplit('/', 1)[0]}/")}:
            store = S3StateStore(self._once, self._bucket, place)
            windows = store.windows_revision()
            highest = max(highest, windows[0] if windows is not None else 0)
            try:
                head = store.read()
            except ConfigurationError as error:
                # It may lie under a stream that is long gone. Whoever needs it says what to do about it.
                log.warning("the epoch of a head is not known", error=str(error))
            else:
                highest = max(highest, head.epoch if head is not None else 0)
        return highest

    def ledger(self, lane: str, days: Iterable[str]) -> dict[str, dict[str, Counts]]:
        """The stored ledger of a lane, of those of the days that have one. Raises `Retry`, and `ConfigurationError`."""
        found = {}
        for day in days:
            key = ledger_key(day, lane)
            stored = S3StateStore(self._once, self._bucket, "")._get(key)
            if stored is not None:
                try:
                    found[day] = stored_counts(stored[0])
                except (ValueError, TypeError, LookupError, AttributeError) as error:
                    raise ConfigurationError(
                        f"s3://{self._bucket}/{key} is no ledger: {error!r}. Move it away"
                    ) from error
        return found

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
        # By the label, which is the time at which DynamoDB made the stream. Heartbeats are of other machines' clocks.
        return max(found, key=lambda one: one[1].prefix, default=None)

    def previous_watermark(self, prefix: str, lane: str) -> float | None:
        """The lowest watermark of the lanes that ran to the end under the previous stream of the table; None if nothing
        was processed. Raises `Retry`."""
        before = self.previous_stream(prefix, lane)
        if before is None:
            return None
        prefix = before[1].prefix.rsplit("/", 1)[0]
        heads = [head for name in self.lanes(prefix) if (head := self.store(prefix, name).read()) is not None]
        at_work = [head for head in heads if head.owner == before[0].owner]
        return min((head.watermark for head in at_work if head.watermark is not None), default=None)

    def _heads(self, prefix: str) -> list[str]:
        return [key for key in self._keys(prefix) if key.endswith("/head")]

    def _keys(self, prefix: str) -> list[str]:
        with retryable(f"listing s3://{self._bucket}/{prefix}"):
            return [found["Key"] for found in list_objects(self._client, self._bucket, prefix)]


def _faults(error: ValueError) -> str:
    """What is wrong with a head: the first faults with the names of their fields. Values are left out."""
    if not isinstance(error, ValidationError):
        return str(error)
    named = [f"{'.'.join(map(str, fault['loc'])) or 'head'}: {fault['msg']}" for fault in error.errors()]
    return "; ".join(named[:MOST_FAULTS]) + (f"; and {len(named) - MOST_FAULTS} more" if named[MOST_FAULTS:] else "")


def stream_prefix(namespace: str, table: str, stream_label: str) -> str:
    """The place of the state of a stream's lanes (rule 14). Environments, tables and streams never share one."""
    return f"state/{namespace}/{table}/{stream_label}"
