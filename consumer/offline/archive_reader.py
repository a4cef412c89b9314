"""Finds samples in the archive: by the id of their message, by device and time, or all of an interval."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import groupby, takewhile
from math import floor
from typing import TYPE_CHECKING, Any

import boto3
import orjson

from consumer.aws import CALLS, list_folders, list_objects, read_object
from consumer.findings import advised
from consumer.table.scan import Progress
from reporting.anomaly.publication import event_id
from reporting.keys import ARCHIVE, chart_key, device_prefix, hours_in, minute_in, minute_key
from window.rolling import SHOWN_S

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class ArchiveLine:
    """A line of the archive, and the key of its object. ``raw``: its bytes with the newline."""

    key: str
    raw: bytes

    @property
    def content(self) -> dict[str, Any]:
        """The line, decoded."""
        content: dict[str, Any] = orjson.loads(self.raw)
        return content


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The result of a search. ``devices`` and ``objects``: how many were read."""

    line: ArchiveLine | None
    devices: int
    objects: int


class ArchiveReader:
    """Reads the results in one bucket. Calls may block for the client's time-outs and raise `ConfigurationError`."""

    def __init__(self, aws: boto3.Session, bucket: str) -> None:
        self._client: S3Client = aws.client("s3", config=CALLS)
        self._bucket = bucket

    def at(self, device: str, ts: float) -> ArchiveLine | None:
        """The line of a sample, None if there is none."""
        return next((line for line in self._lines(minute_key(device, ts)) if line.content["ts"] == ts), None)

    def search(
        self,
        event: str,
        sources: Collection[str],
        *,
        device: str | None,
        since: float,
        until: float,
        progress: Progress,
    ) -> SearchResult:
        """Search the line whose message has the id ``event``, among samples from ``since`` to ``until`` (epoch seconds)
        of one device or all, the newest minute first. ``sources``: the CloudEvents sources that it may have.

        A message that amends an earlier one has an id of its own. No line has that id.
        """
        with self._advised():
            prefixes = [device_prefix(device)] if device is not None else self._devices()
            keys = [key for prefix in prefixes for key in self._keys(prefix, since, until)]
        keys.sort(key=lambda key: key.split("/", 2)[2], reverse=True)
        done = 0
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="archive") as pool:
            for start in range(0, len(keys), AT_ONCE):
                for lines in pool.map(self._lines, keys[start : start + AT_ONCE]):
                    done += 1
                    progress(done, len(keys))
                    found = next((line for line in lines if event in _ids(line.content, sources)), None)
                    if found is not None:
                        progress(len(keys), len(keys))
                        return SearchResult(found, len(prefixes), done)
        return SearchResult(None, len(prefixes), done)

    def minutes(self, devices: Sequence[str], since: float, until: float, progress: Progress) -> list[str]:
        """The keys of the minute objects from ``since`` to ``until`` (epoch seconds), in order of time. Empty
        ``devices`` means all. Lists only the hours of the interval, several at once."""
        with self._advised():
            prefixes = [device_prefix(device) for device in devices] if devices else self._devices()
            hours = [(prefix, hour) for prefix in prefixes for hour in hours_in(prefix, since, until)]
            keys: list[str] = []
            with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="archive") as pool:
                for done, found in enumerate(pool.map(self._listed, (hour for _, hour in hours)), start=1):
                    prefix = hours[done - 1][0]
                    first, last = minute_in(prefix, since), minute_in(prefix, until)
                    keys += (key for key in found if first <= key <= last)
                    progress(done, len(hours))
        return sorted(keys, key=_by_minute)

    def read(self, keys: Sequence[str], progress: Progress) -> Iterator[list[ArchiveLine]]:
        """The lines of these objects, in the order of `minutes`. Lines of one minute come together, of all devices."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="archive") as pool:

            def bodies() -> Iterator[tuple[str, list[ArchiveLine]]]:
                for start in range(0, len(keys), AT_ONCE):
                    part = keys[start : start + AT_ONCE]
                    yield from zip(part, pool.map(self._lines, part), strict=True)
                    progress(start + len(part), len(keys))

            for _, minute in groupby(bodies(), key=lambda each: _by_minute(each[0])[0]):
                yield [line for _, lines in minute for line in lines]

    def chart(self, prefix: str, device: str, ts: float) -> str | None:
        """The key of the first chart that shows a sample, None if there is none yet."""
        after, last = chart_key(prefix, device, floor(ts) - 1.0), chart_key(prefix, device, ts + SHOWN_S)
        objects = list_objects(self._client, self._bucket, after.rsplit("/", 1)[0] + "/", after=after)
        with self._advised():
            first = next((found["Key"] for found in objects), None)
        return first if first is not None and first <= last else None

    def _devices(self) -> list[str]:
        return list(list_folders(self._client, self._bucket, ARCHIVE))

    def _keys(self, prefix: str, since: float, until: float) -> Iterator[str]:
        """The keys of a device's minutes."""
        first, last = minute_in(prefix, since), minute_in(prefix, until)
        objects = list_objects(self._client, self._bucket, prefix, after=first.removesuffix(".ndjson"))
        return takewhile(lambda key: key <= last, (found["Key"] for found in objects))

    def _listed(self, prefix: str) -> list[str]:
        return [found["Key"] for found in list_objects(self._client, self._bucket, prefix)]

    def _lines(self, key: str) -> list[ArchiveLine]:
        with self._advised():
            found = read_object(self._client, self._bucket, key)
        return [ArchiveLine(key, raw) for raw in found[0].splitlines(keepends=True)] if found is not None else []

    def _advised(self) -> AbstractContextManager[None]:
        return advised(f"bucket {self._bucket!r}", "RESULTS_BUCKET_NAME and the rights to list and read it")


def _ids(line: dict[str, Any], sources: Collection[str]) -> list[str]:
    return [event_id(source, line["device"], line["ts"], line["model"]) for source in sources]


def _by_minute(key: str) -> tuple[str, str]:
    """The minute and the device in a minute object's key."""
    _, device, minute = key.split("/", 2)
    return minute, device
