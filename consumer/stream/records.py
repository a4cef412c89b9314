"""Decodes stream records into columns, and gives each record its class. Only this module knows DynamoDB's shapes.

The class depends on the record alone, never on the clock (rule 2). So a record that is read again gets the same class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np

from consumer.stream import envelope
from scoring.config import PLAUSIBLE, Range
from window.released import Sequences
from window.samples import Kind, Names, Samples

FUTURE_S = 5 * 60.0
"""A sample whose ``ts`` lies further ahead of *created* is quarantined (rule 2), unless its clock is known wrong."""
LATE_S = 25 * 60.0
"""A sample whose ``ts`` lies further behind *created* is late: counted, not scored (rule 2). `RETAINED_S` of windows
must reach back this far, and `FUTURE_S`, a minute and `REACH_S` of the archive more (docs/decisions/0010)."""
DEVICE_BYTES = 255
"""A longer device name would not fit into S3 keys: they have 1,024 bytes, and a quoted byte takes three."""
MOST_TIES = 1000
"""How many items of the table may share a microsecond of ``ts``: that many sequence numbers are between two of them."""
NAN = math.nan
TS = "ts"
"""The attribute with the time of a sample, epoch seconds."""

Item = Mapping[str, Mapping[str, Any]]
"""A DynamoDB item as in a record: ``{"current": {"N": "1.5"}}``."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A quarantined record: the reason, and the record as it came."""

    reason: str
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A page of records: one row each, their sequence numbers (n,), and what is quarantined, by row."""

    samples: Samples
    sequence: Sequences
    rejects: Mapping[int, Reject]

    def of_devices(self, codes: list[int]) -> Decoded:
        """The records of these devices."""
        rows = np.flatnonzero(np.isin(self.samples.device, codes))
        rejects = {row: self.rejects[int(old)] for row, old in enumerate(rows) if int(old) in self.rejects}
        return Decoded(self.samples.take(rows), self.sequence[rows], rejects)


@dataclass(frozen=True, slots=True)
class NameTables:
    """The codes that stand for the names of devices and shards. The decoder fills both, all lanes share them."""

    devices: Names
    shards: Names


class Malformed(Exception):
    """An item that is not a sample. The message is the reason a person reads in the quarantine."""


class Decoder:
    """Decodes pages of one table. Any thread may call it: it keeps only the tables of names.

    ``device_key``: the attribute that names the device; an item without it belongs to ``table``.
    ``plausible``: readings outside it are quarantined.
    """

    def __init__(
        self, *, table: str, device_key: str, devices: Names, shards: Names, plausible: Range = PLAUSIBLE
    ) -> None:
        self._table = table
        self._device_key = device_key
        self.devices = devices
        self._shards = shards
        self._plausible = plausible

    def page(self, shard: str, records: Sequence[Mapping[str, Any]], *, written: float = 0.0) -> Decoded:
        """Decode what one GetRecords call returned. A malformed record raises nothing: it is in the rejects.

        ``written``: a record that does not say when it was written counts as written then (epoch seconds). Raises
        `Unnumbered` for a record without a sequence number.
        """
        rows = []
        sequence = np.empty(len(records), object)
        rejects: dict[int, Reject] = {}
        for row, record in enumerate(records):
            sequence[row] = envelope.sequence(record)
            created = envelope.created(record)
            try:
                device, ts, current_a, temperature_c, kind, reason = self._decoded(record, created)
            except Malformed as fault:
                kind, reason = Kind.MALFORMED, str(fault)
                device, ts, current_a, temperature_c = self._device_of(record), NAN, NAN, NAN
            if reason:
                rejects[row] = Reject(reason, record)
            at = written if created is None else created
            rows.append((ts, current_a, temperature_c, at, self.devices.code(device), kind))
        columns = list(zip(*rows, strict=True)) or [()] * 6
        samples = Samples.of(
            columns[0],
            columns[1],
            columns[2],
            created=columns[3],
            device=columns[4],
            shard=self._shards.code(shard),
            kind=columns[5],
        )
        return Decoded(samples, sequence, rejects)

    def _decoded(self, record: Mapping[str, Any], created: float | None) -> tuple[str, float, float, float, Kind, str]:
        """Device, ``ts``, current, temperature, kind and reason of a record. Raises `Malformed`."""
        change = record["dynamodb"]
        event = record.get("eventName")
        if not isinstance(event, str) or event not in envelope.KINDS:
            raise Malformed(f"the record's eventName is {event!r}")
        if created is None:
            raise Malformed(f"the record's {envelope.CREATED} is {change.get(envelope.CREATED)!r}")
        if event == "REMOVE":
            return self._device_of(record), NAN, NAN, NAN, Kind.REMOVED, ""
        item = change.get("NewImage")
        if item is None:
            raise Malformed("the record has no new image: the stream must be NEW_IMAGE or NEW_AND_OLD_IMAGES")
        try:
            device = self._device(item)
            ts, current_a, temperature_c = _time(item), number(item, "current"), number(item, "temperature")
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as fault:
            raise Malformed(f"the record's image is none of an item: {fault!r}") from fault
        kind, reason = self._class(ts, current_a, temperature_c, created)
        return device, ts, current_a, temperature_c, kind, reason

    def items(self, name: str, items: Sequence[Item]) -> Decoded:
        """Decode items read from the table itself, in order of time, under the lineage ``name``.

        The time of writing is unknown, so they count as written at their ``ts``. Their sequence numbers grow with
        ``ts``, and with the device's name where it is equal. So a restart knows which of them were processed.
        """
        records = []
        ties = 0
        before = -math.inf
        for item in sorted(items, key=lambda item: (_rough_time(item), self._device_or_table(item))):
            ts = _rough_time(item)
            ties = ties + 1 if ts == before else 0
            before = ts
            change = {"SequenceNumber": str(backfill_sequence(ts, ties)), "NewImage": item}
            records.append({"eventName": "TABLE", "dynamodb": {**change, "ApproximateCreationDateTime": ts}})
        decoded = self.page(name, records)
        kind = np.where(decoded.samples.kind == Kind.SAMPLE, Kind.BACKFILL, decoded.samples.kind).astype(np.int8)
        return Decoded(decoded.samples.of_kind(kind), decoded.sequence, decoded.rejects)

    def recorded(self, name: str, samples: Samples, rejects: Mapping[int, Reject]) -> Decoded:
        """Give samples that come from a recording, in order of time, their class and the shard ``name``.

        Rows in ``rejects`` are no samples: the reader of the recording gave the reason. Sequence numbers count the rows
        from 1.
        """
        kind, found = samples.kind.copy(), dict(rejects)
        (low_a, high_a), (low_c, high_c) = self._plausible.current_a, self._plausible.temperature_c
        current_a, temperature_c = samples.current_a, samples.temperature_c
        odd = ~((current_a >= low_a) & (current_a <= high_a) & (temperature_c >= low_c) & (temperature_c <= high_c))
        for row in np.flatnonzero(odd & (kind == Kind.SAMPLE)):
            ts, current, temperature = (float(column[row]) for column in (samples.ts, current_a, temperature_c))
            kind[row], reason = self._class(ts, current, temperature, ts)
            raw = {"ts": repr(ts), "current": repr(current), "temperature": repr(temperature)}
            found[int(row)] = Reject(reason, {"device": self.devices[int(samples.device[row])], **raw})
        shard = np.full(len(samples), self._shards.code(name), np.int32)
        sequence = np.arange(1, len(samples) + 1).astype(str).astype(object)
        return Decoded(replace(samples, shard=shard, kind=kind), sequence, found)

    def _class(self, ts: float, current_a: float, temperature_c: float, created: float) -> tuple[Kind, str]:
        for name, value, unit, (low, high) in (
            ("current", current_a, "A", self._plausible.current_a),
            ("temperature", temperature_c, "°C", self._plausible.temperature_c),
        ):
            if not low <= value <= high:
                return Kind.IMPLAUSIBLE, f"{name} {value:g} {unit} is outside the plausible {low:g} to {high:g} {unit}"
        if ts - created > FUTURE_S:
            return Kind.FUTURE, f"ts lies {ts - created:.0f} s after the record was written (seconds are expected)"
        if created - ts > LATE_S:
            return Kind.LATE, ""
        return Kind.SAMPLE, ""

    def _device(self, item: Item) -> str:
        value = item.get(self._device_key)
        if value is None:
            return self._table
        for kind in ("S", "N"):
            if kind in value and value[kind] != "":
                name = str(value[kind])
                if len(name.encode()) > DEVICE_BYTES:
                    raise Malformed(f"attribute {self._device_key!r} is longer than {DEVICE_BYTES} bytes")
                return name
        raise Malformed(f"attribute {self._device_key!r} names the device and must be a string or a number")

    def _device_of(self, record: Mapping[str, Any]) -> str:
        """The device that a record belongs to, whatever else is wrong with it."""
        image = "Keys" if record.get("eventName") == "REMOVE" else "NewImage"
        try:
            return self._device_or_table(record["dynamodb"].get(image) or {})
        except (AttributeError, LookupError, TypeError):
            return self._table

    def _device_or_table(self, item: Item) -> str:
        try:
            return self._device(item)
        except Malformed:
            return self._table


def keyed_by_time(keys: Sequence[str]) -> bool:
    """True for a table whose key is the time alone. It can hold one device, and all shards have records of it."""
    return tuple(keys) == (TS,)


def backfill_sequence(ts: float, ties: int) -> int:
    """The sequence number of an item read from the table, the ``ties``-th of its ``ts``."""
    return int(ts * 1e6) * MOST_TIES + ties


def number(item: Item, name: str) -> float:
    """A finite number attribute of an item. Raises `Malformed`."""
    value = item.get(name)
    if value is None:
        raise Malformed(f"attribute {name!r} is missing")
    if "N" not in value:
        kind = next(iter(value), "nothing")
        raise Malformed(f"attribute {name!r} is of type {kind}, not a number (N)")
    try:
        parsed = float(value["N"])
    except (TypeError, ValueError):
        raise Malformed(f"attribute {name!r} is not a number") from None
    if not math.isfinite(parsed):
        raise Malformed(f"attribute {name!r} is not finite")
    return parsed


def _time(item: Item) -> float:
    """``ts`` as a float that holds it exactly. Otherwise two samples could become one: ``ts`` is part of a sample's
    identity (rule 1)."""
    ts = number(item, "ts")
    if ts < 0:
        raise Malformed("attribute 'ts' lies before 1970")
    text = item["ts"]["N"]
    if repr(ts) != text and Decimal(text) != Decimal(repr(ts)):
        raise Malformed("attribute 'ts' has more digits than a float can hold: write microseconds at most")
    return ts


def _rough_time(item: Item) -> float:
    """The time to sort an item by; 0 for an item that has none. That one is quarantined later, by `page`."""
    try:
        return number(item, "ts")
    except Malformed:
        return 0.0
