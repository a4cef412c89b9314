"""A consistent copy of a table's state while its worker lives, and the folder that it lies in (rule 31)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field, ValidationError

from consumer.aws import read_object
from consumer.errors import ConfigurationError, Retry, retryable
from consumer.state.agreement import newer
from consumer.state.formats import NewerFormat
from consumer.state.head import Head
from consumer.state.store import Stores, stream_prefix
from consumer.version import VERSION
from reporting.sinks.archive import Revision

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FORMAT = 1
"""Of the folder. The heads in it have a format of their own."""
MANIFEST = "manifest.json"
TRIES = 5
"""A lane's windows move once a minute, and devices change lanes when shards do: twice in a row is rare."""
Name = Annotated[str, Field(pattern=r"^[^/\\.\x00][^/\\\x00]*$")]
"""Part of a file's name: it leads nowhere else."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the state of a stream's lanes lies in the bucket."""

    namespace: str
    table: str
    stream: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.table}/{self.stream}"

    @property
    def prefix(self) -> str:
        """The prefix of its keys."""
        return stream_prefix(self.namespace, self.table, self.stream)


@dataclass(frozen=True, slots=True)
class SavedLane:
    """One lane: its head, as it was stored and decoded, and its windows with their revision. None where a lane had no
    windows yet."""

    head: Head
    stored: bytes
    windows: bytes | None
    revision: Revision | None


@dataclass(frozen=True, slots=True)
class Backup:
    """The lanes of a place at one time (epoch seconds); ``version``: of the product that saved them."""

    place: Place
    saved: float
    version: str
    lanes: tuple[SavedLane, ...]


def save(
    client: S3Client, stores: Stores, bucket: str, place: Place, now: float, said: Callable[[SavedLane], object]
) -> Backup:
    """Read the state of every lane of a place, also while its worker writes; ``said`` is told of each lane.

    The windows are read before the head, and neither may move in between: so they are never newer. A device may change
    lanes while they are read one after the other; then all are read again. Raises `Retry`, and `ConfigurationError`.
    """
    for _ in range(TRIES):
        known = {device for name in stores.lanes(place.prefix) for device in _devices(stores, place, name)}
        lanes = []
        for name in stores.lanes(place.prefix):
            lanes.append(_lane(client, stores, bucket, place, name))
            said(lanes[-1])
        if not lanes:
            raise ConfigurationError(f"there is nothing to save: no worker has run on s3://{bucket}/{place.prefix}/")
        if known <= {device for lane in lanes for device in lane.head.health}:
            return Backup(place, now, VERSION, tuple(lanes))
    raise Retry(f"devices kept changing lanes while s3://{bucket}/{place.prefix}/ was read. Try again in a minute")


def _devices(stores: Stores, place: Place, lane: str) -> list[str]:
    head = stores.store(place.prefix, lane).read()
    return list(head.health) if head is not None else []


def _lane(client: S3Client, stores: Stores, bucket: str, place: Place, name: str) -> SavedLane:
    store = stores.store(place.prefix, name)
    key = f"{place.prefix}/{name}/head"
    head = None
    for _ in range(TRIES):
        revision, windows = store.windows_revision(), store.read_windows()
        head = store.read()
        with retryable(f"reading s3://{bucket}/{key}"):
            found = read_object(client, bucket, key)
        # The bytes are kept as they are: this version may not be the one that wrote them.
        if head is None or found is None or found[1] != store.etag or store.windows_revision() != revision:
            continue
        lane = SavedLane(head, found[0], windows, revision)
        _check(lane, f"s3://{bucket}/{place.prefix}/{name}")
        return lane
    if head is None:
        raise ConfigurationError(
            f"s3://{bucket}/{key} is missing. A worker that runs writes it again within seconds; start one if none does"
        )
    raise Retry(f"lane {name} was written again and again while it was read. Try again in a minute")


def _check(lane: SavedLane, where: str) -> None:
    """Raises `ConfigurationError` for windows that are newer than their head."""
    if lane.revision is not None and newer(lane.revision, lane.head):
        raise ConfigurationError(
            f"{where} does not fit together: its head is of commit {lane.head.commit} (epoch {lane.head.epoch}), its "
            f"windows are of commit {lane.revision[1]} (epoch {lane.revision[0]}), which is later"
        )


