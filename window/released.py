"""Records in merged order: columns, as everywhere, with the order key and the place of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from window.samples import Floats, Samples, concat

Sequences = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Released:
    """Records in merged order: ``samples``, their ``stamp`` (n,) and ``sequence`` numbers (n,)."""

    samples: Samples
    stamp: Floats
    sequence: Sequences

    def __len__(self) -> int:
        return len(self.samples)

    def take(self, rows: slice | NDArray[np.bool_] | NDArray[np.intp]) -> Released:
        """Some of the rows, in the same order."""
        return Released(self.samples.take(rows), self.stamp[rows], self.sequence[rows])


def joined(parts: Sequence[Released]) -> Released:
    """All rows of ``parts``, at least one part, in order."""
    if len(parts) == 1:
        return parts[0]
    return Released(
        concat([part.samples for part in parts]),
        np.concatenate([part.stamp for part in parts]),
        np.concatenate([part.sequence for part in parts]),
    )
