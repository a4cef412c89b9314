"""Compares the samples that a table has with those that were scored, and names what is missing.

The table is the witness: the ledger counts what was read, so it cannot show what never was.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from math import floor
from typing import TYPE_CHECKING

import boto3
import numpy as np

from consumer.aws import CALLS, list_objects
from consumer.errors import ConfigurationError
from consumer.findings import advised
from consumer.state.scored_minutes import Minute, digest, read_minutes
from consumer.stream.records import TS, Decoder
from consumer.table.scan import Progress, TableDescription, describe, scan
from reporting.keys import HOUR_S, MINUTE_S, SCORED_MINUTES, scored_minutes_prefix
from window.samples import Floats, Kind, Names, concat

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

AT_ONCE = 16
ADVICE = "RESULTS_BUCKET_NAME and the right to list and read it"
MOST_PARTS = 8
"""Rows of a minute that are tried together: of lanes and owners that each counted a part of it."""
Row = tuple[str, int]
"""A device and the start of a minute, epoch seconds."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A minute of a device in which not every item of the table was scored. ``minute``: its start, epoch seconds.
    ``missing``: the ``ts`` that were not scored, as far as the digest shows which."""

    device: str
    minute: int
    in_table: int
    scored: int
    missing: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Verification:
    """The result. ``since``, ``until``: what was compared, epoch seconds. ``minutes``, ``samples``: how many of the
    table. ``removed``: the minutes of which the table has fewer items than were scored, which cannot be compared."""

    since: int
    until: int
    minutes: int
    samples: int
    differences: tuple[Difference, ...]
    removed: int

    @property
    def missing(self) -> int:
        """How many samples at least were not scored."""
        return sum(max(1, each.in_table - each.scored) for each in self.differences)


class Verifier:
    """Reads a table and the counts in a bucket. Calls may block for long and raise `ConfigurationError`."""

    def __init__(self, aws: boto3.Session, bucket: str, *, table: str, device_key: str) -> None:
        self._aws = aws
        self._client: S3Client = aws.client("s3", config=CALLS)
        self._bucket = bucket
        self._table = table
        self._device_key = device_key

    def verify(self, since: float, until: float, table_read: Progress, counts_read: Progress) -> Verification:
        """Compare the whole minutes of event time between ``since`` and ``until`` (epoch seconds), those alone that lie
        after the first that was ever counted."""
        about = describe(self._aws, self._table)
        if TS not in about.keys:
            raise ConfigurationError(
                f"table {self._table!r} keeps only the last sample of each device, so it cannot show what was missed. "
                f"A table with {TS!r} in its key can"
            )
        # Of the first minute only a part may have been the worker's.
        start = max(floor(since / MINUTE_S) * MINUTE_S, self._first() + MINUTE_S)
        end = floor(until / MINUTE_S) * MINUTE_S
        # The table first: what is written to it meanwhile is then in the counts at most.
        items = self._items(about, start, end, table_read)
        counted = self._counted(start, end, counts_read)
        differences, removed = [], 0
        for row in sorted(items):
            found = compare(*row, items[row], counted.get(row, ()))
            if isinstance(found, Difference):
                differences.append(found)
            removed += found is None
        return Verification(start, end, len(items), sum(map(len, items.values())), tuple(differences), removed)

    def _first(self) -> int:
        """The first minute that was ever counted."""
        with advised(f"bucket {self._bucket!r}", ADVICE):
            first = next(iter(list_objects(self._client, self._bucket, SCORED_MINUTES)), None)
        if first is None:
            raise ConfigurationError(
                f"there is nothing under s3://{self._bucket}/{SCORED_MINUTES}: the worker writes it a minute after it "
                "has scored something, from version 0.2.0 on"
            )
        hour = first["Key"].rsplit("/", 2)[0]
        with advised(f"bucket {self._bucket!r}", ADVICE):
            keys = [each["Key"] for each in list_objects(self._client, self._bucket, f"{hour}/")]
        of_lanes = {key.rsplit("/", 1)[0]: key for key in reversed(keys)}  # the first of each
        return min(minute for key in of_lanes.values() for _, minute, _ in self._rows(key))

    def _items(self, about: TableDescription, start: int, end: int, progress: Progress) -> dict[Row, Floats]:
        """The different ``ts`` of the table's samples, by device and minute."""
        devices = Names()
        decoder = Decoder(table=self._table, device_key=self._device_key, devices=devices, shards=Names())
        pages = [page.samples for page in scan(self._aws, about, decoder, since=start, until=end, progress=progress)]
        samples = concat(pages)
        samples = samples.take((samples.kind == Kind.BACKFILL) & (samples.ts < end))
        order = np.lexsort((samples.ts, samples.device))
        device, ts = samples.device[order], samples.ts[order]
        minute = np.floor(ts / MINUTE_S).astype(np.int64)
        edges = np.flatnonzero((np.diff(device) != 0) | (np.diff(minute) != 0)) + 1
        groups = zip(np.split(device, edges), np.split(minute, edges), np.split(ts, edges), strict=True)
        return {(devices[int(d[0])], int(m[0]) * MINUTE_S): np.unique(t) for d, m, t in groups if len(t)}

    def _counted(self, start: int, end: int, progress: Progress) -> Mapping[Row, Sequence[Minute]]:
        """By device and minute: what each lane and owner counted last."""
        hours = range(start // HOUR_S * HOUR_S, end, HOUR_S)
        with advised(f"bucket {self._bucket!r}", ADVICE):
            keys = [o["Key"] for h in hours for o in list_objects(self._client, self._bucket, scored_minutes_prefix(h))]
        last: dict[Row, dict[tuple[str, str], Minute]] = defaultdict(dict)
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="minutes") as pool:
            for done, (key, rows) in enumerate(zip(keys, pool.map(self._rows, keys), strict=True), 1):
                lane, revision = key.split("/")[-2:]
                for device, minute, counted in rows:
                    last[device, minute][lane, revision.split("-")[0]] = counted
                progress(done, len(keys))
        return {row: [*of_owners.values()] for row, of_owners in last.items()}

    def _rows(self, key: str) -> list[tuple[str, int, Minute]]:
        with advised(f"s3://{self._bucket}/{key}", "the right to read it"):
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        try:
            return [(device, minute, at) for device, of in read_minutes(body).items() for minute, at in of.items()]
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(f"s3://{self._bucket}/{key} is damaged: {error!r}") from error


