"""The one type that travels the whole way: samples as columns."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Kinds = NDArray[np.int8]


class Kind(IntEnum):
    """What a record is. It depends on the record alone (rule 2 of the order), except for the last kind."""

    SAMPLE = 0
    MALFORMED = 1
    IMPLAUSIBLE = 2
    FUTURE = 3
    LATE = 4
    REMOVED = 5
    BACKFILL = 6
    FOREIGN = 7
    """From a second device in a table that can hold only one: the records before it decide that (rule 1)."""

    @property
    def quarantined(self) -> bool:
        """True for the kinds that are quarantined with their raw record."""
        return self in (Kind.MALFORMED, Kind.IMPLAUSIBLE, Kind.FUTURE, Kind.FOREIGN)

    @property
    def scored(self) -> bool:
        """True for the kinds that enter a window."""
        return self in (Kind.SAMPLE, Kind.BACKFILL)


@dataclass(frozen=True, slots=True)
class Samples:
    """Records as columns of equal length, one row each: the same code handles one record and a thousand.

    ``ts`` and ``created`` are epoch seconds, ``current_a`` amperes (charge positive), ``temperature_c`` degrees
    Celsius; ``device`` and ``shard`` are codes from a `Names` table; ``kind`` holds `Kind` values. A row that is
    not a sample may hold NaN in any float column.
    """

    ts: Floats
    current_a: Floats
    temperature_c: Floats
    created: Floats
    device: Codes
    shard: Codes
    kind: Kinds

    def __post_init__(self) -> None:
        lengths = {len(getattr(self, name)) for name in _COLUMNS}
        if len(lengths) > 1:
            raise ValueError(f"columns of unequal length: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.ts)

    def take(self, rows: Any) -> Samples:
        """The rows named by an index array, a mask or a slice, in that order."""
        return Samples(*(getattr(self, name)[rows] for name in _COLUMNS))

    def of_kind(self, kind: Kinds) -> Samples:
        """The same samples under other kinds, shape (n,)."""
        return replace(self, kind=kind)

    def of_device(self, code: int) -> Samples:
        """The same samples, all of one device."""
        return replace(self, device=np.full(len(self), code, np.int32))

    @classmethod
    def of(
        cls,
        ts: Sequence[float] | Floats,
        current_a: Sequence[float] | Floats,
        temperature_c: Sequence[float] | Floats,
        *,
        created: Sequence[float] | Floats | None = None,
        device: Sequence[int] | Codes | int = 0,
        shard: Sequence[int] | Codes | int = 0,
        kind: Sequence[int] | Kinds | int = Kind.SAMPLE,
    ) -> Samples:
        """Build from any sequences; scalars spread over all rows, ``created`` is ``ts`` unless given.

        >>> len(Samples.of([1.0, 2.0], [3.0, 3.0], [25.0, 25.1]))
        2
        """
        stamps = np.asarray(ts, np.float64)

        def spread(value: Any, dtype: type) -> Any:
            return np.ascontiguousarray(np.broadcast_to(np.asarray(value, dtype), stamps.shape))

        return cls(
            ts=stamps,
            current_a=np.asarray(current_a, np.float64),
            temperature_c=np.asarray(temperature_c, np.float64),
            created=stamps if created is None else np.asarray(created, np.float64),
            device=spread(device, np.int32),
            shard=spread(shard, np.int32),
            kind=spread(kind, np.int8),
        )

    @classmethod
    def empty(cls) -> Samples:
        """No rows."""
        return cls.of([], [], [])


_COLUMNS = tuple(field.name for field in fields(Samples))


def concat(parts: Sequence[Samples]) -> Samples:
    """All rows of ``parts``, in order."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Samples.empty()
    return Samples(*(np.concatenate([getattr(p, name) for p in parts]) for name in _COLUMNS))


class Names:
    """Gives each name a small code, in the order of arrival, and each code its name.

    Codes depend on the arrival, so nothing that leaves the process may be ordered by them.

    >>> names = Names(); names.code("a"), names.code("b"), names.code("a"), names[1]
    (0, 1, 0, 'b')
    """

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._names: list[str] = []
        self._adding = threading.Lock()

    def __getitem__(self, code: int) -> str:
        return self._names[code]

    def __len__(self) -> int:
        return len(self._names)

    def code(self, name: str) -> int:
        """The code of ``name``; a new one at its first call. Any thread may call."""
        code = self._codes.get(name)
        if code is not None:
            return code
        with self._adding:
            if name not in self._codes:
                self._names.append(name)
                self._codes[name] = len(self._names) - 1
            return self._codes[name]