class _Windows(BaseModel):
    epoch: int
    commit: int
    sha256: str


class _Lane(BaseModel):
    lane: Name
    epoch: int
    commit: int
    sha256: str
    windows: _Windows | None = None


class _Manifest(BaseModel):
    format: int
    version: str
    saved: datetime
    namespace: str
    table: str
    stream: str
    lanes: list[_Lane]


def free(folder: Path) -> None:
    """Raises `ConfigurationError` where a backup cannot be written: nothing that is there is ever replaced."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(f"{folder} is there already. Name a folder that is empty or not there yet")


def write(backup: Backup, folder: Path) -> None:
    """Write a backup as files, the manifest last: a folder without it is not whole. Raises `ConfigurationError`."""
    free(folder)
    lanes = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for saved in backup.lanes:
            head_file, windows_file = _files(folder, saved.head.lane)
            head_file.write_bytes(saved.stored)
            windows = None
            if saved.windows is not None and saved.revision is not None:
                windows_file.write_bytes(saved.windows)
                epoch, commit = saved.revision
                windows = _Windows(epoch=epoch, commit=commit, sha256=_sha256(saved.windows))
            head = saved.head
            sha256 = _sha256(saved.stored)
            lanes.append(_Lane(lane=head.lane, epoch=head.epoch, commit=head.commit, sha256=sha256, windows=windows))
        manifest = _Manifest(
            format=FORMAT,
            version=backup.version,
            saved=datetime.fromtimestamp(int(backup.saved), UTC),
            namespace=backup.place.namespace,
            table=backup.place.table,
            stream=backup.place.stream,
            lanes=lanes,
        )
        (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written: {error}") from error


def read(folder: Path) -> Backup:
    """The backup in a folder, checked: whole, undamaged, of a format that this version knows, and consistent. Raises
    `ConfigurationError`."""
    file = folder / MANIFEST
    try:
        about = json.loads(file.read_bytes())
        found = about.get("format") if isinstance(about, dict) else None
        if isinstance(found, int) and found > FORMAT:
            raise ConfigurationError(
                f"the backup in {folder} has format {found} and was saved by version {about.get('version', 'unknown')}"
                f". This is version {VERSION}, which reads formats up to {FORMAT}: use one that knows format {found}"
            )
        manifest = _Manifest.model_validate(about)
        lanes = tuple(_read_lane(folder, entry) for entry in manifest.lanes)
    except FileNotFoundError as error:
        raise ConfigurationError(f"{folder} is no whole backup: {error.filename} is not there") from error
    except OSError as error:
        raise ConfigurationError(f"the backup in {folder} cannot be read: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, f['loc']))} {f['msg']}" for f in error.errors()[:3])
        raise ConfigurationError(f"{file} is no manifest of a backup: {faults}") from error
    except ValueError as error:
        raise ConfigurationError(f"{file} is no manifest of a backup: {error}") from error
    place = Place(manifest.namespace, manifest.table, manifest.stream)
    return Backup(place, manifest.saved.timestamp(), manifest.version, lanes)


def _read_lane(folder: Path, entry: _Lane) -> SavedLane:
    head_file, windows_file = _files(folder, entry.lane)
    stored = _undamaged(head_file, entry.sha256)
    try:
        head = Head.decode(stored)
    except (NewerFormat, ValueError) as error:
        raise ConfigurationError(f"{head_file} cannot be read: {error}") from error
    windows = revision = None
    if entry.windows is not None:
        windows = _undamaged(windows_file, entry.windows.sha256)
        revision = (entry.windows.epoch, entry.windows.commit)
    lane = SavedLane(head, stored, windows, revision)
    if head.lane != entry.lane:
        raise ConfigurationError(f"{head_file} is the head of lane {head.lane}")
    _check(lane, f"lane {entry.lane} in {folder}")
    return lane


def _undamaged(file: Path, sha256: str) -> bytes:
    body = file.read_bytes()
    if _sha256(body) != sha256:
        raise ConfigurationError(f"{file} is not as it was saved: its SHA-256 is not the one in {MANIFEST}")
    return body


def _files(folder: Path, lane: str) -> tuple[Path, Path]:
    return folder / f"{lane}.head.json", folder / f"{lane}.windows.npz"


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
