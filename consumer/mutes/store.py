"""Mutes as objects in the results bucket: one object per mute, in JSON that a person can read and write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from consumer.aws import list_objects, read_object
from consumer.errors import retryable
from reporting.contract.events import utc
from reporting.keys import MUTES, mute_key, mutes_from
from reporting.mutes import Mute

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LONGEST_S = 366 * 86_400.0
"""The longest mute. Every mute must end."""
MOST = 1000
"""Most mutes that are read, those that end first. More than that is a mistake."""
OneLine = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class StoredMute(BaseModel):
    """The content of a mute's object. ``device``: null for every device; it must be there, so nobody mutes all by
    mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Annotated[str, Field(min_length=1)] | None
    since: AwareDatetime
    until: AwareDatetime
    reason: OneLine
    by: OneLine
    health: bool = False

    @model_validator(mode="after")
    def _ends(self) -> StoredMute:
        if self.until <= self.since:
            raise ValueError("it ends before it begins")
        if (self.until - self.since).total_seconds() > LONGEST_S:
            raise ValueError(f"it lasts more than {LONGEST_S / 86_400:.0f} days")
        return self

    def mute(self, name: str) -> Mute:
        """The mute as the rest of the program uses it."""
        since, until = self.since.timestamp(), self.until.timestamp()
        return Mute(name, self.device, since, until, self.reason, self.by, self.health)


@dataclass(frozen=True, slots=True)
class MuteObject:
    """An object under the prefix of mutes. ``fault``: why it is no mute."""

    key: str
    etag: str
    mute: Mute | None
    fault: str = ""

    @property
    def id(self) -> str:
        """The mute's id, which is the end of its key."""
        return self.key.rsplit("/", 1)[-1].removesuffix(".json").rsplit("-", 1)[-1]


class MuteStore:
    """The mutes in one bucket. Every call may block for the client's time-outs and raises `Retry`."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def read(self, ended_after: float, known: Mapping[str, MuteObject] | None = None) -> dict[str, MuteObject]:
        """The mutes that end after a time (epoch seconds), by key. Does not read again what is ``known`` and
        unchanged."""
        known = known or {}
        found: dict[str, MuteObject] = {}
        for key, etag in self._keys(ended_after):
            there = known.get(key)
            read = there if there is not None and there.etag == etag else self._get(key, etag)
            if read is not None:
                found[key] = read
        return found

    def put(self, mute: Mute) -> str:
        """Write a mute; returns its key."""
        key = mute_key(mute.device, mute.until, mute.id)
        stored = StoredMute(
            device=mute.device,
            since=utc(mute.since),
            until=utc(mute.until),
            reason=mute.reason,
            by=mute.by,
            health=mute.health,
        )
        body = stored.model_dump_json(indent=2).encode()
        with retryable(f"writing s3://{self._bucket}/{key}"):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/json")
        return key

    def delete(self, key: str) -> None:
        """Remove a mute."""
        with retryable(f"deleting s3://{self._bucket}/{key}"):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def _keys(self, ended_after: float) -> list[tuple[str, str]]:
        objects = list_objects(self._client, self._bucket, MUTES, after=mutes_from(max(0.0, ended_after)))
        with retryable(f"listing s3://{self._bucket}/{MUTES}"):
            return [(found["Key"], found["ETag"]) for found in islice(objects, MOST)]

    def _get(self, key: str, etag: str) -> MuteObject | None:
        with retryable(f"reading s3://{self._bucket}/{key}"):
            read = read_object(self._client, self._bucket, key)
        if read is None:
            return None  # removed since it was listed
        try:
            stored = StoredMute.model_validate_json(read[0])
        except ValidationError as error:
            faults = (f"{'.'.join(map(str, f['loc']))} {f['msg']}".strip() for f in error.errors())
            return MuteObject(key, etag, None, "; ".join(faults))
        return MuteObject(key, etag, stored.mute(MuteObject(key, etag, None).id))
