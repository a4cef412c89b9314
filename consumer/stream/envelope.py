"""What a stream record has around its item: its number, its kind of change, and when it was written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import inf
from typing import Any

from consumer.errors import Retry

CREATED = "ApproximateCreationDateTime"
_SHARD = re.compile(r"shardId-0*([1-9]\d{12})-")
"""The number of a shard's id is when it began, in milliseconds."""
KINDS = frozenset({"INSERT", "MODIFY", "REMOVE", "TABLE"})
"""Of changes. ``TABLE`` is our own: an item that was read from the table itself."""


class Unnumbered(Retry):
    """A record has no sequence number. Nobody can go on after it, so the answer that holds it is not taken."""


def sequence(record: Any) -> str:
    """The sequence number of a record: digits. Raises `Unnumbered`."""
    try:
        number = record["dynamodb"]["SequenceNumber"]
    except (LookupError, TypeError):
        number = None
    if isinstance(number, str) and number.isdecimal():
        return number
    raise Unnumbered(f"a record has the sequence number {number!r}, which is none")


def numbered(record: Any) -> bool:
    """True if a record has a sequence number."""
    try:
        return bool(sequence(record))
    except Unnumbered:
        return False


def created(record: Mapping[str, Any]) -> float | None:
    """When a record was written, epoch seconds; None if it does not say so in a way that can be read."""
    try:
        at = float(record["dynamodb"][CREATED])
    except (LookupError, TypeError, ValueError):
        return None
    return at if 0.0 <= at < inf else None


def begun(shard: str) -> float | None:
    """When a shard began, epoch seconds, by its id; None for an id that does not say so.

    A record without a creation time was written after that. When the record before it was written a successor does not
    know: that would be another time after a restart.
    """
    number = _SHARD.match(shard)
    return None if number is None else float(int(number[1]) // 1000)


def size_bytes(record: Any) -> int:
    """The size of a record; 0 if it does not say so."""
    try:
        size = record["dynamodb"]["SizeBytes"]
    except (LookupError, TypeError):
        return 0
    return size if isinstance(size, int) else 0