def compare(device: str, minute: int, ts: Floats, counted: Sequence[Minute]) -> Difference | bool | None:
    """Was each of the table's ``ts`` scored? True if so; None if the table has fewer than were scored."""
    whole = Minute(len(ts), digest(ts))
    # One owner has counted all, or each its part.
    parts = sorted(_sums(counted[-MOST_PARTS:]), key=lambda part: -part.count)
    if whole in parts:
        return True
    scored = max((part.count for part in parts if part.count <= len(ts)), default=0)
    if counted and min(row.count for row in counted) > len(ts):
        return None
    missing = next((found for part in parts if (found := _named(ts, whole, part))), ())
    if missing:
        scored = len(ts) - len(missing)
    return Difference(device, minute, len(ts), scored, missing or (tuple(ts.tolist()) if scored == 0 else ()))


def _sums(rows: Sequence[Minute]) -> Iterable[Minute]:
    """Every row, and the sums of several."""
    for count in range(1, len(rows) + 1):
        for some in combinations(rows, count):
            yield Minute(sum(row.count for row in some), sum(row.digest for row in some) % 2**64)


def _named(ts: Floats, whole: Minute, part: Minute) -> tuple[float, ...]:
    """Which one or two ``ts`` the digest of ``part`` lacks; none if it is more, or something else is wrong."""
    lacking, rest = whole.count - part.count, (whole.digest - part.digest) % 2**64
    if lacking not in (1, 2):
        return ()
    hashes = {digest(ts[n : n + 1]): float(ts[n]) for n in range(len(ts))}
    if lacking == 1:
        return (hashes[rest],) if rest in hashes else ()
    for one, at in hashes.items():
        other = hashes.get((rest - one) % 2**64)
        if other is not None and other != at:
            return tuple(sorted((at, other)))
    return ()
