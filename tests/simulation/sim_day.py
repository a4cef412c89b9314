"""A day of samples that nobody holds in memory: every record is made when it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, inf
from typing import Any, overload

from sim_script import FIRST_SEQUENCE, Script, Shard

DELAY_S = 0.2
"""From a sample to its record."""
STRANGE_A = 9.5
STRANGE_EVERY_S, STRANGE_APART_S, STRANGE_AFTER_S = 7200, 600, 77
"""How often a device has one sample of that current, how far those of two devices lie apart, and when the first is."""


@dataclass(frozen=True, slots=True)
class Times(Sequence[float]):
    """Equally spaced times, epoch seconds, each ``repeat`` times."""

    first: float
    seconds: int
    repeat: int

    def __len__(self) -> int:
        return self.seconds * self.repeat

    @overload
    def __getitem__(self, row: int) -> float: ...
    @overload
    def __getitem__(self, row: slice) -> list[float]: ...
    def __getitem__(self, row: int | slice) -> float | list[float]:
        if isinstance(row, slice):
            return [self[n] for n in range(*row.indices(len(self)))]
        if row < 0:
            row += len(self)
        if not 0 <= row < len(self):
            raise IndexError(row)
        return self.first + row // self.repeat


BLOCK = 200
"""So many records are made at once."""


class Records(Sequence[Mapping[str, Any]]):
    """The records of a shard: every second one sample of every device, all made up from their row."""

    def __init__(self, begin: int, since: int, seconds: int, devices: Sequence[str], sequence: int) -> None:
        self._begin = begin
        self._since = since
        self._devices = devices
        self._sequence = sequence
        self._count = seconds * len(devices)
        self._names = [{"S": device} for device in devices]
        self._made: dict[int, list[Mapping[str, Any]]] = {}

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, row: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, row: slice) -> list[Mapping[str, Any]]: ...
    def __getitem__(self, row: int | slice) -> Mapping[str, Any] | list[Mapping[str, Any]]:
        if isinstance(row, int):
            return self._block(row // BLOCK)[row % BLOCK]
        rows = range(*row.indices(self._count))
        if not rows:
            return []
        blocks = range(rows.start // BLOCK, rows[-1] // BLOCK + 1)
        made = [record for block in blocks for record in self._block(block)]
        start = rows.start - blocks.start * BLOCK
        return made[start : start + len(rows)]

    def forget(self) -> None:
        """Drop the records that were made last."""
        self._made.clear()

    def _block(self, number: int) -> list[Mapping[str, Any]]:
        """Many records at once: a page is looked at record by record for its size before it is taken, and the next
        one may begin in the same block."""
        if number not in self._made:
            kept = {near: made for near, made in self._made.items() if near == number - 1}
            rows = range(number * BLOCK, min((number + 1) * BLOCK, self._count))
            self._made = {**kept, number: [self._record(row) for row in rows]}
        return self._made[number]

    def _record(self, row: int) -> Mapping[str, Any]:
        second, device = divmod(row, len(self._devices))
        ts = self._begin + second
        strange = (second - device * STRANGE_APART_S - STRANGE_AFTER_S + self._since) % STRANGE_EVERY_S == 0
        current = repr(STRANGE_A) if strange else f"{4 + row * 7919 % 41 / 200:.3f}"
        image = {
            "ts": {"N": str(ts)},
            "device": self._names[device],
            "current": {"N": current},
            "temperature": {"N": f"{25 + row * 104729 % 37 / 100:.2f}"},
        }
        return {
            "eventName": "INSERT",
            "dynamodb": {
                "ApproximateCreationDateTime": floor(ts + DELAY_S),
                "SequenceNumber": str(self._sequence + row),
                "NewImage": image,
                "SizeBytes": 60,
            },
        }


def day(begin: int, seconds: int, devices: Sequence[str], *, roll_overs: int) -> Script:
    """One lineage of shards with a sample a second of every device; ``begin`` in epoch seconds."""
    shards: list[Shard] = []
    each = -(-seconds // (roll_overs + 1))
    for number, since in enumerate(range(0, seconds, each)):
        start, count = begin + since, min(each, seconds - since)
        opened = float(start) if shards else start - 60.0
        sequence = FIRST_SEQUENCE + number * 10**9
        written = Times(start + DELAY_S, count, len(devices))
        shards.append(
            Shard(
                f"shardId-{int(opened * 1000):020d}-day",
                shards[-1].name if shards else None,
                opened,
                float(start + count) if number < roll_overs else inf,
                0.0,
                1.0,
                Records(start, since, count, devices, sequence),  # type: ignore[arg-type]
                range(sequence, sequence + len(written)),  # type: ignore[arg-type]
                written,  # type: ignore[arg-type]
                written,  # type: ignore[arg-type]
            )
        )
    return Script(tuple(shards), (), by_name={shard.name: shard for shard in shards})
